"""An option: netcat -v says who has connected, or to which address it has."""

import subprocess

import harness
import pytest

PROGRAMS = {"tcp/netcat": "tcp/netcat"}
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def name(client):
    return "%s:%d" % client.socket.getsockname()


def test_a_listener_says_who_has_connected(start):
    netcat = start("tcp/netcat", "-v", "-l", "-p", 0, **PIPES)
    client = netcat.connect()
    assert netcat.logged("connection from") == f"connection from {name(client)}"


def test_with_k_it_says_each_of_them(start):
    netcat = start("tcp/netcat", "-lkv", "-p", 0, **PIPES)
    for text in ("un\n", "deux\n"):
        client = netcat.connect()
        client.send(text)
        assert netcat.process.stdout.read(len(text)) == text.encode()
        assert netcat.logged(name(client)) == f"connection from {name(client)}"
        client.close()
        if text == "un\n":
            netcat.process.stdin.close()  # it has nothing more to say: the next one may come


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_client_says_where_it_has_connected_to(start, host):
    with harness.socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(harness.PATIENCE)
        port = server.getsockname()[1]
        start("tcp/netcat", "-v", host, port, ready=f"connected to 127.0.0.1:{port}", **PIPES)
        server.accept()[0].close()


def test_what_it_shows_stays_what_has_come(start):
    netcat = start("tcp/netcat", "-v", "-l", "-p", 0, **PIPES)
    client = netcat.connect()
    client.send("salut")
    client.half_close()
    netcat.process.stdin.close()
    assert netcat.process.stdout.read() == b"salut"


def test_it_says_nothing_of_a_connection_that_never_stood():
    result = harness.run("tcp/netcat", "-v", "127.0.0.1", harness.free_port())
    assert result.returncode == 1 and "connected to" not in result.stderr, result.stderr


def test_without_it_nothing_is_said(start):
    netcat = start("tcp/netcat", "-l", "-p", 0, **PIPES)
    netcat.connect().close()
    netcat.process.stdin.close()
    netcat.wait()
    assert len(netcat.log) == 1, netcat.log
