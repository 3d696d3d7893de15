"""make hand-in: the archive that a student hands in, and the judge who takes it; make room: what a
machine lacks, and who can help."""

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time

import pytest
from harness import ROOT
from wants import MODES_COUNT

pytestmark = pytest.mark.thorough

ENGLISH = dict(os.environ, LC_ALL="C", LANG="C")
FRENCH = dict(os.environ, LC_ALL="", LC_MESSAGES="", LANG="fr_FR.UTF-8")


@pytest.fixture
def project(tmp_path):
    """A student's copy of the project, in which they have made a server of their own."""
    for name in ("Makefile", "fd.hpp", "output.hpp", "server.hpp", "inside.hpp"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("echo", "tcp"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "tests/support").mkdir(parents=True)
    shutil.copy(ROOT / "tests/hand_in.py", tmp_path / "tests")
    shutil.copy(ROOT / "tests/support/spoken.py", tmp_path / "tests/support")
    shutil.copy(ROOT / "tests/judge/steps/5.py", tmp_path / "moi.py")
    (tmp_path / "run").write_text("python3 moi.py {port}\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build/large").write_bytes(b"x")
    (tmp_path / ".env").write_text("secret")
    (tmp_path / "film.avi").write_bytes(bytes(3 << 20))
    (tmp_path / "all").symlink_to("/etc")
    (tmp_path / "passwd").symlink_to("/etc/passwd")
    return tmp_path


def hand_in(project, *words, environment=ENGLISH, under=()):
    words = [f"PYTHON={sys.executable}", *words]
    return subprocess.run(
        [*under, "make", "-s", "hand-in", *words],
        cwd=project, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_it_has_name_and_date_and_what_was_made_and_nothing_else(project):
    before = time.strftime("%Y-%m-%d-%H%M")
    ended = hand_in(project, "NAME=Éloïse d'Arc")
    assert ended.returncode == 0, ended.stderr
    [archive] = (project / "build/hand-in").iterdir()
    after = time.strftime("%Y-%m-%d-%H%M")
    assert archive.name in {f"eloise-d-arc-{now}.tar.gz" for now in (before, after)}
    assert f"build/hand-in/{archive.name}" in ended.stdout
    assert "not in it: film.avi" in ended.stdout and "not in it: passwd" in ended.stdout
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        assert {(entry.uid, entry.uname) for entry in tar} == {(0, "")}
    assert {name.partition("/")[0] for name in names} == {"eloise-d-arc"}
    inside = {name.partition("/")[2] for name in names}
    assert {"moi.py", "run", "Makefile", "fd.hpp", "echo/poll.cpp", "tcp/tcp.hpp"} <= inside
    wrong = {"film.avi", "passwd", "all", ".env", "build/large", "tests/hand_in.py"}
    assert not wrong & inside


def test_what_cannot_be_read_is_left_out_and_a_folder_called_notes_is_not(project):
    (project / "moi/notes").mkdir(parents=True)
    (project / "moi/notes/protocole.txt").write_text("bonjour")
    (project / "journal").write_text("")
    (project / "journal").chmod(0)
    ended = hand_in(project, "NAME=a", under=MODES_COUNT)
    assert ended.returncode == 0, ended.stderr
    assert "not in it: journal" in ended.stdout
    [archive] = (project / "build/hand-in").iterdir()
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert "a/moi/notes/protocole.txt" in names and "a/journal" not in names


@pytest.mark.parametrize("name", ["李雷", "Алиса Мартин"])
def test_a_name_may_be_in_any_letters(project, name):
    assert hand_in(project, f"NAME={name}").returncode == 0
    [archive] = (project / "build/hand-in").iterdir()
    assert archive.name.startswith(name.lower().replace(" ", "-") + "-20")


def test_without_a_name_it_asks_whose_it_is(project):
    ended = hand_in(project, environment=dict(FRENCH, NAME="portable-de-salle"))
    assert ended.returncode == 2
    assert "Au nom de qui" in ended.stderr
    assert not (project / "build/hand-in").exists()


def test_it_says_when_the_judge_would_not_know_how_to_start_a_server(project):
    assert "`run`" not in hand_in(project, "NAME=a").stdout
    (project / "run").unlink()
    said = hand_in(project, "NAME=a").stdout
    assert "`run`" in said and "{port}' > run" in said


def test_the_judge_takes_what_was_handed_in_in_python_and_in_cpp(project, tmp_path):
    hand_in(project, "NAME=Bob")
    shutil.copy(project / "echo/iterative.cpp", project / "echo/moi.cpp")
    (project / "run").write_text("make -s build/echo/moi && exec build/echo/moi {port}\n")
    hand_in(project, "NAME=Chloé")
    copies = tmp_path / "copies"
    copies.mkdir()
    for archive in (project / "build/hand-in").iterdir():
        subprocess.run(["tar", "-xzf", archive, "-C", copies], check=True)
    ended = subprocess.run(
        [ROOT / "tests/judge/judge", "plain", "--lang", "en", "--all", copies],
        capture_output=True, text=True, timeout=120, env=ENGLISH,
    )  # fmt: skip
    lines = ended.stdout.splitlines()
    assert lines[1].startswith("bob") and lines[2].startswith("chloe"), ended.stdout
    assert "/20" in lines[1] and "/20" in lines[2]
    assert " 0/20" not in ended.stdout, ended.stdout + ended.stderr


# ---- make room -----------------------------------------------------------------------------------


def room(environment=ENGLISH, path=None):
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, ROOT / "tests/room.py"],
        env=dict(environment, **({"PATH": str(path)} if path else {})),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return ended.returncode, ended.stdout, time.monotonic() - start


def line(output, what):
    """(the mark, what is said after it) of the line about something."""
    [found] = [line for line in output.splitlines() if line[2:].startswith(what + " ")
               or line[2:] == what]  # fmt: skip
    return found[0], found


@pytest.mark.alone  # it gives a compiler five seconds
def test_here_the_room_is_ready_and_that_is_said_soon():
    status, output, seconds = room()
    assert status == 0, output
    for what in ("C++20 compiler", "make", "pytest", "127.0.0.1"):
        assert line(output, what)[0] == "✓", output
    assert "This machine is ready" in output
    assert seconds < 10


@pytest.fixture
def bare(tmp_path):
    """The programs of a machine that has a compiler that does not work, no make, and nothing else."""
    for name in ("sh", "env"):
        (tmp_path / name).symlink_to(shutil.which(name))
    (tmp_path / "c++").write_text("#!/bin/sh\necho 'c++: no -std=c++20 here' >&2\nexit 1\n")
    (tmp_path / "c++").chmod(0o755)
    return tmp_path


def test_what_is_missing_is_named_with_what_is_lost_and_who_can_help(bare):
    status, output, _ = room(path=bare)
    assert status == 1
    for what in ("C++20 compiler", "make"):
        assert line(output, what)[0] == "✗", output
    assert "no -std=c++20 here" in line(output, "C++20 compiler")[1]
    assert line(output, "strace")[0] == "–"
    assert "apt install g++ make" in output and "who can help" in output
    assert "This machine is not ready" in output


def test_what_is_missing_is_named_in_french(bare):
    status, output, _ = room(FRENCH, path=bare)
    assert status == 1
    assert "Cette machine n'est pas prête\u202f: ce qui porte ✗" in output


def test_a_port_that_is_taken_is_named_in_french():
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", 4000))
            one.listen()
        except OSError:
            pass  # somebody has it: that is as good
        status, output, _ = room(FRENCH)
    assert status == 0
    mark, said = line(output, "ports")
    assert mark == "–" and "pris\u202f:" in said and "4000" in said
    assert "Cette machine est prête, sauf pour ce qui porte –" in output
    assert "qui peut aider\u202f:" in output
