"""The echo protocol in other languages (tests/peers), held to some of the promises that
test_echo has of ours."""

import re

import peer_servers
import pytest
from harness import connect, converse

LINES = {
    "bonjour": b"bonjour\n",
    "accents": "une ligne, avec des accents : éàü\n".encode(),
    "many": b"".join(b"ligne %d\n" % i for i in range(1000)),
    "empty": b"\n\n",
    "telnet": b"bonjour\r\n",
    "no newline": b"un\nsans fin de ligne",
    "blanks": b"  blancs   autour  \n\ttabulation\t\n",
    "star": b"*\n",
    "option": b"-n\n-e\n--\n",
    "dollar": b"$(id) `id` $HOME ; id | id & \" '\n",
    "backslashes": b"un \\ deux \\\\ trois\\\nquatre\\n\n",
    "percent": b"%s %d %\n",
    "NUL": b"NUL \0 dedans\n",
    "not UTF-8": b"\xff\xfe\n" + bytes(range(128, 256)) + b"\n",
    "long": b"x" * 1_000_000 + b"\n",
}
BREAKS = {
    ("tests/peers/echo.sh", "NUL"): "a variable of the shell cannot hold one: read passes over it"
}


@pytest.fixture(scope="module", params=["echo/poll", *peer_servers.ECHO])
def server(request):
    server = peer_servers.start(request.param)
    yield server
    server.stop()


@pytest.mark.parametrize("case", LINES)
def test_each_line_is_answered_as_it_came(server, case, request):
    if why := BREAKS.get((server.program, case)):
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))
    expected = b"".join(
        "le serveur répond : ".encode() + line
        for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", LINES[case])
    )
    got = converse(connect(server.address), LINES[case])
    assert got == "Le serveur écoute.\n".encode() + expected
