"""prove.py --renew: an answer is written anew after the sources have changed; conflicts are mended
by hand. (`make answers` proves the answers themselves.)"""

import shutil
import subprocess
import sys

import pytest
from harness import ROOT, peer

pytestmark = pytest.mark.thorough

CODE = "\n".join(f"int {name};" for name in "abcdefghij") + "\n"
PATCH = """Words about it.

    patch -p1 < tests/answers/ten.patch

diff --git a/tcp/a.cpp b/tcp/a.cpp
--- a/tcp/a.cpp
+++ b/tcp/a.cpp
@@ -3,7 +3,8 @@
 int c;
 int d;
 int e;
-int f;
+int f{};
+int new_one;
 int g;
 int h;
 int i;
"""


@pytest.fixture
def tree(tmp_path):
    """A project of one source and one answer, with prove.py, committed."""
    peer("git")
    peer("patch")
    (tmp_path / "tests/answers").mkdir(parents=True)
    (tmp_path / "tcp").mkdir()
    (tmp_path / "tests/support").mkdir()
    scripts = ("tests/exercise.py", "tests/support/spoken.py", "tests/answers/prove.py")
    for file in (".clang-format", *scripts):
        shutil.copy2(ROOT / file, tmp_path / file)
    (tmp_path / "tests/answers/ten.patch").write_text(PATCH)
    (tmp_path / "tcp/a.cpp").write_text(CODE)
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "."], [*me, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, timeout=60)
    return tmp_path


def prove(tree, *words):
    words = [sys.executable, "tests/answers/prove.py", *words]
    return subprocess.run(words, cwd=tree, capture_output=True, text=True, timeout=60)


def patched(tree, source="tcp/a.cpp"):
    """The source with the answer, which has to fit without fuzz."""
    patch = ["patch", "-p1", "--fuzz=0", "-i", "tests/answers/ten.patch"]
    subprocess.run(patch, cwd=tree, check=True, capture_output=True)
    return (tree / source).read_text()


def test_an_answer_follows_code_that_has_moved_and_changed_around_it(tree):
    now = "int before;\n" * 5 + CODE.replace("int h;", "int hh;").replace("int c;", "")
    (tree / "tcp/a.cpp").write_text(now)
    run = prove(tree, "--renew")
    assert (run.returncode, run.stdout) == (0, "1 answers written anew, 0 not\n"), run.stderr
    words, _, patch = (tree / "tests/answers/ten.patch").read_text().partition("diff --git")
    assert words == PATCH.partition("diff --git")[0]
    assert " int hh;" in patch and "index" not in patch
    assert (tree / "tcp/a.cpp").read_text() == now
    assert patched(tree) == now.replace("int f;", "int f{};\nint new_one;")


def test_an_answer_that_does_not_fit_is_merged_also_into_a_file_that_has_moved(tree):
    now = "".join(f"int {name};\n" for name in ("c2", "d2", "e2", "e", "f", "g", "g2", "h2", "i2"))
    (tree / "tcp/a.cpp").unlink()
    (tree / "tcp/web").mkdir()
    (tree / "tcp/web/a.cpp").write_text(now)
    run = prove(tree, "--renew")
    assert (run.returncode, run.stdout) == (0, "1 answers written anew, 0 not\n"), run.stderr
    assert patched(tree, "tcp/web/a.cpp") == now.replace("int f;", "int f{};\nint new_one;")


def test_a_conflict_is_mended_by_hand(tree):
    now = CODE.replace("int f;", "int ff;")
    (tree / "tcp/a.cpp").write_text(now)
    run = prove(tree, "--renew", "ten")
    assert run.returncode == 1 and run.stdout.endswith("0 answers written anew, 1 not\n")
    assert "prove.py --write ten" in run.stdout and "b/tcp/a.cpp has conflicts" in run.stdout
    assert prove(tree, "--write", "ten").returncode == 1  # not yet
    assert (tree / "tests/answers/ten.patch").read_text() == PATCH
    mended = tree / "build/answers/ten/b/tcp/a.cpp"
    assert "<<<<<<<" in mended.read_text()
    mended.write_text(now.replace("int ff;", "int ff{};"))
    assert prove(tree, "--write", "ten").returncode == 0
    assert patched(tree) == now.replace("int ff;", "int ff{};")


def test_an_answer_may_be_a_new_file(tree):
    new = "diff --git a/b.cpp b/b.cpp\nnew file mode 100644\n--- /dev/null\n+++ b/b.cpp\n"
    patch = f"Words.\n\n{new}@@ -0,0 +1 @@\n+int b;\n"
    (tree / "tests/answers/ten.patch").write_text(patch)
    assert prove(tree, "--renew", "ten").returncode == 0
    assert (tree / "tests/answers/ten.patch").read_text() == patch


def test_an_answer_that_is_not_committed_is_not_lost(tree):
    answer = tree / "tests/answers/ten.patch"
    answer.write_text(PATCH.replace("new_one", "newest"))
    (tree / "tcp/a.cpp").write_text(CODE.replace("int c;", "int cc;"))  # two lines away
    assert prove(tree, "--renew", "ten").returncode == 0
    assert "int newest;" in answer.read_text() and "int cc;" in answer.read_text()
    (tree / "tcp/a.cpp").write_text(CODE.replace("int f;", "int ff;"))
    run = prove(tree, "--renew", "ten")
    assert run.returncode == 1 and "is not committed, and does not fit" in run.stdout


def test_fuzz_puts_no_answer_in_a_wrong_place(tree):
    """patch would, where a place like that of the change is more like it than that place is now."""
    like = "int x;\nint d;\nint e;\nint f;\nint g;\nint h;\nint z;\n"
    now = like + CODE.replace("int e;", "\nint e;")
    (tree / "tcp/a.cpp").write_text(now)
    run = prove(tree, "--renew", "ten")
    assert run.returncode == 0, run.stdout
    new = "int f{};\nint new_one;".join(now.rsplit("int f;", 1))
    assert patched(tree) == new


def test_an_answer_that_nobody_knows_is_told(tree):
    run = prove(tree, "--renew", "eleven")
    assert run.returncode == 1 and "eleven: there is no such answer" in run.stdout
