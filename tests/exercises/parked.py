"""A log: the server says how many clients are parked, when that has changed."""

from harness import eventually
from spoken import say

PROGRAMS = {"echo/generations": "echo/generations"}


def silent(server, count):
    clients = [server.connect() for _ in range(count)]
    for client in clients:
        client.expect("Le serveur écoute.\n")
    return clients


def said(server):
    return [line for line in server.log if line.endswith(" parked")]


def wait_until_said(server, line, meanwhile=lambda: None):
    def is_said():
        meanwhile()
        return said(server)[-1:] == [line]

    try:
        eventually(is_said)
    except AssertionError:
        raise AssertionError(
            say(f"waited for {line!r}; the log is", f"on attendait {line!r} ; le journal est")
            + f" {server.log}"
        ) from None


def says_nothing_twice(server):
    lines = ["0 parked", *said(server)]
    again = [one for one, next in zip(lines, lines[1:]) if one == next]
    assert not again, (
        say(f"{again[0]!r} is said again, though nothing has changed:",
            f"{again[0]!r} est répété, alors que rien n'a changé :")
        + f" {server.log}"
    )  # fmt: skip


def test_it_says_how_many_are_parked_and_how_many_no_longer(start):
    server = start("echo/generations")
    clients = silent(server, 100)
    wait_until_said(server, "36 parked")

    def all_speak():
        for client in clients:
            client.send("x\n")
        for client in clients:
            client.expect("le serveur répond : x\n")

    wait_until_said(server, "0 parked", all_speak)
    says_nothing_twice(server)


def test_who_goes_while_parked_is_not_counted(start):
    server = start("echo/generations")
    clients = silent(server, 80)
    wait_until_said(server, "16 parked")
    for client in clients:
        client.close()
    wait_until_said(server, "0 parked")
    says_nothing_twice(server)
