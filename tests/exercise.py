#!/usr/bin/env python3
"""make exercise [NAME=...]: tests your solution of an exercise of the notes; without a name, lists
them.

    tests/exercise.py [--lang fr|en] [NAME]     the language; else LC_ALL, LC_MESSAGES or LANG

An exercise is a test of its own, tests/exercises/NAME.py: the first line of its docstring says what
it is about (tests/exercises/french has it in French), and PROGRAMS names the programs that it runs,
each with the one that it starts from (itself, if it is to be changed). There are none where one
only looks: the answer is given as ANSWER=... What is wanted is said in the note that has `make
exercise NAME=...`.
"""

import ast
import difflib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import spoken  # noqa: E402
from spoken import say  # noqa: E402


def places():
    """{name: (note, number of the exercise in it, its stars)}, from the notes of the language."""
    found = {}
    for note in sorted(ROOT.glob(say("notes/*.md", "notes/fr/*.md"))):
        number, stars = 0, ""
        exercises = re.split("\n## (?:Exercises|Exercices)\n", note.read_text())[-1]
        for line in exercises.splitlines():
            if item := re.match(r"(\d+)\. (★*)", line):
                number, stars = int(item[1]), item[2]
            for name in re.findall(r"`make exercise NAME=(\w+)[^`]*`", line):
                found[name] = (str(note.relative_to(ROOT)), number, stars)
    return found


def place(name):
    return places().get(name, (say("no note", "aucune note"), 0, ""))


def names():
    """Every exercise, in the order of the notes."""
    files = [file.stem for file in ROOT.glob("tests/exercises/*.py") if file.stem != "conftest"]
    found = places()
    first = say("notes/start.md", "notes/fr/start.md")

    def order(name):
        note, number, _ = found.get(name, ("~", 0, ""))
        return note != first, note, number, name

    return sorted(files, key=order)


def source(name):
    return ast.parse((ROOT / f"tests/exercises/{name}.py").read_text())


def programs(name):
    """{program: the program that it starts from}."""
    for statement in source(name).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "PROGRAMS":
            return ast.literal_eval(statement.value)
    raise SystemExit(f"tests/exercises/{name}.py has no PROGRAMS")


def about(name):
    """What an exercise is about, in a line."""
    english = ast.get_docstring(source(name)).splitlines()[0]
    return say(english, spoken.in_french().get(f"exercise {name}", english))


def list_all():
    for name in names():
        note, number, stars = place(name)
        print(f"{note:21} {number:>2} {stars:3}  {name:12} {about(name)}")


def is_built(name):
    """Builds the programs of an exercise: whether that went well. Says what is to be written."""
    note, number, _ = place(name)
    wanted = say(f"exercise {number} of {note} says what is wanted",
                 f"l'énoncé est l'exercice {number} de {note}")
    for program, start in programs(name).items():
        if not (ROOT / f"{program}.cpp").exists():
            missing = say("does not exist yet:", "n'existe pas encore :")
            print(f"{program}.cpp {missing} {wanted}.")
            print(say("A start:", "Pour commencer :"), f" cp {start}.cpp {program}.cpp")
            return False
    words = ["make", "-s", *(f"build/{program}" for program in programs(name))]
    # Of the make that runs us, it cannot share the jobserver, and would say so.
    flags = re.sub(r" *--jobserver-\S+", "", os.environ.get("MAKEFLAGS", ""))
    environment = dict(os.environ, MAKEFLAGS=flags)
    if programs(name) and subprocess.run(words, cwd=ROOT, env=environment).returncode != 0:
        print(f"\n{name}", say("does not build yet", "ne se compile pas encore"))
        return False
    return True


def main(words):
    if "--lang" in words[:-1]:
        at = words.index("--lang")
        spoken.language = "fr" if words[at + 1].startswith("fr") else "en"
        words = words[:at] + words[at + 2 :]
    name = "".join(words)
    if name not in names():
        list_all()
        one = "make exercise NAME=..."
        print(say(f"\n{one} tests your solution of one; its note says what is wanted.",
                  f"\n{one} teste votre solution d'un exercice ; sa note en donne l'énoncé."))
        if name:  # last: the list is longer than a screen
            near = difflib.get_close_matches(name, names(), 1)
            print(say("There is no exercise called", "Il n'y a pas d'exercice appelé"), f"{name}.",
                  *[say("The nearest:", "Le plus proche :") + f" {one}" for one in near])
        return 1 if name else 0
    if not is_built(name):
        return 1
    if importlib.util.find_spec("pytest") is None:
        print(say("pytest is missing: install the package python3-pytest",
                  "pytest manque : installez le paquet python3-pytest"))
        return 1
    os.environ.setdefault("PATIENCE", "5")  # seconds: what never comes is not awaited for long
    os.chdir(ROOT)
    from exercise_report import Report  # pytest is there

    report = Report(os.fdopen(os.dup(1), "w"))
    options = ["-p", "no:cacheprovider", f"tests/exercises/{name}.py"]
    status = report.run(options)
    note, number, _ = place(name)
    done = say("done", "réussi") if status == 0 else say(
        f"not yet; exercise {number} of {note} says what is wanted",
        f"pas encore ; l'énoncé est l'exercice {number} de {note}")
    print(f"\n{name}{say(':', ' :')} {report.total()}, {done}")
    return int(status)


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
