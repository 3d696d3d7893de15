"""A planted bug: a number that another machine reads otherwise."""

PROGRAMS = {"echo/bug_order": "tests/exercises/programs/bug_order"}


def test_each_line_comes_back_after_four_bytes(start):
    client = start("echo/bug_order").connect()
    for line in ("bonjour\n", "\n"):
        client.send(line)
        client._receive(lambda got: len(got) == 4, "", "")
        client.expect(line)


def test_the_fault_is_gone(start, fault):
    server = start("echo/bug_order")
    with fault():
        client = server.connect()
        for size in (0, 7, 255, 256, 70_000):
            client.send(b"x" * size + b"\n")
            client.expect(size.to_bytes(4, "big") + b"x" * size + b"\n")
