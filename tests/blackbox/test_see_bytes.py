"""The ladder has every byte that was sent, once: on an arrow, or as lost. What the clients and the
servers counted themselves is the other opinion: the clients keep what they sent and received, and
the servers' calls are counted by tests/see/count.c, in between them and libc."""

from collections import Counter

import pytest
from harness import ROOT, binary
from preload import library
from seeing import drawn, faulty
from wants import peer

pytestmark = pytest.mark.thorough

ZOO = ROOT / "tests/judge/zoo"
SERVERS = {
    "echo/poll": [binary("echo/poll")],
    "echo/fork": [binary("echo/fork")],
    "echo/thread": [binary("echo/thread")],
    "echo/select": [binary("echo/select")],
    "bug_send": ["build/faults/bug_send"],
    "echo.py": ["python3", "tests/peers/echo.py"],
    "echo_long_line_cut.py": ["python3", ZOO / "echo_long_line_cut.py"],
    "echo_half_close_drops.py": ["python3", ZOO / "echo_half_close_drops.py"],
    "echo.mjs": ["node", "tests/peers/echo.mjs"],
    "echo_shared_buffer.mjs": ["node", ZOO / "echo_shared_buffer.mjs"],
    "echo.sh": ["tests/peers/echo.sh"],
    "echo_bytes_blanks.sh": ["sh", ZOO / "echo_bytes_blanks.sh"],
}
WANTS = {"node": "node", "tests/peers/echo.sh": "socat", "sh": "socat"}

# In pieces; bytes that are no text; a client that closes over what it has not read, and one that
# resets while it is spoken to; one that stays silent.
SCRIPT = r"""
A: send bonjour\n
A: quiet
B: send un\ndeux\ntr
B: recv 5
B: send ois\n
C: send \x00\xff \xc3\xa9 \\ "\r\n
C: recv 3
D: connect
A: send oui
B: times 300 vingt-et-un octets..\n &
C: close
B: quiet
B: reset
A: half-close
A: end
A: close
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    """What counts."""
    return library(ROOT / "tests/see/count.c", tmp_path_factory.mktemp("see"))


@pytest.mark.parametrize("server", SERVERS)
def test_every_byte_once(server, counter, tmp_path):
    command = SERVERS[server]
    if command[0] in WANTS:
        peer(WANTS[command[0]])
    if server == "bug_send":
        faulty(server)
    counts = tmp_path / "counted"
    before = ["env", f"LD_PRELOAD={counter}", f"COUNTED={counts}"]
    _, seen = drawn("--patience", 1, "--", *before, *command, "{port}", script=SCRIPT)
    ours = [column["name"] for column in seen["columns"] if not column["client"]]
    arrows = [
        arrow
        for arrow in seen["arrows"]
        if arrow["kind"] == "bytes" and not (arrow["from"] in ours and arrow["to"] in ours)
    ]
    assert all((arrow["taken_by"] is None) == arrow["lost"] for arrow in arrows)

    def are(some, counted):
        """One after the other they are what was counted, as far as strace wrote it down."""
        at = 0
        for arrow in some:
            piece = counted[at : at + arrow["size"]]
            assert piece.startswith(arrow["bytes"]) and (arrow["bytes"] or arrow["size"] > 4000)
            at += arrow["size"]
        return at == len(counted)

    for name, counted in seen["counted"].items():
        assert are((arrow for arrow in arrows if arrow["from"] == name), counted["sent"])
        taken = [arrow for arrow in arrows if arrow["to"] == name and not arrow["lost"]]
        assert are(taken, counted["received"])
    assert set("ABCD") == set(seen["counted"])

    by_server = Counter()
    for line in counts.read_text().splitlines():
        what, size = line.split()
        by_server[what] += int(size)
    assert sum(arrow["size"] for arrow in arrows if arrow["from"] in ours) == by_server["sent"]
    taken = [arrow for arrow in arrows if arrow["to"] in ours and not arrow["lost"]]
    assert sum(arrow["size"] for arrow in taken) == by_server["took"]
    assert by_server["sent"] and by_server["took"]
    # Somebody did not read all of it: that is on the ladder too.
    assert sum(arrow["size"] for arrow in arrows if arrow["lost"]) > 0
