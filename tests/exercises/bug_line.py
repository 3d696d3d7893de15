"""A planted bug: a line is not always one line."""

PROGRAMS = {"echo/bug_line": "tests/exercises/programs/bug_line"}
PREFIX = "le serveur répond : "


def test_short_lines_are_answered_one_by_one(start):
    client = start("echo/bug_line").connect()
    for line in ("bonjour\n", "\n", "à demain\n"):
        client.send(line)
        client.expect(PREFIX + line)


def test_the_fault_is_gone(start, fault):
    server = start("echo/bug_line")
    with fault():
        client = server.connect()
        for size in (63, 64, 65, 1000, 100_000):
            client.send("x" * size + "\n")
            client.expect(PREFIX + "x" * size + "\n")
        client.send("un\ndeux\n\ntr")
        client.expect(f"{PREFIX}un\n{PREFIX}deux\n{PREFIX}\n")
        client.send("ois\n")
        client.expect(f"{PREFIX}trois\n")
