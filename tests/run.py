"""make blackbox: runs the tests side by side where pytest-xdist is installed, and those that measure
time, memory or processor (@pytest.mark.alone) by themselves afterwards. What was not run is summed up
at the end.

    python3 tests/run.py [pytest's own words]       without a word: tests
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from skips import summary  # noqa: E402

NOTHING_COLLECTED = 5  # pytest's exit status
# Most tests wait more than they work.
WORKERS = 2 * (os.cpu_count() or 1)


def pytest(*words):
    """Runs pytest. Returns its exit status, and how many tests were skipped for each reason."""
    with tempfile.TemporaryDirectory() as directory:
        skipped = Path(directory) / "skipped"
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
            cwd=ROOT,
            env=dict(os.environ, SKIPPED_TO=str(skipped)),
        ).returncode
        return status, Counter(json.loads(skipped.read_text()) if skipped.exists() else {})


def main(words):
    if importlib.util.find_spec("xdist"):
        runs = [["-n", str(WORKERS), "-m", "not alone"], ["-m", "alone"]]
    else:
        print("One test after the other: with the package python3-pytest-xdist it takes less time.")
        runs = [[]]
    worst, skipped = NOTHING_COLLECTED, Counter()
    for run in runs:
        status, reasons = pytest(*run, *words)
        skipped += reasons
        if status != NOTHING_COLLECTED and worst in (0, NOTHING_COLLECTED):
            worst = status
    for line in summary(skipped):
        print(line)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["tests"]))
