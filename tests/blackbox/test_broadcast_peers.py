"""The room in other languages (tests/peers), held to some of the promises that
test_broadcast has of ours."""

import re
import threading

import peer_servers
import pytest
from harness import connect, eventually, receive_all, receive_until, reset


@pytest.fixture(scope="module", params=["broadcast/server", *peer_servers.BROADCAST])
def server(request):
    server = peer_servers.start(request.param)
    yield server
    server.stop()


class Person:
    """Somebody in the room: `name`, and what it has been told since."""

    def __init__(self, server):
        self.socket = connect(server.address)
        welcome = receive_until(self.socket, b"\n").decode()
        assert re.fullmatch(r"je suis : [A-Za-z0-9]{3}\n", welcome)
        self.name = welcome[-4:-1]

    def hears(self, *lines):
        for line in lines:
            assert receive_until(self.socket, b"\n").decode() == line + "\n"

    def says(self, text):
        self.socket.sendall(text.encode())

    def leaves(self):
        self.socket.close()


@pytest.fixture
def people(server):
    """people(2): as many, who have all heard of each other's coming."""
    present = []

    def enter(count):
        for _ in range(count):
            newcomer = Person(server)
            for person in present:
                person.hears(f"{newcomer.name} est connecté")
            present.append(newcomer)
        return present

    yield enter
    for i, person in enumerate(present):  # the next test has the room to itself
        person.leaves()
        for other in present[i + 1 :]:
            gone = f"{person.name} est déconnecté\n".encode()
            while receive_until(other.socket, b"\n") != gone:
                pass


def test_everyone_hears_each_line_the_sender_too(people):
    one, two, three = people(3)
    for line in (
        "bonjour",
        "  blancs   autour  ",
        "*",
        "-n",
        "$(id) `id` ; $HOME",
        "un \\ deux\\",
        "%s",
        "é",
        "",
        "fin\r",
    ):
        two.says(line + "\n")
        for person in (one, two, three):
            person.hears(f"Message de {two.name} : {line}")


def test_who_half_closes_hears_its_last_word_and_the_end(server, people):
    one, *_ = people(1)
    leaver = Person(server)
    one.hears(f"{leaver.name} est connecté")
    leaver.says("un\ndeux")  # a last line without its newline is a message
    leaver.socket.shutdown(1)
    both = [f"Message de {leaver.name} : un", f"Message de {leaver.name} : deux"]
    assert receive_all(leaver.socket).decode().splitlines() == both
    one.hears(*both, f"{leaver.name} est déconnecté")


def test_who_resets_is_gone(server, people):
    one, *_ = people(1)
    leaver = Person(server)
    one.hears(f"{leaver.name} est connecté")
    reset(leaver.socket)
    one.hears(f"{leaver.name} est déconnecté")


def test_a_line_of_65536_bytes_is_a_message_and_one_more_is_not(server, people):
    one, *_ = people(1)
    talker = Person(server)
    one.hears(f"{talker.name} est connecté")
    talker.says("x" * 65536 + "\n")
    for person in (one, talker):
        person.hears(f"Message de {talker.name} : " + "x" * 65536)
    talker.says("x" * 65537 + "\n")
    assert receive_all(talker.socket).decode() == "erreur : ligne trop longue\n"
    one.hears(f"{talker.name} est déconnecté")


def test_twenty_who_speak_at_once_lose_nothing_and_mix_nothing(people):
    """Also lines that are longer than a pipe takes in one piece."""
    speakers, count = people(20), 6
    said = {
        person.name: [f"{i} " + "long " * (1000 if i == 3 else 2) + "*" for i in range(count)]
        for person in speakers
    }
    heard = {person.name: [] for person in speakers}

    def speak(person):
        for line in said[person.name]:
            person.says(line + "\n")

    def hear(person):
        file = person.socket.makefile("r", encoding="utf-8", newline="\n")
        while len(heard[person.name]) < len(speakers) * count:
            heard[person.name].append(next(file))

    threads = [
        threading.Thread(target=act, args=(person,), daemon=True)
        for person in speakers
        for act in (speak, hear)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: not any(thread.is_alive() for thread in threads))
    everything = heard[speakers[0].name]
    assert all(order == everything for order in heard.values())
    for name, lines in said.items():
        mine = [line for line in everything if line.startswith(f"Message de {name} : ")]
        assert mine == [f"Message de {name} : {line}\n" for line in lines]
    assert len(everything) == len(speakers) * count
