"""Memory is short (RLIMIT_AS) while a crowd wants much of it: at most those for whom something was
coming are closed. The server never ends, and serves everybody again once there is memory."""

import resource
import time

import pytest
from harness import connect, converse, eventually, needs_plain_build, receive_until
from wants import memory

EMPTY_LINES = b"\n" * 8192  # each is answered by 22 bytes in echo, 18 in the room


def greedy(address, count):
    """Clients that say much and read nothing."""
    clients = []
    for _ in range(count):
        try:
            client = connect(address, receive_buffer=4096)
        except OSError:
            continue  # turned away, as there was no memory for it
        client.setblocking(False)
        clients.append(client)
    return clients


def say_more(clients):
    for client in clients:
        try:
            client.send(EMPTY_LINES)
        except OSError:
            pass  # it takes no more, or has closed


@pytest.mark.parametrize("program", ["echo/select", "echo/poll", "echo/generations", "echo/thread"])
def test_a_crowd_that_wants_all_the_memory_does_not_end_it(start, program):
    needs_plain_build(program)
    server = start(program)
    size = memory(server.pid, "VmSize")
    more = 1 << 20 if program != "echo/thread" else 64 << 20  # a thread's stack is 8 MiB of addresses
    resource.prlimit(server.pid, resource.RLIMIT_AS, (size + more, size + more))
    clients = greedy(server.address, 100)
    for _ in range(100):  # a socket's buffer grows to 4 MB before anything has to be kept
        say_more(clients)
        time.sleep(0.01)  # its turn
        assert server.process.poll() is None, server.log
    for client in clients:
        client.close()
    eventually(lambda: serves(server))
    server.stop()


def serves(server):
    try:
        return converse(server.connect(), b"bonjour\n").endswith(
            "le serveur répond : bonjour\n".encode()
        )
    except OSError:
        return False


def test_a_room_without_memory_loses_who_speaks_and_the_others_hear_of_it(start):
    needs_plain_build("broadcast/server")
    server = start("broadcast/server")
    listener = server.connect()
    clients = greedy(server.address, 50)
    for client in [listener, *clients]:  # all of them are in
        client.setblocking(True)
        receive_until(client, b"\n")
    for client in clients:
        client.setblocking(False)
    size = memory(server.pid, "VmSize")
    resource.prlimit(server.pid, resource.RLIMIT_AS, (size, size))
    for _ in range(30):
        say_more(clients)
        time.sleep(0.01)
        assert server.process.poll() is None, server.log
    for client in clients:
        client.close()
    heard = b""
    listener.settimeout(20)
    while heard.count("est déconnecté".encode()) < len(clients):
        piece = listener.recv(1 << 20)
        assert piece, "the one who only listens was closed"
        heard += piece
    listener.sendall(b"toujours la\n")
    while not heard.endswith(b" : toujours la\n"):
        heard += listener.recv(1 << 20)
    listener.close()
