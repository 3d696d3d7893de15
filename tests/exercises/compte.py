"""Remember senders: a datagram server that counts, for each address."""

import os
import socket

import pytest
from harness import PATIENCE

PROGRAMS = {"unix_domain/datagram_server": "unix_domain/datagram_server"}


@pytest.fixture
def sender(start, place):
    """sender(NAME) is a socket bound to that file, or to an abstract address (bytes), and connected
    to the server."""
    sockets = []
    start("unix_domain/datagram_server", place / "server")

    def sender(name):
        sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        sockets[-1].settimeout(PATIENCE)
        sockets[-1].bind(name if isinstance(name, bytes) else f"{place}/{name}")
        sockets[-1].connect(f"{place}/server")
        return sockets[-1]

    sender.directory = str(place)
    yield sender
    for one in sockets:
        one.close()


def ask(sender, question):
    sender.send(question)
    return sender.recv(1 << 20)


def answer(number, question=b"salut"):
    return b"%d : " % number + "le serveur répond : ".encode() + question


def test_each_datagram_has_its_number(sender):
    one = sender("un")
    for number in range(1, 13):
        assert ask(one, b"salut") == answer(number)


def test_each_sender_has_its_own_numbers(sender):
    one, two = sender("un"), sender("deux")
    assert [ask(who, b"salut") for who in (one, one, two, one, two)] == [
        answer(n) for n in (1, 2, 1, 3, 2)
    ]


def test_abstract_addresses_are_told_apart(sender):
    # NULs are letters there.
    one, two = sender(b"\0socklab\0%d" % os.getpid()), sender(b"\0socklab\0%d\0" % os.getpid())
    assert [ask(who, b"salut") for who in (one, two, one)] == [answer(n) for n in (1, 1, 2)]


def test_the_address_counts_and_not_the_socket(sender):
    one = sender("un")
    assert ask(one, b"salut") == answer(1)
    one.close()
    os.unlink(sender.directory + "/un")
    assert ask(sender("un"), b"salut") == answer(2)


def test_a_datagram_is_answered_as_it_is(sender):
    one = sender("un")
    for number, question in enumerate([b"", bytes(range(256)), 100_000 * b"x"], 1):
        assert ask(one, question) == answer(number, question)


def test_two_thousand_senders(sender):
    for i in range(2000):
        one = sender(b"\0socklab %d %d" % (os.getpid(), i))
        assert ask(one, b"salut") == answer(1)
        one.close()
