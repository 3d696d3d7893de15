"""Write a UDP pair: a listener that shows each datagram, and a talker that sends one."""

import re
import socket
import subprocess
import threading

import harness
import pytest
from spoken import ended, expect

PROGRAMS = {"echo/listener": "echo/datagram", "echo/talker": "tcp/client"}


def lines_of(server, count):
    """The next lines that the listener shows, awaited for so long."""
    got = []

    def read():
        for _ in range(count):
            got.append(server.process.stdout.readline().decode())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(harness.PATIENCE)
    return got


@pytest.fixture
def socket_of_ours():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.settimeout(harness.PATIENCE)
        yield one


def shown(ours, text):
    host, port = ours.getsockname()
    return f"{host}:{port} : {text}\n"


def ends_well(said):
    if (said.returncode, said.stderr) != (0, ""):
        pytest.fail(ended(said))


def test_the_listener_shows_each_datagram_and_where_it_came_from(start, socket_of_ours):
    server = start("echo/listener", stdout=subprocess.PIPE)
    for text in ("bonjour", "deux mots", "à demain"):
        socket_of_ours.sendto(text.encode(), server.address)
        expect(lines_of(server, 1), [shown(socket_of_ours, text)])


def test_an_empty_datagram_is_one_too(start, socket_of_ours):
    server = start("echo/listener", stdout=subprocess.PIPE)
    socket_of_ours.sendto(b"", server.address)
    socket_of_ours.sendto(b"fin", server.address)
    expect(lines_of(server, 2), [shown(socket_of_ours, ""), shown(socket_of_ours, "fin")])


def test_the_talker_sends_its_words_as_one_datagram_and_ends(socket_of_ours):
    host, port = socket_of_ours.getsockname()
    for words in (["bonjour"], ["deux mots"], ["un", "deux", "trois"]):
        said = harness.run("echo/talker", host, port, *words, stdin=subprocess.DEVNULL)
        ends_well(said)
        expect(socket_of_ours.recv(1000).decode(), " ".join(words))


def test_the_talker_talks_to_the_listener(start):
    server = start("echo/listener", stdout=subprocess.PIPE)
    harness.run("echo/talker", "127.0.0.1", server.port, "salut", stdin=subprocess.DEVNULL)
    (line,) = lines_of(server, 1) or [""]
    expect(re.sub(r":\d+ ", ":50001 ", line), "127.0.0.1:50001 : salut\n")


def test_where_nobody_listens_the_talker_does_not_notice(socket_of_ours):
    address = socket_of_ours.getsockname()
    socket_of_ours.close()
    said = harness.run("echo/talker", *address, "allô", stdin=subprocess.DEVNULL)
    ends_well(said)
