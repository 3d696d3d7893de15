"""The reader's language, French or English, in which the exercises' tests speak (as the judge
does)."""

import os
import re
from pathlib import Path

FRENCH = Path(__file__).resolve().parents[1] / "exercises/french"


def of_the_environment():
    """What LC_ALL, LC_MESSAGES or LANG say, the first of them that says anything; else English."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    said = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "fr" if said.lower().startswith("fr") else "en"


language = of_the_environment()  # tests/exercise.py --lang may set another


def say(english, french):
    """The one or the other; French has its narrow no-break spaces put in."""
    return re.sub(r" (?=[;:!?»])|(?<=«) ", "\u202f", french) if language == "fr" else english


def in_french():
    """{`exercise NAME` or the name of a test: what it is about, or promises}"""
    lines = FRENCH.read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def expect(got, wanted):
    """Asserts that they are the same, and shows both."""
    __tracebackhide__ = True
    if got != wanted:
        import pytest  # tests/exercise.py says so where it is missing

        expected, received = say("expected", "attendu"), say("received", "reçu")
        pytest.fail(f"    {expected:8}  {wanted!r}\n    {received:8}  {got!r}")


def ended(said):
    """How a program has ended (a subprocess.CompletedProcess), in words."""
    return say(f"status {said.returncode}, and on standard error: {said.stderr!r}",
               f"code de retour {said.returncode}, et sur la sortie d'erreur : {said.stderr!r}")  # fmt: skip
