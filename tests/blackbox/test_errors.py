"""The fault table: every system call of every server fails, for every reason that its manual page
gives.

A row of ROWS (fault_rows.py) says: when CALL fails with ERRNO, PROGRAMS do this, and this is the
line for it. What the clients say is in fault_clients.py; `python3 tests/blackbox/fault_note.py`
writes the notes' tables again. strace joins a server that runs, and makes the first, the third, or
every second call fail (times). Under each of these a few clients come, one after the other; what
becomes of them is what the row says, and no more of them are lost than calls have failed. All the
while:

    a bystander, connected before, notices nothing
    the number of calls is bounded: nothing spins
    the next client after the faults is served rightly
    no descriptor and no zombie stays behind

A server lives through all its rows. Where a program is set up there is one outcome: one line on
stderr, exit 1.
"""

import ctypes
import errno
import functools
import itertools
import os
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fault_clients import CONTENT, GREETING, PREFIX, RIGHT, TOLD, Server, Target, words
from fault_note import NOTES, with_table
from fault_rows import (
    ALL_SERVED,
    CALLS,
    DATAGRAMS,
    ECHO_LOOPS,
    LOOPS,
    LOST,
    NETCAT,
    NO_FILE_NOW,
    NOT_PARKED,
    ONE_EACH,
    PARKED,
    PLAIN,
    QUIET,
    RESTS,
    ROWS,
    SETUP,
    SHORTS,
    STREAMS,
    WITH_PORT,
    but,
)
from harness import PATIENCE, ROOT, Program, eventually, receive, receive_until, strace
from unix_sockets import short_directory
from wants import children, lacking, needs_descriptors, needs_hosts, open_files, proc


@pytest.mark.parametrize("language", NOTES, ids=NOTES.values())
def test_the_table_in_the_note_is_that_of_the_tests(language):
    text = (ROOT / NOTES[language]).read_text()
    assert with_table(text, language) == text, "run python3 tests/blackbox/fault_note.py"


@functools.cache
def sources(file):
    """The text of a source and of the headers that it includes."""
    text = (ROOT / file).read_text()
    included = re.findall(r'^#include "(.*)"', text, re.MULTILINE)
    return text + "".join(
        sources(os.path.relpath((ROOT / file).parent / name, ROOT)) for name in included
    )


@pytest.mark.parametrize(
    "row", [*ROWS, *SETUP, *PARKED, *SHORTS], ids=lambda row: f"{row.call}-{row.errors}"
)
def test_each_program_of_a_row_has_the_code_that_it_names(row):
    for program in row.programs:
        assert row.code in sources(program + ".cpp"), program


@pytest.fixture(scope="module")
def servers():
    """servers(PROGRAM) -> a Server, the same for all the tests that end well."""
    running = {}
    target = Target()
    with short_directory() as place:
        (place / "fichier").write_bytes(CONTENT)

        def servers(program, anew=False):
            if anew and program in running:
                kill(running.pop(program))
            if program not in running:
                running[program] = Server(program, place, target)
            return running[program]

        def kill(server):
            server.process.kill()
            server.running.wait()

        servers.place, servers.target = place, target
        yield servers
        for server in running.values():
            server.running.stop()
        for server in Server.made:  # those of tests that failed
            if server.process.poll() is None:
                kill(server)
        target.listener.close()


@pytest.fixture
def serve(servers, request):
    """As servers(PROGRAM); but after a test that fails, the next one gets another."""
    used = []

    def serve(program):
        used.append(program)
        return servers(program)

    failures = request.session.testsfailed
    yield serve
    if request.session.testsfailed > failures:
        for program in used:
            servers(program, anew=True)


# ---- The faults ----------------------------------------------------------------------------------

CLIENTS = 4
# Twice what the busiest server makes of these clients, when all goes well and a half of its calls
# is made again.
MOST_CALLS = 600

