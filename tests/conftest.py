"""What holds for every suite. pytest.ini puts tests/support on the path: `from harness import ...`
works in each."""

import json
import os
import re
import resource
import signal
import tempfile
import threading
import zlib
from pathlib import Path

import pytest
import skips
from unix_sockets import short_directory

# tests/run.py sums up what became of several runs. It is not for the runs that a test starts.
RESULTS_TO = os.environ.pop("RESULTS_TO", None)

# Thousands of clients are thousands of descriptors in this process too.
_, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))

# A second user is to read what we write, whatever our umask and wherever our TMPDIR is; and the path
# of a socket that a program makes in TMPDIR is to be short. What Python makes stays in ours.
os.umask(0o022)
tempfile.gettempdir()  # is remembered
os.environ["TMPDIR"] = "/tmp"

# In a background job of a script, and under nohup, signals are ignored, and what we start would
# inherit that. It does not inherit a handler: exec(3) gives it the default action.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda number, frame: None)


LONGEST = 300  # seconds: a test that hangs fails, and the others are run


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    def too_long(number, frame):
        raise TimeoutError(f"{item.name} has not ended after {LONGEST} s")

    if threading.current_thread() is not threading.main_thread():  # xdist's workers may have another
        yield
        return
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(0 if "soak" in item.path.parts else LONGEST)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def place():
    with short_directory() as directory:
        yield directory


def pytest_collection_modifyitems(items):
    """Those that wait are shuffled, always in the same way: xdist gives neighbours to one worker,
    and the long ones are neighbours."""
    waiting = iter(
        sorted(
            (item for item in items if item.get_closest_marker("waits")),
            key=lambda item: zlib.crc32(item.nodeid.encode()),
        )
    )
    items[:] = [next(waiting) if item.get_closest_marker("waits") else item for item in items]


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    reasons = skips.count(stats.get("skipped", []))
    if RESULTS_TO:
        reports = [report for kind in ("failed", "error") for report in stats.get(kind, [])]
        # xdist writes the name of a group behind that of a test.
        failed = [re.sub(r"@\w+$", "", report.nodeid) for report in reports]
        Path(RESULTS_TO).write_text(json.dumps({"skipped": reasons, "failed": failed}))
    elif lines := skips.summary(reasons):
        terminalreporter.section("not run", "-")
        terminalreporter.write("\n".join([*lines, ""]))
