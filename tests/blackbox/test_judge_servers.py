"""Our own servers, and those in other languages, before the judge: they have all points, or lack
those that are listed here, each with the reason."""

import peer_servers
import pytest
from harness import binary
from judging import lost, told, verdict

pytestmark = pytest.mark.waits

FILES = ["-d", "{dir}", "{port}"]
OURS = {
    "tcp/server": ("plain", []),
    "tcp/client": ("client", []),
    "echo/iterative": ("echo", []),
    "echo/fork": ("echo", []),
    "echo/thread": ("echo", []),
    "echo/select": ("echo", []),
    "echo/poll": ("echo", []),
    "echo/generations": ("echo", []),
    "echo/datagram": ("datagram", []),
    "unix_domain/stream_server": ("unix", []),
    "broadcast/server": ("broadcast", []),
    "tcp/commands": ("commands", FILES),
    "tcp/web": ("web", FILES),
}
ONE_BY_ONE = {
    "second-client": "it waits for the first: that is the lesson of iterative",
    "hundred": "the same",
    "never-reads": "the others wait for who does not read",
}
IN_NO_HURRY = {"slow-head": "nobody looks at the time that a head takes"}
TOLERANT = {
    "malformed": "it takes requests that RFC 9112 lets one refuse",
    "long-head": "its own limit is another, and cannot be set to this one",
    **IN_NO_HURRY,
}
DENIED = {
    "echo/iterative": ONE_BY_ONE,
    "tests/peers/echo.sh": {"bytes": "a shell's variable cannot hold the byte 0"},
    "tests/peers/commands.sh": {
        "bytes": "a shell's variable cannot hold the byte 0",
        "missing": "nor can the name of a file: it is found without it",
    },
    "tests/peers/broadcast.sh": {
        "bytes": "a shell's variable cannot hold the byte 0",
        "too-long": "read returns a line when it is whole, however long it gets",
    },
    "tests/peers/web.sh": {
        "not-modified": "date(1) is given no word of a stranger's: 304 is for the very date",
        **IN_NO_HURRY,
    },
    "tests/peers/web.py": TOLERANT,
    "tests/peers/web_node.mjs": {
        "methods": "Node says 400 of a method that it does not know",
        **TOLERANT,
    },
    peer_servers.EXPRESS: {
        "methods": "Node says 400 of a method that it does not know",
        **TOLERANT,
    },
    peer_servers.FLASK: {
        "methods": "Flask says 405 of any method",
        "keep-alive": "Werkzeug's development server closes after each answer",
        "pipelined": "the same",
        **TOLERANT,
    },
    peer_servers.FASTAPI: {
        "methods": "Starlette says 405 of any method",
        **TOLERANT,
    },
}
# These they have or not: a shell reads byte by byte, which may take longer than the judge waits.
SLOW = {
    # uvicorn takes a half-close for a close, unless its answer was the quicker.
    peer_servers.FASTAPI: {"half-close"},
    "tests/peers/echo.sh": {"long-line", "half-close"},
    "tests/peers/commands.sh": {"half-close"},
    # It starts several processes for each who comes.
    "tests/peers/broadcast.sh": {
        "names",
        "come-and-go",
        "one-order",
        "slow-reader",
        "never-reads",
    },
}


def assert_as_listed(judged, program):
    denied, slow = set(DENIED.get(program, {})), SLOW.get(program, set())
    assert denied <= lost(judged) <= denied | slow, f"{program}\n{told(judged)}"


@pytest.mark.parametrize("program", OURS)
def test_ours_have_their_points(program):
    contract, words = OURS[program]
    judged = verdict(contract, "--patience", 10, "--", binary(program), *words)
    assert_as_listed(judged, program)
    points = sum(check["points"] for check in judged["checks"])
    assert (points, judged["of"]) == (20, 20)


@pytest.mark.thorough
@pytest.mark.parametrize("program", peer_servers.EVERY)
def test_those_in_other_languages_have_theirs(program):
    words, environment = peer_servers.interpreter(program)
    kind = next(kind for kind in ("echo", "commands", "broadcast", "web") if kind in program)
    places = FILES if kind in ("commands", "web") else ["{port}"]
    # What a shell cannot do in four seconds it does not do in ten: it reads byte by byte, and starts
    # processes for each who comes.
    options = ["--patience", 10, "--visits", 300]
    if program.endswith(".sh"):
        options = ["--patience", 4, "--visits", 100]
    judged = verdict(kind, *options, "--", *words, binary(program), *places, env=environment)
    assert_as_listed(judged, program)