# Those whose clients share no thread that strace joins, and no room: a bystander is to notice
# nothing.
WITH_BYSTANDER = but(
    STREAMS, PLAIN, "echo/iterative", "echo/thread", "broadcast/server", "tcp/netcat"
)

CASES = [
    pytest.param(
        row, program, error, id=f"{program}-{row.call}-{error}-{number}".replace(", ", "+")
    )
    for number, row in enumerate(ROWS)
    for error in row.errors.split()
    for program in row.programs
]


def times(row, error):
    """Which calls fail: with a row's first errno all that it names; each other one, for which the
    same line of code is responsible, takes one of them in turn."""
    number = row.errors.split().index(error)
    return row.when[number % len(row.when) :][:1] if number else row.when


@pytest.mark.parametrize("row, program, error", CASES)
def test_a_fault_has_the_outcome_that_the_table_says(serve, servers, row, program, error):
    server = serve(program)
    server.row = row
    if row.outcome == QUIET:
        return ends_quietly(servers, row, error)
    # When something is short, tcp/web closes who has been silent for a second; so may the bystander
    # be on a slow machine.
    makes_room = program == "tcp/web" and row.outcome in (RESTS, NO_FILE_NOW)
    bystander = server.connect() if program in WITH_BYSTANDER and not makes_room else None
    assert server.is_served()
    for when in times(row, error):
        calls = CALLS.get(row.call, row.call)
        server.join("-e", f"inject={calls}:error={error}:when={when}")
        results = [server.talk() for _ in range(CLIENTS)]
        trace = server.leave()
        check(row, program, results, trace.count("INJECTED"))
        assert trace.count("\n") < MOST_CALLS
        assert server.is_served()
    if row.outcome == RESTS:
        assert any(line.startswith("accept: ") for line in server.running.log)
    if bystander:
        assert server.is_served(bystander)
    # tcp/netcat keeps a client that has nothing more to say until the next one comes: it might
    # still listen.
    eventually(lambda: server.descriptors() == server.at_first + (program == NETCAT))
    eventually(lambda: not children(server.pid))


def check(row, program, results, faults):
    """That the clients were served, cut short or told what the row says, and no more of them than
    there were faults."""
    assert faults > 0, "the fault was not met"
    right = RIGHT[program]
    others = [said for said, whole in results if (said, whole) != (right, True)]
    if row.outcome in ALL_SERVED:
        assert others == []
    elif row.outcome == LOST:
        pieces = [PREFIX + b"%d" % i for i in range(4)]
        assert all(
            all(b"" == piece or PREFIX + piece in pieces for piece in said.split(PREFIX))
            for said in others
        )
        assert sum(4 - said.count(PREFIX) for said in others) == faults
    else:
        assert 0 < len(others) <= faults
        told = TOLD.get((program, row.outcome))
        assert all(said == told if told else right.startswith(said) for said in others)


def ends_quietly(servers, row, error):
    server = Server(NETCAT, servers.place, servers.target)
    server.join("-e", f"inject={row.call}:error={error}:when={row.when[0]}")
    server.talk()
    assert server.running.wait() == 0
    assert len(server.running.log) == 1  # listening on


@pytest.mark.parametrize("program", LOOPS)
def test_a_wait_that_never_succeeds_is_not_a_spin_and_a_signal_ends_it(servers, program):
    server = Server(program, servers.place, servers.target)
    server.join("-e", f"inject={CALLS['poll, select']}:error=EINVAL")
    client = server.connect()
    if program in DATAGRAMS:
        client.send(b"")
    eventually(lambda: server.faults() >= 3)
    assert server.faults() < 20
    server.running.stop()


@pytest.mark.parametrize("program", but(WITH_PORT, PLAIN, *ONE_EACH))
def test_a_signal_while_it_looks_up_its_own_name_ends_it_at_once(servers, program):
    """A resolver may take half a minute. A handler that only notes the signal must not be there
    yet."""
    needs_hosts()
    under = strace("open,openat", "open,openat:signal=SIGTERM") + ["-P", "/etc/hosts"]
    server = Program(
        program, *words(program, servers.place / "x", servers.target, "localhost."), under=under
    )
    assert server.wait() == -signal.SIGTERM
    assert server.log == []


