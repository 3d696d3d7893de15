"""make blackbox: runs the tests side by side where pytest-xdist is installed, at the same time
those that mostly wait (@pytest.mark.waits), and by themselves afterwards those that measure time,
memory or processor (@pytest.mark.alone). A few that fail beside others, as may be on a slow
machine, are run again by themselves: those that pass then are named. What was not run is summed up
at the end.

    python3 tests/run.py [pytest's own words]       without a word: tests
    THOROUGH=1 python3 tests/run.py                 those marked thorough, and no others

The thorough ones (the judge, the exercises, the lab, the servers in other languages, the sessions
of the notes, the pages in a browser) prove what comes with the programs, not the programs: make
test leaves them to make thorough.
"""

import concurrent.futures
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from skips import summary  # noqa: E402

NOTHING_COLLECTED = 5  # pytest's exit status
IS_THOROUGH = bool(os.environ.get("THOROUGH"))
THOROUGH = "thorough" if IS_THOROUGH else "not thorough"
# Even the others wait as much as they work.
CORES = os.cpu_count() or 1
# Of those that wait, this many at once on each core: the judge, which the thorough ones run, gives
# no points to servers that are slow.
WAITING = 2 if IS_THOROUGH else 4
# The sessions of a note stay together, in their order; of the other thousands each goes its way.
DIST = "loadgroup" if IS_THOROUGH else "load"


MOST_AGAIN = 5  # more than these fail for a reason of their own


@dataclass
class Result:
    status: int  # pytest's
    skipped: Counter = field(default_factory=Counter)  # how many for each reason
    failed: list = field(default_factory=list)  # the names of the tests


def pytest(words, output=None):
    """Runs pytest. Returns its Result."""
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory) / "results"
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
            cwd=ROOT,
            env=dict(os.environ, RESULTS_TO=str(results)),
            stdout=output,
        ).returncode
        said = json.loads(results.read_text()) if results.exists() else {}
        return Result(status, Counter(said.get("skipped")), said.get("failed", []))


def with_waits(words):
    """The same words where the tests that wait are the only ones wanted: a worker takes seconds to
    read all files."""
    if words != ["tests"]:
        return words
    files = ROOT.glob("tests/*/test_*.py")
    return [str(file) for file in files if "mark.waits" in file.read_text()]


def prepare(words):
    """pytest rewrites the assertions of each file that it reads, seconds of work, and keeps the
    result beside it: once, and not at the same time in each worker."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    pytest(["--collect-only", "-qq", *words], subprocess.DEVNULL)


def side_by_side(words):
    """Two runs at once; what the second prints comes after the first. The results of both."""
    with concurrent.futures.ThreadPoolExecutor() as pool, tempfile.TemporaryFile() as printed:
        waits = ["-n", str(WAITING * CORES), "--dist", "loadgroup"]
        waits += ["-m", f"{THOROUGH} and waits and not alone"]
        waits += with_waits(words)
        waiting = pool.submit(pytest, waits, printed)
        works = ["-n", str(3 * CORES), "--dist", DIST]
        works += ["-m", f"{THOROUGH} and not waits and not alone", *words]
        yield pytest(works)
        yield waiting.result()
        printed.seek(0)
        sys.stdout.write(printed.read().decode(errors="replace"))
        sys.stdout.flush()


def again(results):
    """The Results, with what those that failed beside others have done by themselves."""
    failed = [name for result in results for name in result.failed]
    if not 0 < len(failed) <= MOST_AGAIN:
        return results
    print("Those that failed, again and by themselves:", flush=True)
    alone = pytest(failed)
    for name in set(failed) - set(alone.failed):
        print(f"Failed beside others (see above), and passed by itself: {name}")
    only_failed = 1  # pytest's exit status
    return [r for r in results if r.status != only_failed] + [Result(alone.status)]


def main(words):
    if importlib.util.find_spec("xdist"):
        prepare(words)
        beside = list(side_by_side(words))
        alone = pytest(["-m", f"{THOROUGH} and alone", *words])
    else:
        print("One test after the other: with the package python3-pytest-xdist it takes less time.")
        beside, alone = [], pytest(["-m", THOROUGH, *words])
    skipped = sum((result.skipped for result in [*beside, alone]), Counter())
    results = [*again(beside), alone]
    for line in summary(skipped):
        print(line)
    if not IS_THOROUGH:
        print("What comes with them (the judge, exercises, lab, notes, site): make thorough")
    found = [result.status for result in results if result.status != NOTHING_COLLECTED]
    return max(found, default=NOTHING_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["tests"]))
