"""Change one line: clients are parked as soon as there are more than eight of them."""

import time

from harness import eventually
from spoken import say
from wants import threads

PROGRAMS = {"echo/generations": "echo/generations"}


def silent(server, count):
    clients = [server.connect() for _ in range(count)]
    for client in clients:
        client.expect("Le serveur écoute.\n")
    return clients


def wait_for_threads(server, count, clients):
    try:
        eventually(lambda: threads(server.pid) == count)
    except AssertionError:
        raise AssertionError(
            say(f"threads for {clients} silent clients: {threads(server.pid)}, not {count}",
                f"threads pour {clients} clients muets : {threads(server.pid)}, et non {count}")
        ) from None  # fmt: skip


def test_nine_silent_clients_are_too_many_and_all_are_answered(start):
    server = start("echo/generations")
    clients = silent(server, 9)
    wait_for_threads(server, 2, 9)
    for client in clients:
        client.send("salut\n")
        client.expect("le serveur répond : salut\n")


def test_eight_are_not(start):
    server = start("echo/generations")
    silent(server, 8)
    time.sleep(2.5)  # each has been looked at twice
    assert threads(server.pid) == 1, say(
        "eight silent clients have been given a thread",
        "un thread a été créé pour huit clients muets",
    )
