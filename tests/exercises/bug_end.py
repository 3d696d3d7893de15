"""A planted bug: a whole processor for a client that has gone."""

from harness import eventually

PROGRAMS = {"echo/bug_end": "tests/exercises/programs/bug_end"}


def test_what_is_said_is_shouted_back(start):
    server = start("echo/bug_end")
    first, second = server.connect(), server.connect()
    for client in (second, first, second):
        client.send("Allô, ici 127.0.0.1\n")
        client.expect("ALLô, ICI 127.0.0.1\n")


def test_the_fault_is_gone(start, fault):
    server = start("echo/bug_end")
    before = server.descriptors()
    with fault():
        client = server.connect()
        client.send("un\n")
        client.expect("UN\n")
        client.half_close()
        client.expect_end()
        for _ in range(3):
            server.connect().close()
        eventually(lambda: server.descriptors() == before)
