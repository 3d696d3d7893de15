#!/usr/bin/env python3
"""make answers [NAME=...]: proves, in copies of the tree under build/answers, that the test of each
exercise fails before its answer, tests/answers/NAME.patch, and passes after it.

Where a program is to be written, "before" is also a mere copy of the one that the exercise starts
from.

An answer fits as long as `patch -p1` takes it: lines above it may come and go, and of the three
lines around a change, the outer two may differ (fuzz).

    tests/answers/prove.py --renew [NAME...]    writes answers anew, as the sources are now
    tests/answers/prove.py --write NAME...      the same from build/answers/NAME/b, where conflicts
                                                have been mended by hand

They merge: what an answer changed in the sources when it was last committed is put into those of
now. One that is changed and not committed yet is put in by patch. The words above a patch stay as
they are.
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


def run(words, directory, **options):
    """(status, what it says)"""
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ended = subprocess.run(words, cwd=directory, **options)
    return ended.returncode, ended.stdout


def make(tree, *words, **environment):
    """make in a tree, quickly and strictly: (status, what it says)."""
    ours = re.compile("MAKE.*|MFLAGS|NAME")
    outside = {name: value for name, value in os.environ.items() if not ours.fullmatch(name)}
    environment = outside | {"LC_ALL": "C.UTF-8"} | environment
    words = ["make", "-s", "CXXFLAGS=-O0", "CPPFLAGS=-Werror", f"PYTHON={sys.executable}", *words]
    return run(words, tree, env=environment)


def copy(tree, to):
    """A copy of a tree without what it has built; times are kept, so that make sees what is new."""
    without = shutil.ignore_patterns("build", ".git", "pictures", "fuzz")
    shutil.copytree(tree, to, dirs_exist_ok=True, ignore=without)


def patch_of(name):
    return ROOT / f"tests/answers/{name}.patch"


def put_in(answer, tree, *options):
    """Applies an answer as a student does: (status, what patch says)."""
    words = ["patch", "-p1", "--batch", "--no-backup-if-mismatch", *options, "-i", str(answer)]
    return run(words, tree)


def lay_out(tree, files):
    """Formats those of the files that there are."""
    files = [file for file in files if (tree / file).exists()]
    if files and shutil.which("clang-format"):
        run(["clang-format", "-i", *files], tree)


def touched(answer):
    """The sources that an answer changes."""
    files = re.findall(r"^\+\+\+ b/(\S+)", answer.read_text(), re.M)
    return [file for file in files if file.endswith("pp")]


def merge(name):
    """Puts an answer into the copy b by what it changed when it was last committed, in the sources
    of that time: nothing, or what is left to be done by hand."""
    tree, place = WORK / name, patch_of(name).relative_to(ROOT)
    _, commit = run(["git", "log", "-1", "--format=%H", "--", str(place)], ROOT)
    changed, _ = run(["git", "diff", "--quiet", "HEAD", "--", str(place)], ROOT)
    if not re.fullmatch(r"[0-9a-f]+\n", commit) or changed:  # git has no sources that it fits
        status, said = put_in(patch_of(name), tree / "b")
        return f"{place} is not committed, and does not fit:\n{said}" if status else ""
    then, told = tree / "then", tree / "told"
    then.mkdir()
    run(["sh", "-c", f'git -C "{ROOT}" archive {commit.strip()} | tar -x'], then)
    copy(then, told)
    status, said = put_in(told / place, told)
    if status != 0:
        return f"it did not fit when it was committed, in {commit}{said}"
    files, conflicts = touched(told / place), []
    for old in (then, told):  # laid out as the sources are now
        shutil.copy2(ROOT / ".clang-format", old)
        lay_out(old, files)
    for file in files:
        # A file that is gone may have moved to another folder.
        moved = [] if (tree / "b" / file).exists() else list((tree / "b").rglob(Path(file).name))
        now = moved[0] if len(moved) == 1 else tree / "b" / file
        if not (then / file).exists() or not now.exists():
            now.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(told / file, now)
            if (then / file).exists():
                conflicts.append(f"{file} is gone: it is as it was then")
            continue
        status, _ = run(["git", "merge-file", str(now), str(then / file), str(told / file)], tree)
        if status != 0:
            conflicts.append(f"{now.relative_to(ROOT)} has conflicts")
    return "\n".join(f"    {conflict}" for conflict in conflicts)


def renew(name):
    """Writes an answer anew: nothing, or what is wrong."""
    tree = WORK / name
    shutil.rmtree(tree, ignore_errors=True)
    copy(ROOT, tree / "a")
    copy(tree / "a", tree / "b")
    status, _ = put_in(patch_of(name), tree / "b", "--fuzz=0")
    if status != 0:  # fuzz might put it in a wrong place
        shutil.rmtree(tree / "b")
        copy(tree / "a", tree / "b")
        if left := merge(name):
            b = (tree / "b").relative_to(ROOT)
            return f"it does not fit; mend it in {b}, then {sys.argv[0]} --write {name}\n{left}"
    return write(name)


def write(name):
    """Writes an answer as what differs between the copies a and b: nothing, or what is wrong."""
    tree, answer = WORK / name, patch_of(name)
    if not (tree / "b").exists():
        return f"{(tree / 'b').relative_to(ROOT)} is missing: --renew makes it"
    files = {file.relative_to(tree / "b") for file in (tree / "b").glob("**/*.[ch]pp")}
    changed = [
        file
        for file in sorted(files)
        if not (tree / "a" / file).exists()
        or (tree / "a" / file).read_bytes() != (tree / "b" / file).read_bytes()
    ]
    for file in changed:
        if re.search("^(<{7}|>{7})", (tree / "b" / file).read_text(), re.M):
            return f"{(tree / 'b' / file).relative_to(ROOT)} still has conflicts"
    lay_out(tree / "b", changed)
    # Whatever the reader's own git is told to do.
    plain = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    diff = ["git", "diff", "--no-index", "--no-prefix", "--no-renames", "--no-color", "a", "b"]
    _, patch = run(diff, tree, env=plain)
    if not patch:
        return "a and b are the same"
    patch = re.sub(r"^index .*\n", "", patch, flags=re.M)  # names of blobs, which nobody has
    patch = re.sub("^diff --git b/", "diff --git a/", patch, flags=re.M)  # of a new file
    words, _, _ = answer.read_text().partition("diff --git ")
    answer.write_text(words + patch)
    return None


def prove_looking(name):
    """The same where nothing is written: ANSWER=... is given."""
    answer = ROOT / f"tests/answers/{name}.txt"
    given = re.search(r"ANSWER=(\S+)", answer.read_text() if answer.exists() else "")
    if not given:
        return f"tests/answers/{name}.txt says no ANSWER=..."
    for wrong in ("", "nothing", "0"):
        if make(ROOT, "exercise", f"NAME={name}", f"ANSWER={wrong}")[0] == 0:
            return f"its test takes ANSWER={wrong}"
    status, said = make(ROOT, "exercise", f"NAME={name}", f"ANSWER={given[1]}")
    return f"its test does not take ANSWER={given[1]}\n{said}" if status != 0 else None


def prove(name):
    """Nothing, or what is wrong."""
    tree = WORK / name
    if name not in exercise.places():
        return "no note has it"
    if not exercise.programs(name):
        return prove_looking(name)
    if not patch_of(name).exists():
        return f"it has no answer, {patch_of(name).relative_to(ROOT)}"
    shutil.rmtree(tree, ignore_errors=True)
    copy(ROOT, tree)

    for program, start in exercise.programs(name).items():
        (tree / f"build/{program}").parent.mkdir(parents=True, exist_ok=True)
        if not (tree / f"{program}.cpp").exists():
            status, said = make(tree, "exercise", f"NAME={name}")
            if status == 0 or f"{program}.cpp does not exist yet" not in said:
                return f"without {program}.cpp it says\n{said}"
            shutil.copy2(tree / f"{start}.cpp", tree / f"{program}.cpp")
        if start.startswith("tests/"):  # it builds only where it is copied to
            continue
        shutil.copy2(WORK / f"base/build/{start}", tree / f"build/{program}")
        if start == program:  # what it depends on, for when the answer changes a header
            shutil.copy2(WORK / f"base/build/{start}.d", tree / f"build/{program}.d")
    shutil.copy2(WORK / "base/build/flags", tree / "build/flags")
    # These seconds are spent by what never comes; one failure is enough.
    status, said = make(tree, "exercise", f"NAME={name}", PATIENCE="2", PYTEST_ADDOPTS="-x")
    if status == 0 or not re.search(r"^  NO ", said, re.M):
        return f"its test does not fail before the answer\n{said}"

    for program in exercise.programs(name):
        if not (ROOT / f"{program}.cpp").exists():
            (tree / f"{program}.cpp").unlink()
    status, said = put_in(patch_of(name), tree)
    if status != 0:
        return f"its answer does not fit the tree any more\n{said}"
    if "with fuzz" in said:
        print(f"{name}: its answer fits with fuzz; {sys.argv[0]} --renew {name} writes it anew")
    for file in touched(patch_of(name)):
        (tree / file).touch()  # newer than what was built before
    if shutil.which("clang-format"):
        status, said = run(["clang-format", "--dry-run", "-Werror", *touched(patch_of(name))], tree)
        if status != 0:
            return f"its answer is not laid out as the sources are\n{said}"
    # A right answer does not spend this patience.
    status, said = make(tree, "exercise", f"NAME={name}", PATIENCE="20")
    return f"its test fails after the answer\n{said}" if status != 0 else None


def write_anew(how, names):
    """--renew, --write: how it went for each answer."""
    answered = sorted(file.stem for file in ROOT.glob("tests/answers/*.patch"))
    wrong = 0
    for name in names or answered:
        if what := how(name) if name in answered else "there is no such answer":
            print(f"{name}: {what}")
            wrong += 1
    print(f"{len(names or answered) - wrong} answers written anew, {wrong} not")
    return 1 if wrong else 0


def prove_all(only):
    began = time.monotonic()
    names = [name for name in exercise.names() if not only or name == only]
    answered = {file.stem for file in ROOT.glob("tests/answers/*.*") if file.suffix != ".py"}
    untested = (answered | exercise.places().keys()) - set(exercise.names())
    wrong = {name: "it has no test" for name in untested}
    # What the exercises start from is built once, and only what has changed since the last time.
    copy(ROOT, WORK / "base")
    starts = {start for name in names for start in exercise.programs(name).values()}
    starts = {start for start in starts if not start.startswith("tests/")}
    status, said = make(WORK / "base", "-j2", *(f"build/{start}" for start in starts))
    if status != 0:
        sys.exit(f"what the exercises start from does not build\n{said}")
    with ThreadPoolExecutor(4) as workers:  # the tests wait more than they work
        wrong |= {name: what for name, what in zip(names, workers.map(prove, names)) if what}
    for name, what in sorted(wrong.items()):
        print(f"{name}: {what}")
    print(f"{len(names)} answers, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong or not names else 0


def main(first="", *others):
    if first == "--renew":
        return write_anew(renew, others)
    if first == "--write" and others:
        return write_anew(write, others)
    return prove_all(first)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
