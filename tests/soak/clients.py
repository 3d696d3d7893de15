"""Who comes to a server: the well-behaved, who check every byte, and all the others. What they say,
and what they are to be answered, a `place` knows (places.py)."""

import random
import socket
import time

from crowd import READ, connected, receiving, reset, sending


# ---- The well-behaved.


def well_behaved(place):
    began = time.monotonic()
    with (yield from connected(place.address)) as client:
        yield from place.converse(client, place.talk())
    place.answered(time.monotonic() - began)


def half_closing(place):
    """Has said all it had to say before it reads a byte."""
    began = time.monotonic()
    with (yield from connected(place.address)) as client:
        yield from place.converse(client, place.talk(), half_close=True)
    place.answered(time.monotonic() - began)


def flooding(place):
    """Says a great deal in short pieces, and reads all the answers."""
    with (yield from connected(place.address)) as client:
        yield from place.converse(client, place.flood())


def slow(place):
    """Reads a large answer a little at a time."""
    with (yield from connected(place.address, receive_buffer=1 << 14)) as client:
        yield from place.converse(client, place.bulk(), piece=1 << 15, pause=0.001)


def hesitant(place):
    """Is silent for a while, and then speaks."""
    with (yield from connected(place.address)) as client:
        yield place.hold
        yield from place.converse(client, place.talk())


# ---- The others. What becomes of them is not checked: what becomes of the server is.


def leave(client):
    random.choice((reset, socket.socket.close))(client)


def passing_by(place):
    (yield from connected(place.address)).close()


STORM = 20


def storming(place):
    """So many at once, gone again before the first of them is accepted."""
    storm = []
    for _ in range(STORM):
        storm.append((yield from connected(place.address)))
    for client in storm:
        leave(client)


def resetting_at_once(place):
    reset((yield from connected(place.address)))


def resetting_when_answered(place):
    client = yield from connected(place.address)
    yield from sending(client, place.talk()[0])
    yield client, READ
    reset(client)


def resetting_in_mid_message(place):
    client = yield from connected(place.address)
    sent = place.talk()[0]
    yield from sending(client, sent[: len(sent) // 2])
    yield 0
    reset(client)


def resetting_while_it_is_owed_much(place):
    client = yield from connected(place.address, receive_buffer=4096)
    yield from sending(client, place.bulk()[0])
    yield client, READ
    reset(client)


def resetting_after_its_half_close(place):
    client = yield from connected(place.address)
    yield from sending(client, place.talk()[0])
    client.shutdown(1)
    yield 0
    reset(client)


def talking_nonsense(place):
    with (yield from connected(place.address)) as client:
        yield from sending(client, place.random.randbytes(place.random.randrange(1, 20_000)))
        client.shutdown(socket.SHUT_WR)
        while (yield from receiving(client)):
            pass


def never_reading(place):
    """Says as much as goes, without reading, and stays so for a while."""
    client = yield from connected(place.address, receive_buffer=4096)
    leave_at = time.monotonic() + place.hold
    try:
        for _ in range(100):
            try:
                client.send(place.bulk()[0])
                yield 0
            except BlockingIOError:
                if time.monotonic() >= leave_at:
                    break
                yield 0.1
    finally:
        leave(client)


def hostile(client):
    """Its connection may end in any way."""
    try:
        yield from client
    except OSError:
        pass


# How many of each, for a thousand connections.
MIX = {
    well_behaved: 290,
    half_closing: 80,
    flooding: 20,
    slow: 10,
    hesitant: 30,
    passing_by: 150,
    storming: 7,
    resetting_at_once: 60,
    resetting_when_answered: 60,
    resetting_in_mid_message: 40,
    resetting_while_it_is_owed_much: 20,
    resetting_after_its_half_close: 40,
    talking_nonsense: 50,
    never_reading: 10,
}
CHECKED = {well_behaved, half_closing, flooding, slow, hesitant}
