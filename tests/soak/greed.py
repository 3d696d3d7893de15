"""make soak, its second part: ten polite clients beside 1, 8 and 64 greedy ones, which do the most
expensive thing that the protocol allows, as fast as they can (greedy.py). Nobody can do better than
to give each a turn: so the polite wait as long as there are greedy ones, and no longer."""

import operator
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import Program, connect, needs_plain_build, receive, receive_until
from unix_sockets import dial, short_directory

POLITE = 10
TIMES = 30  # each of them asks, and is answered, before the next does
RUNS = 3  # the best of them counts: other machines' work beside it is no fault of the server
GET = b"GET /static/%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
# What the polite say and are answered, and what the greedy say.
ECHO = (b"bonjour\n", "le serveur répond : bonjour\n".encode(), b"\n" * 16384)
SERVERS = {
    "echo/select": ECHO,
    "echo/poll": ECHO,
    "echo/generations": ECHO,
    "unix_domain/stream_server": ECHO,
    "tcp/forward": ECHO,
    "tcp/commands": (b"hello\n", b"hello\n", b"fichier grand\n" * 1000),
    "tcp/web": (GET % b"petit", None, GET % b"grand" * 300),
}


@pytest.fixture(params=SERVERS)
def served(request):
    """A program's name, and where it is: (HOST, PORT) or a path."""
    program = request.param
    with short_directory() as directory:
        (directory / "petit").write_bytes(bytes(1000))
        (directory / "grand").write_bytes(bytes(60_000))
        started = []
        if program == "tcp/forward":
            started.append(Program("echo/poll", 0))
            started.append(Program(program, f"0:127.0.0.1:{started[0].port}"))
        elif program.startswith("unix_domain"):
            started.append(Program(program, directory / "socket"))
        else:
            files = ["-d", directory] if SERVERS[program] is not ECHO else []
            started.append(Program(program, *files, 0))
        started[-1].logged("listening on ")
        unix = program.startswith("unix_domain")
        yield program, str(directory / "socket") if unix else started[-1].address
        for server in reversed(started):
            server.stop()


def answered(client, answer):
    if answer is not None:
        assert receive(client, len(answer)) == answer
        return
    assert receive_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    receive(client, 1000)


def waits(clients, program):
    """How long they wait, in milliseconds: the median, the 99th percentile, the longest."""
    said, answer, _ = SERVERS[program]
    took = []
    for client in clients * TIMES:
        began = time.monotonic()
        client.sendall(said)
        answered(client, answer)
        took.append(1000 * (time.monotonic() - began))
    return statistics.median(took), statistics.quantiles(took, n=100)[98], max(took)


def turn(address, program):
    """How long, in milliseconds, one who is alone waits for 256 KiB, the most of one turn: the
    median."""
    took = []
    for _ in range(9):
        with dial(address) if isinstance(address, str) else connect(address) as client:
            began = time.monotonic()
            client.sendall(SERVERS[program][2])
            receive(client, 256 << 10)
            took.append(1000 * (time.monotonic() - began))
    return statistics.median(took)


def waits_beside(count, polite, served):
    """What waits() tells of the polite ones while so many are greedy."""
    program, address = served
    where = [address, ""] if isinstance(address, str) else [*map(str, address)]
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("greedy.py"), *where, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as greedy:
        greedy.stdin.write(SERVERS[program][2])
        greedy.stdin.close()
        assert greedy.stdout.readline() == b"begun\n"
        found = waits(polite, program)
        greedy.kill()
    return found


def test_the_polite_wait_for_a_turn_of_each_who_is_greedy(served):
    program, address = served
    needs_plain_build(program)
    polite = [dial(address) if isinstance(address, str) else connect(address) for _ in range(POLITE)]
    if SERVERS[program] is ECHO:
        for client in polite:
            receive_until(client, b"\n")
    alone = turn(address, program)
    found = {0: waits(polite, program)}
    for count in (1, 8, 64):
        runs = [waits_beside(count, polite, served) for _ in range(RUNS)]
        found[count] = min(runs, key=operator.itemgetter(1))
    print(f"\n{program}, ms: 256 KiB alone {alone:.3g};", end=" ")
    for count, figures in found.items():
        print(f"beside {count} {' '.join(f'{figure:.3g}' for figure in figures)};", end=" ")
    # One who is greedy beside others may be slower than its server, and take no whole turn. And the
    # scheduler, who has two processors for all of them, does not count in less than milliseconds.
    a_turn = max(found[1][1], alone, 1)
    assert a_turn < 100
    for count in (8, 64):
        assert found[count][1] < 3 * count * a_turn
