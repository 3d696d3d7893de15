"""Write the missing program: it introduces its callers to each other (socketpair, SCM_RIGHTS)."""

import os
import signal
import socket
import stat

import pytest
from harness import PATIENCE, eventually, receive
from spoken import say

PROGRAMS = {"unix_domain/rendezvous": "unix_domain/stream_server"}


@pytest.fixture
def server(start, place):
    server = start("unix_domain/rendezvous", place / "socket")
    server.path = str(place / "socket")
    return server


def caller(server):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(server.path)
    return client


def introduced(client):
    """The one descriptor that came, as a socket. It came with a newline, and after it the server
    closed."""
    data, descriptors, _, _ = socket.recv_fds(client, 100, 4)
    assert (data, len(descriptors)) == (b"\n", 1)
    assert client.recv(1) == b"", say("the server is to close", "le serveur doit fermer")
    client.close()
    end = socket.socket(fileno=descriptors[0])
    assert (end.family, end.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
    end.settimeout(PATIENCE)
    return end


def talk(one, other):
    """Whether these two are the ends of one connection."""
    one.sendall(b"question")
    assert receive(other, 8) == b"question"
    other.sendall(b"reponse")
    assert receive(one, 7) == b"reponse"


def test_two_callers_are_introduced(server):
    first, second = caller(server), caller(server)
    talk(introduced(first), introduced(second))


def test_the_server_is_not_between_them(server):
    first, second = caller(server), caller(server)
    one, other = introduced(first), introduced(second)
    server.process.send_signal(signal.SIGSTOP)
    try:
        talk(one, other)
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_one_end_each_and_none_kept(server):
    before = server.descriptors()
    first, second = caller(server), caller(server)
    one, other = introduced(first), introduced(second)
    eventually(lambda: server.descriptors() == before)
    one.close()
    assert other.recv(1) == b""


def test_pair_after_pair(server):
    callers = [caller(server) for _ in range(6)]
    ends = [introduced(client) for client in callers]
    for i in range(0, 6, 2):
        talk(ends[i], ends[i + 1])


def test_who_has_gone_is_introduced_to_nobody(server):
    before = server.descriptors()
    caller(server).close()
    eventually(lambda: server.descriptors() == before)
    half = caller(server)
    half.shutdown(socket.SHUT_WR)
    assert half.recv(1) == b""
    first, second = caller(server), caller(server)
    talk(introduced(first), introduced(second))


def test_a_caller_has_nothing_to_say(server):
    speaks = caller(server)
    speaks.sendall(b"x")
    try:
        assert speaks.recv(1) == b""
    except ConnectionResetError:
        pass  # it has not read what we said
    first, second = caller(server), caller(server)
    talk(introduced(first), introduced(second))


def test_the_socket_is_its_owners_and_goes_with_the_server(server):
    assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o600
    first = caller(server)
    server.process.terminate()
    assert server.wait() == 0
    assert not os.path.exists(server.path)
    assert first.recv(1) == b""