@pytest.mark.parametrize("program", ["echo/poll", "tcp/commands", "tcp/web", "tcp/forward"])
def test_a_flood_of_clients_leaves_the_others_their_turn(servers, program):
    """As many as a backlog can hold are accepted, then those who are in have their turn."""
    server = Server(program, servers.place, servers.target)
    most = min(socket.SOMAXCONN, int(proc("sys/net/core/somaxconn").read_text()))
    needs_descriptors(most)
    server.join("-e", "trace=accept," + CALLS["poll, select"])
    os.kill(server.pid, signal.SIGSTOP)
    clients = []
    for _ in range(most + 1):
        clients.append(socket.socket())
        clients[-1].setblocking(False)
        clients[-1].connect_ex(server.running.address)
    os.kill(server.pid, signal.SIGCONT)
    accepted = re.compile(r"accept\(.* = \d+$", re.MULTILINE)
    eventually(lambda: len(accepted.findall(server.trace.read_text())) == most + 1)
    turns = re.split(r"(?m)^\d+ +p?poll\(", server.leave())
    assert max(len(accepted.findall(turn)) for turn in turns) <= socket.SOMAXCONN
    for client in clients:
        client.close()
    server.running.stop()


def test_a_line_that_the_log_does_not_take_comes_with_the_next(serve):
    server = serve("unix_domain/stream_server")
    server.join("-e", "inject=write:error=EAGAIN:when=1")
    lines = len(server.running.log)
    assert server.is_served()
    assert server.is_served()
    eventually(lambda: len(server.running.log) == lines + 2)
    server.leave()


# ---- The set-up ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row, program, error",
    [
        pytest.param(row, program, error, id=f"{program}-{row.call}-{error}")
        for row in SETUP
        for error in row.errors.split()
        for program in row.programs
    ],
)
def test_what_fails_before_it_is_ready_is_one_line_and_status_1(servers, row, program, error):
    calls = CALLS.get(row.call, row.call)
    path, output = servers.place / "setup", servers.place / "output"
    under = strace(calls, f"{calls}:error={error}:when=1")
    if row.call == "write":
        under += ["-P", output]  # of two calls, write and writev, each would fail once
    with output.open("wb") as stdout:
        server = Program(program, *words(program, path, servers.target), under=under, stdout=stdout)
    assert server.wait() == 1
    (line,) = server.log
    assert line.startswith(f"{program}: {row.call}") and line.endswith(
        ": " + os.strerror(getattr(errno, error))
    )
    assert not path.exists()


# ---- The silent clients of echo/generations ------------------------------------------------------


PARKING = [(row, error) for row in PARKED for error in row.errors.split()]


@pytest.fixture(scope="module")
def parking(servers):
    """All of them at once: each waits for seconds, until its clients have been silent long
    enough."""
    with ThreadPoolExecutor(len(PARKING)) as pool:
        made = [Server("echo/generations", servers.place, servers.target) for _ in PARKING]
        yield [pool.submit(park, server, *case) for case, server in zip(PARKING, made)]


@pytest.mark.parametrize(
    "number", range(len(PARKING)), ids=[f"{row.call}-{error}" for row, error in PARKING]
)
def test_a_fault_among_the_parked(parking, number):
    """More clients than the loop keeps for itself (64) say nothing, until the fault was met, and
    then all speak."""
    parking[number].result()


def park(server, row, error):
    server.join("-e", f"inject={CALLS.get(row.call, row.call)}:error={error}:when={row.when[0]}")
    clients = [server.connect() for _ in range(70)]
    for client in clients:
        receive(client, len(GREETING))
    if row.outcome != NOT_PARKED:
        # The second is made.
        eventually(lambda: len(re.findall(r"write\(.*, 8\b", server.trace.read_text())) > 1)
    eventually(lambda: server.faults() > 0)
    for client in clients:
        client.sendall(b"un\n")
        assert receive(client, len(PREFIX) + 3) == PREFIX + b"un\n"
        client.close()
    assert server.leave().count("\n") < 2000
    assert server.is_served()
    server.running.stop()


