"""make blackbox: runs the tests side by side where pytest-xdist is installed, at the same time
those that mostly wait (@pytest.mark.waits), and by themselves afterwards those that measure time,
memory or processor (@pytest.mark.alone). What was not run is summed up at the end.

    python3 tests/run.py [pytest's own words]       without a word: tests
    THOROUGH=1 python3 tests/run.py                 those marked thorough, and no others

The thorough ones (the zoo before the judge, the pages in a browser) prove what comes with the
programs, not the programs: make test leaves them to make thorough.
"""

import concurrent.futures
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
THOROUGH = "thorough" if os.environ.get("THOROUGH") else "not thorough"
# Even the others wait as much as they work.
CORES = os.cpu_count() or 1


def pytest(words, output=None):
    """Runs pytest. Returns its exit status, and how many tests were skipped for each reason."""
    with tempfile.TemporaryDirectory() as directory:
        skipped = Path(directory) / "skipped"
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
            cwd=ROOT,
            env=dict(os.environ, SKIPPED_TO=str(skipped)),
            stdout=output,
        ).returncode
        return status, Counter(json.loads(skipped.read_text()) if skipped.exists() else {})


def side_by_side(words):
    """Two runs at once; what the second prints comes after the first. The results of both."""
    with concurrent.futures.ThreadPoolExecutor() as pool, tempfile.TemporaryFile() as printed:
        waits = ["-n", str(4 * CORES), "-m", f"{THOROUGH} and waits and not alone", *words]
        waiting = pool.submit(pytest, waits, printed)
        works = ["-n", str(2 * CORES), "-m", f"{THOROUGH} and not waits and not alone", *words]
        yield pytest(works)
        yield waiting.result()
        printed.seek(0)
        sys.stdout.write(printed.read().decode(errors="replace"))
        sys.stdout.flush()


def main(words):
    if importlib.util.find_spec("xdist"):
        results = [*side_by_side(words), pytest(["-m", f"{THOROUGH} and alone", *words])]
    else:
        print("One test after the other: with the package python3-pytest-xdist it takes less time.")
        results = [pytest(["-m", THOROUGH, *words])]
    for line in summary(sum((skipped for _, skipped in results), Counter())):
        print(line)
    if THOROUGH.startswith("not"):
        print("The zoo before the judge and the pages in a browser: make thorough")
    found = [status for status, _ in results if status != NOTHING_COLLECTED]
    return max(found, default=NOTHING_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["tests"]))
