"""A chat with nicknames: a line /nom alice gives its talker a name."""

import re

import pytest

PROGRAMS = {"broadcast/server": "broadcast/server"}


def room(server, count):
    """[(client, its name)]; each has heard the later ones come."""
    people = []
    for _ in range(count):
        client = server.connect()
        greeting = client.line("je suis : K3x")
        assert re.fullmatch(r"je suis : [A-Za-z0-9]{3}", greeting), greeting
        for other, _ in people:
            other.expect(f"{greeting[-3:]} est connecté\n")
        people.append((client, greeting[-3:]))
    return people


def all_hear(people, text):
    for client, _ in people:
        client.expect(text + "\n")


def test_everyone_is_told_and_from_then_on_it_is_the_name(start):
    people = room(start("broadcast/server"), 3)
    (client, name), *_ = people
    client.send("/nom alice\nbonjour\n")
    all_hear(people, f"{name} s'appelle maintenant alice")
    all_hear(people, "Message de alice : bonjour")
    client.half_close()
    all_hear(people[1:], "alice est déconnecté")


def test_a_name_may_be_changed_again(start):
    people = room(start("broadcast/server"), 2)
    client, name = people[1]
    client.send("/nom bob\n/nom Bob42678\n/nom b\nsalut\n")
    all_hear(people, f"{name} s'appelle maintenant bob")
    all_hear(people, "bob s'appelle maintenant Bob42678")
    all_hear(people, "Bob42678 s'appelle maintenant b")
    all_hear(people, "Message de b : salut")


def test_the_line_may_come_in_pieces(start):
    server = start("broadcast/server")
    people = room(server, 2)
    (first, name), (second, other) = people
    first.send("/no")
    second.send("un\n")
    all_hear(people, f"Message de {other} : un")
    first.send("m ali")
    second.send("deux\n")
    all_hear(people, f"Message de {other} : deux")
    first.send("ce\n")
    all_hear(people, f"{name} s'appelle maintenant alice")


def test_nobody_takes_a_name_that_is_taken(start):
    people = room(start("broadcast/server"), 3)
    (first, one), (second, two), (_, three) = people
    first.send("/nom alice\n")
    all_hear(people, f"{one} s'appelle maintenant alice")
    second.send(f"/nom alice\n/nom {three}\n/nom {two}\nsalut\n")
    all_hear(people, f"{two} ne peut pas s'appeler alice")
    all_hear(people, f"{two} ne peut pas s'appeler {three}")
    all_hear(people, f"{two} ne peut pas s'appeler {two}")
    all_hear(people, f"Message de {two} : salut")


def test_capitals_make_another_name(start):
    people = room(start("broadcast/server"), 2)
    (first, one), (second, two) = people
    first.send("/nom alice\n")
    all_hear(people, f"{one} s'appelle maintenant alice")
    second.send("/nom Alice\n")
    all_hear(people, f"{two} s'appelle maintenant Alice")


def test_a_name_that_was_given_up_is_free(start):
    people = room(start("broadcast/server"), 2)
    (first, one), (second, two) = people
    first.send("/nom alice\n/nom bob\n")
    all_hear(people, f"{one} s'appelle maintenant alice")
    all_hear(people, "alice s'appelle maintenant bob")
    second.send("/nom alice\n")
    all_hear(people, f"{two} s'appelle maintenant alice")


def test_the_name_of_who_has_left_is_free(start):
    people = room(start("broadcast/server"), 3)
    (first, one), *others = people
    first.send("/nom alice\n")
    all_hear(people, f"{one} s'appelle maintenant alice")
    first.half_close()
    all_hear(others, "alice est déconnecté")
    others[0][0].send("/nom alice\n")
    all_hear(others, f"{others[0][1]} s'appelle maintenant alice")


NO_NAMES = ["", "a b", "alice ", " alice", "trop_bas", "neuf56789", "élise", "a:b", "-", "alice\r"]


@pytest.mark.parametrize("word", NO_NAMES)
def test_what_is_no_name_is_refused(start, word):
    people = room(start("broadcast/server"), 2)
    client, name = people[0]
    client.send(f"/nom {word}\nbonjour\n")
    all_hear(people, f"{name} ne peut pas s'appeler {word}")
    all_hear(people, f"Message de {name} : bonjour")


NO_COMMANDS = [
    "/nom",
    "/nomade",
    " /nom alice",
    "/NOM alice",
    "/qui",
    "nom alice",
    "je dis /nom alice",
]


@pytest.mark.parametrize("line", NO_COMMANDS)
def test_any_other_line_is_a_message(start, line):
    people = room(start("broadcast/server"), 2)
    client, name = people[0]
    client.send(line + "\n")
    all_hear(people, f"Message de {name} : {line}")
