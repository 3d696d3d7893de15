"""Addresses without a file: `@NAME` is in the abstract namespace (unix(7))."""

import os
import socket

import pytest
from harness import PATIENCE, receive_until, run

PROGRAMS = {
    "unix_domain/stream_server": "unix_domain/stream_server",
    "unix_domain/stream_client": "unix_domain/stream_client",
}
SERVER = "unix_domain/stream_server"
CLIENT = "unix_domain/stream_client"
GREETING = "Le serveur écoute.\n".encode()


@pytest.fixture
def name():
    return f"@socklab-{os.getpid()}"


def dial(address):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(address)
    return client


def test_the_server_has_that_name_and_no_longer_one(start, name):
    start(SERVER, name, ready=f"listening on {name}")
    # Python gives connect the length of the name, not of sun_path.
    with dial("\0" + name[1:]) as client:
        assert receive_until(client, b"\n") == GREETING
        assert client.getpeername() == ("\0" + name[1:]).encode()


def test_it_makes_no_file(start, tmp_path, name):
    start(SERVER, name, cwd=tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_client_finds_it(start, name):
    start(SERVER, name)
    said = run(CLIENT, name, input="bonjour\n")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == "Le serveur écoute.\nle serveur répond : bonjour\n"


def test_a_name_is_taken_once_and_free_at_once(start, name):
    first = start(SERVER, name)
    second = run(SERVER, name)
    assert (second.returncode, "Address already in use" in second.stderr) == (1, True)
    first.process.terminate()
    first.wait()
    start(SERVER, name)


def test_nobody_there(name):
    said = run(CLIENT, name, input="")
    assert (said.returncode, "Connection refused" in said.stderr) == (1, True)


def test_a_path_is_still_a_path(start, place, name):
    server = start(SERVER, place / name)  # an @ further on is a letter
    assert os.listdir(place) == [name]
    with dial(f"{place}/{name}") as client:
        assert receive_until(client, b"\n") == GREETING
    server.process.terminate()
    assert (server.wait(), os.listdir(place)) == (0, [])
