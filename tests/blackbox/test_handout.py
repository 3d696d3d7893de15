"""make handout: the archive for a class has no answers, and what it says is there is there. (That
it builds and passes `make test` is tried by hand: it takes as long as the tests do.)"""

import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest
from harness import ROOT, peer

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    peer("git")
    if not (ROOT / ".git").exists():
        pytest.skip("made from what git knows: this is no clone")
    subprocess.run([sys.executable, "tests/handout.py"], cwd=ROOT, check=True, timeout=60)
    place = tmp_path_factory.mktemp("handout")
    with tarfile.open(ROOT / "build/socklab.tar.gz") as tar:
        tar.extractall(place)
    return place / "socklab"


def test_it_has_the_exercises_and_no_answer(handed_out):
    assert (handed_out / "tests/exercises/gaps.py").exists()
    assert (handed_out / "tests/exercises/programs/gaps.cpp").exists()
    assert not (handed_out / "tests/answers").exists()
    assert not list(handed_out.rglob("*.patch"))
    assert not list(handed_out.rglob("teacher.md"))
    for readme in handed_out.glob("README*.md"):
        assert "tests/answers" not in readme.read_text(), readme


def test_its_readme_and_its_makefile_say_nothing_of_what_is_not_there(handed_out):
    helped = subprocess.run(
        ["make", "-s", "help"], cwd=handed_out, capture_output=True, text=True, check=True
    ).stdout
    targets = re.findall(r"(?m)^make (\w+)", helped)
    assert "exercise" in targets and "test" in targets
    assert not set(targets) & {"answers", "soak", "portable", "handout"}
    for readme in ("README.md", "README.fr.md"):
        named = re.findall(r"`make (\w+)", (handed_out / readme).read_text())
        assert set(named) - {"SAN"} <= set(targets) | {"run"}, readme


def test_its_links_lead_somewhere(handed_out):
    ended = subprocess.run(
        [sys.executable, "tests/support/links.py"], cwd=handed_out, capture_output=True, text=True
    )
    here = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, 'tests/support')\n"
         "from links import *; print(*[c for p in pages() for c in complaints(p)], sep='\\n')"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = {re.sub(r"^(\S+):\d+", r"\1", line) for line in here.stdout.splitlines()}
    theirs = {re.sub(r"^(\S+):\d+", r"\1", line) for line in ended.stdout.splitlines()[:-1]}
    assert not theirs - ours


def test_all_that_it_builds_finds_its_headers(handed_out):
    """Programs and unit tests; to compile them takes as long as it takes here."""
    sources = [*handed_out.glob("[!t]*/*.cpp"), *handed_out.glob("t*/**/*.cpp")]
    sources = [source for source in sources if source.parent.name not in ("bench", "programs")]
    assert len(sources) > 40
    system = re.compile(r"fatal error: (?!catch)(.*): No such file")
    for source in sources:
        words = ["c++", "-std=c++20", "-fsyntax-only", "-M", source]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert not system.search(ended.stderr), ended.stderr


def test_in_what_is_no_clone_it_says_how_to_make_it_one(tmp_path):
    (tmp_path / "tests/support").mkdir(parents=True)
    for file in ("tests/handout.py", "tests/support/spoken.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    ended = subprocess.run(
        [sys.executable, "tests/handout.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1 and "git init && git add . && git commit" in ended.stderr
    assert "Traceback" not in ended.stderr and not (tmp_path / "build").exists()
