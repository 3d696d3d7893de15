"""What a student sees of the test of an exercise: a line for each promise, kept or not, and of each
that is not, what was sent, expected and received; in the reader's language."""

import contextlib
import os
import re
from pathlib import Path

import pytest
from spoken import in_french, say


def sentence(nodeid):
    """What a test promises: `tests/exercises/rot13.py::test_it_greets[echo/rot13]` -> `it greets
    (echo/rot13)`."""
    name, _, which = nodeid.rpartition("::")[2].removeprefix("test_").partition("[")
    text = say(name.replace("_", " "), in_french().get(name, name.replace("_", " ")))
    return text + (f" ({which[:-1]})" if which else "")


class Report:
    """A plugin for pytest, in the place of its own report."""

    def __init__(self, out):
        self.out = out
        self.tests, self.failed = [], set()  # their node ids

    def run(self, words):
        """Runs pytest. Its own report is written all the same, as an assertion asks it for colours
        (pytest 8): nowhere."""
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            return pytest.main(words, plugins=[self])

    def pytest_runtest_logreport(self, report):
        """Of a test three things are reported: its setup, its call, its teardown."""
        test = report.nodeid
        if report.when == "setup":
            self.tests.append(test)
        if report.skipped:
            self.write(f"  --    {sentence(test)} ({report.longrepr[2]})")
        elif report.failed and test not in self.failed:
            self.failed.add(test)
            self.write(f"  {say('NO ', 'NON')}   {sentence(test)}\n{why(report)}")
        elif report.when == "call" and report.passed:
            self.write(f"  ok    {sentence(test)}")

    def write(self, line):
        with contextlib.suppress(BrokenPipeError):  # | head
            print(line, file=self.out, flush=True)

    def total(self):
        """3 of 5"""
        return f"{len(self.tests) - len(self.failed)} {say('of', 'sur')} {len(self.tests)}"


def why(report):
    """Why a test has failed, below its sentence."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else report.longreprtext
    text = re.sub(r"^(Failed|AssertionError): |\n +Use -v to get more diff", "", text)
    if re.match(r"TimeoutError|subprocess\.TimeoutExpired", text):
        text = say("nothing more came, and it did not end",
                   "rien de plus n'est arrivé, pas même la fin")  # fmt: skip
    # A bare assertion says no more than what it compares: the reader may want to see the test.
    if text.startswith("assert "):
        text += f"\n({Path(crash.path).name}:{crash.lineno})"
    return "\n".join(" " * 10 + line for line in text.splitlines())
