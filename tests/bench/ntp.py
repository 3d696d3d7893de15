"""How far off the offset of ntp/client is, beside that of chronyd -Q, asked in turn of the same chronyd.

    python3 tests/bench/ntp.py [RUNS]

Server and clients have one clock: the true offset is zero, and what either reports is its error. Eight samples each, as
fast as each goes (chronyd's -6 is a poll every 1/64 s). chronyd rounds to a microsecond. The figures also go to
build/bench/ntp.json.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "blackbox"))
from harness import binary, peer  # noqa: E402
from test_ntp import chronyd  # noqa: E402


def output(*command):
    result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return result.stdout.decode()


def ours(host, port, _):
    text = output(binary("ntp/client"), "-n", 8, "-i", 0, "-p", port, host)
    assert "samples 8 of 8" in text, text
    return float(re.search(r"offset (\S+) s", text)[1])


def theirs(host, port, directory):
    source = f"server {host} port {port} iburst minpoll -6 maxpoll -6 minsamples 8 maxsamples 8"
    words = ["-Q", "-U", "-t", 10, "-u", "root", "-f", "/dev/null", source, f"pidfile {directory}/Q"]
    text = output(peer("chronyd"), *words)
    return float(re.search(r"wrong by (\S+) seconds", text)[1])


def main(runs):
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        server = chronyd(Path(directory))
        try:
            for host in ("127.0.0.1", "::1"):
                errors = {"ntp/client": [], "chronyd -Q": []}
                for run in range(runs):
                    for name, ask in zip(errors, (ours, theirs)):
                        errors[name].append(abs(ask(host, server.port, directory)))
                    print(f"\r{host}: {run + 1} of {runs}", end="", file=sys.stderr, flush=True)
                print(file=sys.stderr)
                results[host] = errors
        finally:
            server.close()
    print(f"absolute error of the offset in us, median of {runs} (quartiles); goal: ours no larger")
    for host, errors in results.items():
        for name, values in errors.items():
            low, median, high = (1e6 * value for value in statistics.quantiles(values, n=4))
            print(f"  {host:10} {name:11} {median:6.2f} ({low:.2f} to {high:.2f})")
        met = statistics.median(errors["ntp/client"]) <= statistics.median(errors["chronyd -Q"])
        print(f"  {host:10} goal {'met' if met else 'MISSED'}")
    (ROOT / "build" / "bench").mkdir(parents=True, exist_ok=True)
    (ROOT / "build" / "bench" / "ntp.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
