"""Add one line: the server tells its caller who it is, by SO_PEERCRED."""

import os
import socket
import subprocess
import sys

import pytest
from harness import PATIENCE, receive_until

PROGRAMS = {"unix_domain/stream_server": "unix_domain/stream_server"}


@pytest.fixture
def path(start, place):
    start("unix_domain/stream_server", place / "socket")
    return str(place / "socket")


@pytest.fixture
def client(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(path)
        yield client


def you_are(pid):
    return f"Le serveur écoute.\nvous êtes : pid {pid}, uid {os.getuid()}, gid {os.getgid()}\n"


def received(client, expected):
    """As many lines as `expected` has."""
    return b"".join(receive_until(client, b"\n") for _ in range(expected.count("\n"))).decode()


def test_the_caller_is_told_who_it_is(client):
    assert received(client, you_are(os.getpid())) == you_are(os.getpid())


def test_another_caller_is_another(path):
    code = "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
    code += "print(os.getpid())\n"
    code += "s.shutdown(1); sys.stdout.write(s.makefile(encoding='utf-8').read())"
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, path], capture_output=True, timeout=PATIENCE
    )
    pid, _, said = run.stdout.decode().partition("\n")
    assert said == you_are(pid)


def test_the_echo_follows(client):
    expected = you_are(os.getpid()) + "le serveur répond : bonjour\n"
    client.sendall(b"bonjour\n")
    assert received(client, expected) == expected


def test_half_closed_at_once_it_is_told_all_the_same(client):
    client.shutdown(socket.SHUT_WR)
    assert client.makefile(encoding="utf-8").read() == you_are(os.getpid())
