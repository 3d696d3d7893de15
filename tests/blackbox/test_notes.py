"""Every ```console block of the notes and the README does what it shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import console
import pytest
from harness import ROOT, needs_plain_build, peer
from lab import needs_the_lab

ENGLISH = [*sorted(ROOT.glob("notes/*.md")), ROOT / "README.md"]
FRENCH = [*sorted(ROOT.glob("notes/fr/*.md")), *ROOT.glob("README.fr.md")]


def each_once():
    """[(file, index)] of the blocks; of those that stand in both languages (see test_languages.py),
    the English."""
    found = {}
    for file in ENGLISH + FRENCH:
        for index, (_, *block) in enumerate(console.blocks(file)):
            found.setdefault(str(block), (file, index))
    return [*found.values()]


BLOCKS = each_once()


def own_network():
    """The words that give a command a network of its own, where the system allows it; none where it
    does not."""
    for words in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        if (
            shutil.which("unshare")
            and subprocess.run([*words, "true"], capture_output=True).returncode == 0
        ):
            return words
    return []


@pytest.mark.parametrize(
    "file, index", BLOCKS, ids=lambda x: str(x.relative_to(ROOT)) if isinstance(x, Path) else None
)
def test_a_console_block_does_what_it_shows(file, index):
    _, lines, _ = console.blocks(file)[index]
    for name in re.findall(
        r"(?:[$>|]|&&|sudo|TZ=UTC) *(?:on \w+ )?(?:/usr/sbin/)?([a-z][a-z0-9]*)\b", "\n".join(lines)
    ):
        if name in (
            "nc",
            "ncat",
            "socat",
            "strace",
            "tcpdump",
            "ss",
            "chronyd",
            "faketime",
            "curl",
            "openssl",
        ):
            peer(name)
        if name == "tcpdump" and os.geteuid() != 0:  # it refuses in a user's own namespace, too
            pytest.skip("tcpdump wants root")
        if name == "strace":  # a sanitizer makes calls of its own
            for program in re.findall(r"build/(\w+/\w+)", "\n".join(lines)):
                needs_plain_build(program)
    if "tests/lab/lab" in "\n".join(lines):
        needs_the_lab()
    network = own_network()
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
    console.run(["$ echo je suis : aZ3; echo aZ3 parle", "je suis : XYZ", "XYZ parle"], ["XYZ"])
    with pytest.raises(AssertionError):
        console.run(["$ echo je suis : aZ3; echo bbb parle", "je suis : XYZ", "XYZ parle"], ["XYZ"])
