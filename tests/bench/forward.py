"""One stream through tcp/forward on loopback, beside socat, ssh -L and no relay at all; and a thousand idle relays.

    python3 tests/bench/forward.py [ROUNDS [SECONDS]]        after `make`; 7 rounds of 2 seconds each by default

iperf3 sends as fast as it can, for so many seconds, by each way in turn (A B C D A B C D ...), so that a machine that
slows down slows all of them down. The medians are printed, their ratios beside the goals of DESIGN, and written to
build/bench/forward.json. Needs iperf3, socat, openssh-client and openssh-server; a peer that is missing is left out."""

import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOALS = {"socat -b65536": 1.2, "ssh -L": 3.0, "no relay": 0.8}  # forward is to be at least so many times as fast
PEERS = {"socat -b65536": ["socat"], "ssh -L": ["ssh", "sshd", "ssh-keygen"]}
IDLE, IDLE_GOAL = 1000, 20 << 20  # relays, bytes resident
os.environ["PATH"] += ":/usr/sbin:/sbin"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as any_socket:
        return any_socket.getsockname()[1]


def listens(port):
    with open("/proc/net/tcp") as table:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in table)


def start(words, port, running):
    """Runs a server, and waits until it listens on its port."""
    running.append(subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    deadline = time.monotonic() + 10
    while not listens(port):
        if running[-1].poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{words[0]} does not listen")
        time.sleep(0.01)
    return running[-1]


def ssh(port, target, directory, running):
    """The words of an ssh -L through an sshd of our own."""
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{directory}/{name}"], check=True)
    sshd_port = free_port()
    Path(f"{directory}/config").write_text(
        f"HostKey {directory}/host_key\nAuthorizedKeysFile {directory}/key.pub\nStrictModes no\nUsePAM no\n"
        f"PidFile none\nPermitRootLogin yes\nListenAddress 127.0.0.1\nPort {sshd_port}\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    start([shutil.which("sshd"), "-D", "-f", f"{directory}/config"], sshd_port, running)
    return ["ssh", "-F", "none", "-i", f"{directory}/key", "-o", "StrictHostKeyChecking=no", "-o",
            "UserKnownHostsFile=/dev/null", "-p", sshd_port, "-N", "-L", f"{port}:127.0.0.1:{target}", "127.0.0.1"]


def gigabits(port, seconds):
    """What arrived at the far end, in Gbit/s."""
    command = ["iperf3", "-J", "-c", "127.0.0.1", "-p", str(port), "-t", str(seconds)]
    for _ in range(50):
        result = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
        if "error" not in result:
            return result["end"]["sum_received"]["bits_per_second"] / 1e9
        time.sleep(0.1)  # "the server is busy": with what the last stream left on its way
    sys.exit(f"iperf3: {result['error']}")


def idle_memory(running):
    """Resident bytes of a forward that holds IDLE connections, each of which has been of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.create_server(("127.0.0.1", 0), backlog=IDLE) as target:
        port = free_port()
        forward = start([ROOT / "build/tcp/forward", f"{port}:127.0.0.1:{target.getsockname()[1]}"], port, running)
        pairs = [(socket.create_connection(("127.0.0.1", port)), target.accept()[0]) for _ in range(IDLE)]
        for client, _ in pairs:
            client.sendall(b"x" * 1000)
        for _, far in pairs:
            far.recv(1000, socket.MSG_WAITALL)
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{forward.pid}/status").read_text())
        for pair in pairs:
            pair[0].close(), pair[1].close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return 1024 * int(resident[1])


def main():
    rounds, seconds = (list(map(int, sys.argv[1:])) + [7, 2][len(sys.argv) - 1 :])[:2]
    running = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            ways = {}
            for name, words in {
                "no relay": None,
                "tcp/forward": lambda port, to: [ROOT / "build/tcp/forward", f"{port}:127.0.0.1:{to}"],
                "socat -b65536": lambda port, to: ["socat", "-b65536",
                    f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"TCP:127.0.0.1:{to}"],
                "ssh -L": lambda port, to: ssh(port, to, directory, running),
            }.items():  # fmt: skip
                if any(shutil.which(peer) is None for peer in PEERS.get(name, ())):
                    continue
                target = free_port()  # a server each: what is left of one stream is not in the way of the next
                start(["iperf3", "-s", "-B", "127.0.0.1", "-p", target], target, running)
                ways[name] = free_port() if words else target
                if words:
                    start(words(ways[name], target), ways[name], running)
            figures = {name: [] for name in ways}
            for number in range(rounds):
                for name, port in ways.items():
                    figures[name].append(gigabits(port, seconds))
                    print(f"\r\33[Kround {number + 1} of {rounds}: {name} {figures[name][-1]:.1f} Gbit/s", end="", file=sys.stderr)
            print(file=sys.stderr)
            resident = idle_memory(running)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print(f"{'one stream, loopback':24}{'Gbit/s':>8}{'lowest':>8}{'highest':>8}   forward is")
    for name, values in figures.items():
        goal = f"{medians['tcp/forward'] / medians[name]:8.2f}x, goal {GOALS[name]}x" if name in GOALS else ""
        print(f"{name:24}{medians[name]:8.1f}{min(values):8.1f}{max(values):8.1f}  {goal}")
    print(f"{IDLE} idle relays: {resident / (1 << 20):.1f} MiB resident, goal under {IDLE_GOAL >> 20}")
    results = ROOT / "build/bench/forward.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({"gigabits": figures, "medians": medians, "idle_resident": resident}, indent=1))


if __name__ == "__main__":
    main()
