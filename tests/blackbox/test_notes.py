"""Every ```console block of the notes and the README does what it shows."""

import contextlib
import errno
import fcntl
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import console
import peer_servers
import pytest
from harness import ROOT, needs_plain_build, peer
from lab import needs_the_lab
from wants import PACKAGES, missing, namespace, needs_ipv6, needs_root, proc

ENGLISH = [*sorted(ROOT.glob("notes/*.md")), ROOT / "README.md"]
FRENCH = [*sorted(ROOT.glob("notes/fr/*.md")), *ROOT.glob("README.fr.md")]


def each_once():
    """[file, index] of the blocks; of those that stand in both languages (see test_languages.py),
    the English. What is typed first is proved by make test, and the rest by make thorough."""
    found = {}
    for file in ENGLISH + FRENCH:
        for index, (_, *block) in enumerate(console.blocks(file)):
            first = file.name.startswith(("README", "start")) and "-m venv" not in str(block)
            # One worker has those of a note, in their order: one may write what the next reads.
            note = pytest.mark.xdist_group(file.name.partition(".")[0])
            marks = [note] if first else [note, pytest.mark.thorough]
            found.setdefault(str(block), pytest.param(file, index, marks=marks))
    return [*found.values()]


BLOCKS = each_once()


@contextlib.contextmanager
def waiting_for(name):
    """Of the tests that run side by side, one at a time has what is called so."""
    with open(ROOT / f"build/{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def network_for(text):
    """The words that give a block a network of its own, in which its ports are free. Where the
    system allows none, they may be somebody's."""
    if words := namespace("--net"):
        yield words
        return
    with waiting_for("ports"):
        for port in {int(number) for number in re.findall(r"\b[1-9]\d{3,4}\b", text)}:
            try:
                socket.create_server(("127.0.0.1", port % 65536)).close()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    pytest.skip(f"somebody has port {port}, and no network can be made here")
        yield []


@pytest.mark.parametrize(
    "file, index", BLOCKS, ids=lambda x: str(x.relative_to(ROOT)) if isinstance(x, Path) else None
)
def test_a_console_block_does_what_it_shows(file, index):
    _, lines, _ = console.blocks(file)[index]
    text = "\n".join(lines)
    for name in re.findall(
        r"(?:[$>|]|&&|sudo|TZ=UTC) *(?:on \w+ )?(?:/usr/sbin/)?([a-z][a-z0-9]*)\b", text
    ):
        if name in PACKAGES:
            peer(name)
        if name == "tcpdump":  # it refuses in a user's own namespace, too
            needs_root()
        if name == "strace":  # a sanitizer makes calls of its own
            for program in re.findall(r"build/(\w+/\w+)", text):
                needs_plain_build(program)
    if re.search(r"/proc\b|\busers:", text):
        proc()
    if "tests/see/see" in text:
        peer("strace")
    if re.search(r"(?<!\w)::", text):
        needs_ipv6()
    if "tests/lab/lab" in text:
        needs_the_lab()
    if "ssh " in text:
        peer("sshd")
    for server in peer_servers.EVERY:
        if server in text:
            peer_servers.interpreter(server)
    if "-m venv" in text and not peer_servers.imports("/usr/bin/python3", "ensurepip"):
        missing("ensurepip")
    # The blocks of a note write to the same files of build/.
    with waiting_for(file.name), network_for(text) as network:
        result = subprocess.run(
            [*network, sys.executable, console.__file__, file, str(index)],
            capture_output=True,
            text=True,
            timeout=180,
            env=dict(
                os.environ,
                ASAN_OPTIONS="verify_asan_link_order=0",  # for a sanitizer's build under faketime
                **({"CONSOLE_OWN_NETWORK": "1"} if network else {}),
            ),
        )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "block, complaint",
    [
        (["$ echo un", "un"], None),
        (["$ echo un", "deux"], "the note:  deux"),
        (["$ echo un"], "shown but not in the note"),
        (["$ true", "un"], "the command ended"),
        (["$ seq 9", "1", "...", "9"], None),
        (["$ echo 1 \\", ">   2", "1 2"], None),
        (["a$ cat", "a> un", "un", "b$ cat", "b> deux", "deux", "a> ^D", "b> ^C"], None),
        (["a$ cat", "a> un", "deux"], "the note:  deux"),
    ],
)
def test_the_runner_tells_a_true_session_from_a_false_one(block, complaint):
    if complaint is None:
        console.run(block)
    else:
        with pytest.raises(AssertionError, match=complaint):
            console.run(block)


def test_words_that_vary_match_anything_but_keep_their_value():
    console.run(["$ echo 'Tue Dec  1'; echo 1", "Sat Nov 28", "28"], ["Sat", "Nov", "28"])
    with pytest.raises(AssertionError):
        console.run(["$ echo 'port: 1'", "port:28"], ["28"])
    console.run(["$ echo je suis : aZ3; echo aZ3 parle", "je suis : XYZ", "XYZ parle"], ["XYZ"])
    with pytest.raises(AssertionError):
        console.run(["$ echo je suis : aZ3; echo bbb parle", "je suis : XYZ", "XYZ parle"], ["XYZ"])
