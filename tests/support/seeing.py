"""Running `see` (tests/see/see), and reading what it draws."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import ROOT
from wants import peer

SEE = ROOT / "tests/see/see"
# The language is the test's own.
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("LANG", "LC_ALL", "LC_MESSAGES", "PYTHONDONTWRITEBYTECODE")
}
sys.path += [str(SEE.parent), str(ROOT / "tests/judge")]


def see(*words, script=None, env=None, timeout=120):
    """Runs it to its end; a script is given on its standard input."""
    if script is not None:
        words = ["--script", "-", *words]
    return subprocess.run(
        [sys.executable, SEE, *map(str, words)],
        input=script or "",
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env={**PLAIN, **(env or {})},
    )


def faulty(name):
    """Builds the faulty program of an exercise, as build/faults/NAME."""
    subprocess.run(["make", "-s", f"build/faults/{name}"], cwd=ROOT, check=True)


def drawn(*words, script=None, **options):
    """What it draws, as text, and the same for a program."""
    peer("strace")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "seen"
        ended = see("--json", file, *words, script=script, **options)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout, json.loads(file.read_text())
