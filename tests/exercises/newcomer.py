"""Move one line: who comes in hears of its own coming, too."""

import re

PROGRAMS = {"broadcast/server": "broadcast/server"}


def enter(server):
    """A client, and the name it was given."""
    client = server.connect()
    greeting = client.line("je suis : K3x")
    assert re.fullmatch(r"je suis : [A-Za-z0-9]{3}", greeting), greeting
    return client, greeting[-3:]


def test_a_newcomer_hears_of_its_coming_after_its_name(start):
    client, name = enter(start("broadcast/server"))
    client.expect(f"{name} est connecté\n")


def test_the_others_hear_of_it_once_and_it_hears_nothing_older(start):
    server = start("broadcast/server")
    first, one = enter(server)
    first.expect(f"{one} est connecté\n")
    first.send("bonjour\n")
    first.expect(f"Message de {one} : bonjour\n")
    second, two = enter(server)
    second.expect(f"{two} est connecté\n")
    second.send("salut\n")
    second.expect(f"Message de {two} : salut\n")
    first.expect(f"{two} est connecté\nMessage de {two} : salut\n")


def test_of_its_going_only_the_others_hear(start):
    server = start("broadcast/server")
    first, one = enter(server)
    second, two = enter(server)
    second.half_close()
    second.expect(f"{two} est connecté\n")
    second.expect_end()
    first.expect(f"{one} est connecté\n{two} est connecté\n{two} est déconnecté\n")
