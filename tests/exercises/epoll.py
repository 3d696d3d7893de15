"""Write the missing server: echo/epoll, whose list of descriptors is kept by the kernel."""

import time

import harness
from spoken import say
from wants import open_files

PROGRAMS = {"echo/epoll": "echo/poll"}
HELLO = "Le serveur écoute.\n"


def test_it_has_an_epoll_descriptor(start):
    server = start("echo/epoll")
    server.connect().expect(HELLO)
    files = open_files(server.pid)
    assert "anon_inode:[eventpoll]" in files.values(), (
        say("among its descriptors is none:", "aucun de ses descripteurs n'en est un :")
        + f" {files}"
    )


def test_it_answers_lines_however_they_are_cut(start):
    client = start("echo/epoll").connect()
    client.expect(HELLO)
    client.send("un\nde")
    client.expect("le serveur répond : un\n")
    client.send("ux\n\ntrois")
    client.half_close()
    client.expect("le serveur répond : deux\nle serveur répond : \nle serveur répond : trois")
    client.expect_end()


def test_nobody_waits_for_anybody(start):
    server = start("echo/epoll")
    clients = [server.connect() for _ in range(200)]
    for client in reversed(clients):
        client.expect(HELLO)
    for client in clients[::3]:
        client.close()
    for number, client in enumerate(clients):
        if number % 3 != 0:
            client.send(f"{number}\n")
            client.expect(f"le serveur répond : {number}\n")
    harness.eventually(lambda: server.descriptors() < 150)


def test_who_does_not_read_is_owed_everything_and_holds_up_nobody(start):
    server = start("echo/epoll")
    slow = harness.connect(server.address, receive_buffer=4096)
    went = harness.fill(slow, b"\n" * 10_000)
    client = server.connect()
    client.send("me voici\n")
    client.expect(HELLO + "le serveur répond : me voici\n")
    before = server.cpu()
    time.sleep(0.5)
    assert server.cpu() - before < 0.25, say(
        "it burns the processor while a client does not read",
        "il occupe le processeur pendant qu'un client ne lit pas",
    )
    slow.settimeout(harness.PATIENCE)
    slow.shutdown(harness.socket.SHUT_WR)
    assert harness.receive_all(slow) == HELLO.encode() + "le serveur répond : \n".encode() * went


def test_out_of_descriptors_it_lets_the_next_one_wait(start):
    server = start("echo/epoll", nofile=20)
    clients = [server.connect() for _ in range(30)]
    clients[0].expect(HELLO)
    before = server.cpu()
    time.sleep(0.5)
    assert server.cpu() - before < 0.25, say(
        "it burns the processor while it cannot accept",
        "il occupe le processeur tant qu'il ne peut pas accepter",
    )
    for client in clients[:20]:
        client.close()
    clients[29].expect(HELLO)


def test_it_ends_at_sigterm(start):
    server = start("echo/epoll")
    server.connect().expect(HELLO)
    server.process.terminate()
    assert server.wait() == 0