# ---- Fewer bytes than asked for ------------------------------------------------------------------


# Strace may show a call in two parts, "<... recvfrom resumed>".
ONE_BYTE = re.compile(r"recvfrom.*\) += 1\n")


@pytest.mark.parametrize(
    "program", [program for row in SHORTS if row.call == "recv" for program in row.programs]
)
def test_what_comes_byte_by_byte_is_understood(serve, program):
    server = serve(program)
    server.join()
    count = itertools.count(1)

    def until_read():
        number = next(count)
        eventually(
            lambda: time.sleep(0.001) or len(ONE_BYTE.findall(server.trace.read_text())) >= number
        )

    assert server.talk(said=until_read) == (RIGHT[program], True)
    server.leave()


BIG = 2_000_000  # bytes
LINES_OF_BIG = BIG // 20
ASKED = {
    **dict.fromkeys(
        [*ECHO_LOOPS, "unix_domain/stream_server"],
        (b"x\n" * LINES_OF_BIG, GREETING + (PREFIX + b"x\n") * LINES_OF_BIG),
    ),
    "broadcast/server": (
        b"x\n" * LINES_OF_BIG,
        b"je suis : MOI\n" + b"Message de MOI : x\n" * LINES_OF_BIG,
    ),
    "tcp/commands": (b"fichier grand\n", b"grand %d\n" % BIG + bytes(BIG)),
    "tcp/web": (
        b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + bytes(BIG),
    ),
    "tcp/forward": (bytes(BIG), bytes(BIG)),
    "tcp/netcat": (b"", bytes(BIG)),
}


@pytest.mark.parametrize(
    "program", [program for row in SHORTS if row.call != "recv" for program in row.programs]
)
def test_what_the_socket_takes_a_part_of_arrives_whole(servers, program):
    """The server's socket has a small buffer, and the client reads nothing until a part only was
    taken."""
    (servers.place / "grand").write_bytes(bytes(BIG))
    said, expected = ASKED[program]
    server = Server(program, servers.place, servers.target)
    with server.connect() as client:
        eventually(
            lambda: server.descriptors() == server.at_first + (2 if program == "tcp/forward" else 1)
        )
        give_small_buffers(server.pid)
        server.join()
        sender = threading.Thread(target=client.sendall, args=(said,))
        if program == NETCAT:
            sender = threading.Thread(target=server.process.stdin.write, args=(expected,))
        sender.start()
        eventually(lambda: has_a_short_write(server.trace.read_text()))
        got = receive_until(client, b"\n") if program not in (NETCAT, "tcp/forward") else b""
        if program == "tcp/web":
            receive_until(client, b"\r\n\r\n")
        got += receive(client, len(expected) - len(got))
        sender.join(PATIENCE)
        server.leave()
    if program == "broadcast/server":
        expected = expected.replace(b"MOI", got[10:13])
    assert got == expected
    assert server.is_served()
    server.running.stop()


def give_small_buffers(pid):
    """To each socket that a process has: through copies of its descriptors (pidfd_getfd(2))."""
    pidfd = os.pidfd_open(pid)
    for number, file in open_files(pid).items():
        if file.startswith("socket:"):
            fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, number, 0)
            if fd == -1:
                lacking(f"takes pidfd_getfd(2): {os.strerror(ctypes.get_errno())}")
            with socket.socket(fileno=fd) as copy:
                copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    os.close(pidfd)


def has_a_short_write(trace):
    sizes = re.findall(r"(?:sendto|write)\(\d+, \".*\"\S*, (\d+)\b.* = (\d+)$", trace, re.MULTILINE)
    return any(int(taken) < int(asked) for asked, taken in sizes)
