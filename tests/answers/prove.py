#!/usr/bin/env python3
"""make answers [NAME=...]: proves, in copies of the tree under build/answers, that the test of each
exercise fails before its answer, tests/answers/NAME.patch, and passes after it.

Where a program is to be written, "before" is also a mere copy of the one that the exercise starts
from.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build/answers"
sys.path.insert(0, str(ROOT / "tests"))
import exercise  # noqa: E402


def make(tree, *words, **environment):
    """make in a tree, quickly and strictly: (status, what it says)."""
    environment |= {
        name: value
        for name, value in os.environ.items()
        if not re.fullmatch("MAKE.*|MFLAGS|NAME", name)
    }
    words = ["make", "-s", "CXXFLAGS=-O0", "CPPFLAGS=-Werror", f"PYTHON={sys.executable}", *words]
    run = subprocess.run(
        words,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return run.returncode, run.stdout


def copy(tree, to):
    """A copy of a tree without what it has built; times are kept, so that make sees what is new."""
    shutil.copytree(
        tree,
        to,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("build", ".git", "pictures", "fuzz"),
    )


def prove(name):
    """Nothing, or what is wrong."""
    tree, answer = WORK / name, ROOT / f"tests/answers/{name}.patch"
    if name not in exercise.places():
        return "no note has it"
    if not answer.exists():
        return f"it has no answer, {answer.relative_to(ROOT)}"
    shutil.rmtree(tree, ignore_errors=True)
    copy(ROOT, tree)

    for program, start in exercise.programs(name).items():
        (tree / f"build/{program}").parent.mkdir(parents=True, exist_ok=True)
        if not (tree / f"{program}.cpp").exists():
            status, said = make(tree, "exercise", f"NAME={name}")
            if status == 0 or f"{program}.cpp does not exist yet" not in said:
                return f"without {program}.cpp it says\n{said}"
            shutil.copy2(tree / f"{start}.cpp", tree / f"{program}.cpp")
        shutil.copy2(WORK / f"base/build/{start}", tree / f"build/{program}")
        if start == program:  # what it depends on, for when the answer changes a header
            shutil.copy2(WORK / f"base/build/{start}.d", tree / f"build/{program}.d")
    shutil.copy2(WORK / "base/build/flags", tree / "build/flags")
    # Seconds, spent by what never comes.
    status, said = make(tree, "exercise", f"NAME={name}", PATIENCE="2")
    if status == 0 or not re.search(r"=+ .*\b1 failed", said):
        return f"its test does not fail before the answer\n{said}"

    for program in exercise.programs(name):
        if not (ROOT / f"{program}.cpp").exists():
            (tree / f"{program}.cpp").unlink()
    patch = ["patch", "-p1", "--fuzz=0", "--batch", "-i", str(answer)]
    patched = subprocess.run(
        patch, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if patched.returncode != 0:
        return f"its answer does not fit the tree any more\n{patched.stdout}"
    touched = [
        file
        for file in re.findall(r"^\+\+\+ b/(\S+)", answer.read_text(), re.M)
        if file.endswith("pp")
    ]
    for file in touched:
        (tree / file).touch()  # newer than what was built before
    if shutil.which("clang-format"):
        format = ["clang-format", "--dry-run", "-Werror", *touched]
        if (
            run := subprocess.run(format, cwd=tree, stderr=subprocess.PIPE, text=True)
        ).returncode != 0:
            return f"its answer is not laid out as the sources are\n{run.stderr}"
    # A right answer does not spend it.
    status, said = make(tree, "exercise", f"NAME={name}", PATIENCE="20")
    return f"its test fails after the answer\n{said}" if status != 0 else None


def main(only):
    began = time.monotonic()
    names = [name for name in exercise.names() if not only or name == only]
    answered = {file.stem for file in ROOT.glob("tests/answers/*.patch")}
    wrong = {
        name: "it has no test"
        for name in (answered | exercise.places().keys()) - set(exercise.names())
    }
    # What the exercises start from is built once, and only what has changed since the last time.
    copy(ROOT, WORK / "base")
    starts = {start for name in names for start in exercise.programs(name).values()}
    status, said = make(WORK / "base", "-j2", *(f"build/{start}" for start in starts))
    if status != 0:
        sys.exit(f"what the exercises start from does not build\n{said}")
    with ThreadPoolExecutor(4) as workers:  # the tests wait more than they work
        wrong |= {name: what for name, what in zip(names, workers.map(prove, names)) if what}
    for name, what in sorted(wrong.items()):
        print(f"{name}: {what}")
    print(f"{len(names)} answers, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong or not names else 0


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:])))
