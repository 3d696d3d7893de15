"""A peer that vanishes without a word is asked, after a minute of silence, whether it is still there: the
kernel does that, for every connection whose SO_KEEPALIVE is set. Seen here by the timer of each."""

import re
import subprocess

import pytest
from harness import ROOT, eventually, peer

SERVERS = [
    *(f"echo/{name}" for name in ("iterative", "fork", "thread", "select", "poll", "generations")),
    "broadcast/server",
    "tcp/commands",
    "tcp/web",
]


def timers(port):
    """What ss says of the timers of the connections that the server on `port` has: [(kind, seconds)]"""
    words = [peer("ss"), "-tnoH", "state", "established", f"sport = :{port}"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    # timer:(keepalive,59sec,0), or 1min for a whole one
    return re.findall(r"timer:\((\w+),([\w.]+),", said)


@pytest.mark.parametrize("program", SERVERS)
def test_every_connection_is_kept_alive(start, program):
    server = start(program)
    client = server.connect()
    client.sendall(b"GET / HTTP/1.1\r\n")  # a line to some, the beginning of a request to another
    eventually(lambda: timers(server.port) and timers(server.port)[0][0] == "keepalive")
    seconds = timers(server.port)[0][1]
    assert seconds == "1min" or 50 <= float(seconds.removesuffix("sec")) <= 60
    client.close()


@pytest.mark.parametrize("program", [*SERVERS, "tcp/forward"])
def test_no_answer_waits_for_an_acknowledgement(start, program, tmp_path):
    """What accept returns inherits the listener's TCP_NODELAY."""
    trace = tmp_path / "trace"
    words = [peer("strace"), "-D", "-qq", "-o", trace, "-e", "trace=setsockopt,listen"]
    start(program, *(["127.0.0.1:0:127.0.0.1:9"] if program == "tcp/forward" else []), under=words)
    said = eventually(lambda: "listen(" in trace.read_text() and trace.read_text())
    assert "TCP_NODELAY, [1]" in said.partition("listen(")[0]


def test_the_plainest_server_does_without(start):
    server = start("tcp/server")
    client = server.connect()
    client.sendall(b"bonjour")
    assert client.recv(7) == b"bonjour"
    eventually(lambda: timers(server.port) == [])
    client.close()


def test_it_is_found_dead_within_two_and_a_half_minutes():
    """60 s of silence, then a question every 10 s, eight of them."""
    source = (ROOT / "tcp/keepalive.hpp").read_text()
    idle, interval, count = (
        int(re.search(rf"{option}, (\d+)", source)[1])
        for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    )
    assert idle == 60 and interval == 10 and idle + interval * count <= 150
