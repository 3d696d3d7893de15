"""A planted bug: not all that was sent arrives."""

import contextlib
import os
import select
import threading

from harness import PATIENCE, receive

PROGRAMS = {"echo/bug_send": "tests/exercises/programs/bug_send"}
MUCH = os.urandom(1 << 16) * 256  # 16 MiB: more than all the buffers on the way hold


def fill(client):
    """Sends of MUCH until nothing more goes, as the server waits for us to read: how many bytes."""
    client.setblocking(False)
    went = 0
    while went < len(MUCH) and select.select([], [client], [], 0.5)[1]:
        went += client.send(MUCH[went : went + (1 << 16)])
    return went


def test_a_little_comes_back_to_each_client(start):
    server = start("echo/bug_send")
    clients = [server.connect() for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(f"je suis {number}\n")
    for number, client in enumerate(clients):
        client.expect(f"je suis {number}\n")


def test_who_does_not_read_holds_up_nobody(start):
    server = start("echo/bug_send")
    fill(server.connect().socket)
    client = server.connect()
    client.send("et moi ?\n")
    client.expect("et moi ?\n")


def test_the_fault_is_gone(start, fault):
    server = start("echo/bug_send")
    with fault():
        client = server.connect().socket
        went = fill(client)
        # To send and to receive have each its own descriptor, and its own limit of time.
        rest = threading.Thread(target=send, args=(client.dup(), MUCH[went:]), daemon=True)
        rest.start()
        client.settimeout(PATIENCE)
        assert receive(client, len(MUCH)) == MUCH
        rest.join(PATIENCE)


def send(client, rest):
    with client, contextlib.suppress(OSError):  # what has come back says how far it got
        client.settimeout(PATIENCE)
        client.sendall(rest)
