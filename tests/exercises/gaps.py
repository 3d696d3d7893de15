"""Fill select in: a server with five gaps, and a test for each."""

import harness
from spoken import say

PROGRAMS = {"echo/gaps": "tests/exercises/programs/gaps"}


def have_come_in(server, count):
    """Waits until `count` clients have."""
    __tracebackhide__ = True
    server.logged("and comes in")
    harness.eventually(lambda: sum("and comes in" in line for line in server.log) >= count)


def test_gap_1_select_sees_who_is_at_the_door(start):
    server = start("echo/gaps")
    server.connect()
    server.logged("a client is at the door")


def test_gap_2_accept_lets_the_client_in(start):
    server = start("echo/gaps")
    for count in (1, 2):
        server.connect()
        have_come_in(server, count)


def is_noticed(client, why):
    """What the client says gets an answer, or with gap 4 still open the end."""
    __tracebackhide__ = True
    client.send("bonjour\n")
    try:
        client.socket.recv(100)
    except ConnectionResetError:
        pass  # closed with unread data: it was noticed
    except TimeoutError:
        client.fails(why, "'bonjour\\n'")


def test_gap_3_a_client_who_speaks_is_noticed(start):
    server = start("echo/gaps")
    first, second = server.connect(), server.connect()
    for client in (second, first):
        is_noticed(client, say("nothing came", "rien n'est arrivé"))

    server = start("echo/gaps")  # here the last to come has not the highest descriptor
    first, second = server.connect(), server.connect()
    have_come_in(server, 2)
    harness.reset(first.socket)
    server.connect()
    have_come_in(server, 3)
    is_noticed(second, say("nothing came when another had left, and a third come: "
                           "look at `highest`",
                           "rien n'est arrivé, après le départ d'un client et l'arrivée d'un troisième : "
                           "voyez `highest`"))  # fmt: skip


def test_gap_4_what_a_client_says_comes_back_to_it(start):
    server = start("echo/gaps")
    first, second = server.connect(), server.connect()
    for text in ("un", "deux\n", "x" * 100_000):
        for client in (first, second):
            client.send(text)
            client.expect(text)


def test_gap_5_who_has_nothing_more_to_say_is_closed_and_the_others_stay(start):
    server = start("echo/gaps")
    before = server.descriptors()
    first, second = server.connect(), server.connect()
    first.send("fin")
    first.half_close()
    first.expect("fin")
    first.expect_end()
    second.send("moi, je reste")
    second.expect("moi, je reste")
    more = server.descriptors() - before
    assert more == 1, say(f"one client is left, and {more} descriptors are still open",
                          f"il reste un client, mais {more} descripteurs sont encore ouverts")  # fmt: skip
