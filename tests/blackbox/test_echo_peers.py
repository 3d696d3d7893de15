"""The echo protocol in other languages (tests/peers), held to some of the promises that test_echo
has of ours."""

import re
import sys

import pytest
from harness import Program, connect, converse, peer

SHELL, PYTHON, NODE = "tests/peers/echo.sh", "tests/peers/echo.py", "tests/peers/echo.mjs"

LINES = {
    "bonjour": b"bonjour\n",
    "accents": "une ligne, avec des accents : éàü\n".encode(),
    "many": b"".join(b"ligne %d\n" % i for i in range(1000)),
    "empty": b"\n\n",
    "telnet": b"bonjour\r\n",
    "no newline": b"un\nsans fin de ligne",
    "blanks": b"  blancs   autour  \n",
    "star": b"*\n",
    "backslashes": b"un \\ deux \\\\ trois\\\nquatre\n",
    "NUL": b"NUL \0 dedans\n",
    "not UTF-8": b"\xff\xfe\n",
}
SHELL_BREAKS = {
    "no newline": "read says that it failed, and the loop ends",
    "blanks": "the line is split into words, and they are joined with one blank",
    "empty": "the blank at the end goes, where words are split",
    "star": "the word is replaced by the names of files",
    "backslashes": "read takes them off",
    "NUL": "a variable cannot hold one",
}


@pytest.fixture(scope="module", params=["echo/poll", SHELL, PYTHON, NODE])
def server(request):
    name = request.param
    if name == SHELL:
        peer("socat")
    server = Program(name, 0, under={PYTHON: [sys.executable], NODE: [peer("node")]}.get(name, []))
    server.logged("listening on ")
    yield server
    server.stop()


@pytest.mark.parametrize("case", LINES)
def test_each_line_is_answered_as_it_came(server, case, request):
    if server.program == SHELL and case in SHELL_BREAKS:
        request.applymarker(pytest.mark.xfail(reason=SHELL_BREAKS[case]))
    expected = b"".join(
        "le serveur répond : ".encode() + line
        for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", LINES[case])
    )
    port = int(server.logged("listening on ").rsplit(":")[-1])
    got = converse(connect(("127.0.0.1", port)), LINES[case])
    assert got == "Le serveur écoute.\n".encode() + expected
