#!/usr/bin/env python3
"""make exercise [NAME=...]: tests your solution of an exercise of the notes; without a name, lists
them.

An exercise is a test of its own, tests/exercises/NAME.py: the first line of its docstring says what
it is about, and PROGRAMS names the programs that it runs, each with the one that it starts from
(itself, if it is to be changed). What is wanted is said in the note that has `make exercise
NAME=...`.
"""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
PYTEST += ["-v", "-x", "--no-header", "--tb=short", "--show-capture=no", "-rN"]


def places():
    """{name: (note, number of the exercise in it)}, from the notes."""
    found = {}
    for note in sorted(ROOT.glob("notes/*.md")):
        number = 0
        for line in note.read_text().partition("\n## Exercises\n")[2].splitlines():
            if item := re.match(r"(\d+)\. ", line):
                number = int(item[1])
            for name in re.findall(r"`make exercise NAME=(\w+)`", line):
                found[name] = (f"notes/{note.name}", number)
    return found


def names():
    """Every exercise, in the order of the notes."""
    files = [file.stem for file in ROOT.glob("tests/exercises/*.py") if file.stem != "conftest"]
    return sorted(files, key=lambda name: (*places().get(name, ("~", 0)), name))


def source(name):
    return ast.parse((ROOT / f"tests/exercises/{name}.py").read_text())


def programs(name):
    """{program: the program that it starts from}."""
    for statement in source(name).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "PROGRAMS":
            return ast.literal_eval(statement.value)
    raise SystemExit(f"tests/exercises/{name}.py has no PROGRAMS")


def list_all():
    for name in names():
        note, number = places().get(name, ("no note", 0))
        print(f"{note:21} {number:>2}  {name:12} {ast.get_docstring(source(name)).splitlines()[0]}")


def main(name):
    if not name:
        list_all()
        print("\nmake exercise NAME=... tests your solution of one; its note says what is wanted.")
        return 0
    if name not in names():
        print(f"There is no exercise called {name}. There are:\n")
        list_all()
        return 1
    wanted = "exercise {1} of {0} says what is wanted.".format(*places().get(name, ("no note", 0)))
    for program, start in programs(name).items():
        if not (ROOT / f"{program}.cpp").exists():
            print(
                f"{program}.cpp does not exist yet: {wanted} A start:  cp {start}.cpp {program}.cpp"
            )
            return 1
    if importlib.util.find_spec("pytest") is None:
        print("pytest is missing: install the package python3-pytest")
        return 1
    built = subprocess.run(
        ["make", "-s", *(f"build/{program}" for program in programs(name))], cwd=ROOT
    )
    if built.returncode != 0:
        print(f"\n{name}: it does not build yet")
        return 1
    status = subprocess.run(
        [*PYTEST, f"tests/exercises/{name}.py"],
        cwd=ROOT,
        env={"PATIENCE": "5", **os.environ},  # seconds: what never comes is not awaited for long
    ).returncode
    print(f"\n{name}: " + ("done" if status == 0 else f"not yet; {wanted}"))
    return status


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:])))
