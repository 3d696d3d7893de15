"""A planted bug: some clients are forgotten."""

PROGRAMS = {"echo/bug_set": "tests/exercises/programs/bug_set"}


def test_a_client_alone_is_counted(start):
    client = start("echo/bug_set").connect()
    client.send("12345")
    client.expect("5\n")
    client.send("678")
    client.expect("8\n")


def test_the_fault_is_gone(start, fault):
    server = start("echo/bug_set")
    with fault():
        clients = []
        for size in range(1, 5):
            clients.append((server.connect(), size))
            for turn in range(3):
                for client, more in clients:
                    client.send("x" * more)
                    client.line()
        first, _ = clients.pop(0)
        first.half_close()
        first.expect_end()
        totals = {2: 20, 3: 21, 4: 16}  # 2 * (9 + 1), 3 * (6 + 1), 4 * (3 + 1)
        for client, more in clients:
            client.send("x" * more)
            client.expect(f"{totals[more]}\n")
        server.connect().send("et moi")
