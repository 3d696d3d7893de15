"""tcp/netcat: both directions at once, each with its own end, whatever stands at either end."""

import fcntl
import os
import pty
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import termios
import threading
import tty
from subprocess import DEVNULL, PIPE

import pytest
from harness import (
    ROOT,
    Program,
    assert_half_closes,
    binary,
    eventually,
    free_port,
    heard_by_an_echo_server,
    is_listening,
    needs_plain_build,
    peer,
    readable,
    receive,
    receive_all,
    reset,
    run,
    sanitized,
    strace,
)
from networks import ONE_PORT, has_keepalive, with_one_port
from preload import NO_MEMORY, library
from wants import full_disk, kernel_log, memory, needs_ipv6, proc

NETCAT = "tcp/netcat"


@pytest.fixture
def netcat():
    """netcat(ARGUMENTS...) runs one with pipes for standard input and output; whatever it is up to,
    it is killed at the end of the test. No sanitizer may have had a word to say."""
    running = []

    def start(*args, **options):
        program = Program(NETCAT, *args, **{"stdin": PIPE, "stdout": PIPE, "bufsize": 0, **options})
        running.append(program)
        return program

    yield start
    for program in running:
        program.process.kill()
        program.wait()
        assert not [
            line for line in program.log if "Sanitizer" in line or "runtime error" in line
        ], program.log


@pytest.fixture
def server():
    """A listening socket on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


def accept(listener):
    connection, _ = listener.accept()
    connection.settimeout(30)
    return connection


def client_of(netcat, server, *args, **options):
    """A netcat connected to us, and our end of the connection."""
    program = netcat(*args, *server.getsockname(), **options)
    return program, accept(server)


def unread(pipe):
    """How many bytes wait in a pipe."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))[0]


def listening(netcat, *args, **options):
    """A netcat that listens on a free port."""
    program = netcat("-l", *args, "-p", 0, **options)
    program.logged("listening on ")
    return program


# ---- The conversation ----------------------------------------------------------------------------


def test_what_is_typed_goes_out_and_what_comes_in_is_shown(netcat, server):
    program, connection = client_of(netcat, server)
    program.process.stdin.write(b"aller\n")
    assert receive(connection, 6) == b"aller\n"
    connection.sendall(b"retour\n")
    assert program.process.stdout.readline() == b"retour\n"


def test_every_byte_passes_as_it_is(netcat, server):
    program, connection = client_of(netcat, server)
    every = bytes(range(256)) * 3 + b"\r\n\0 fin sans retour"
    program.process.stdin.write(every)
    assert receive(connection, len(every)) == every
    connection.sendall(every)
    assert program.process.stdout.read(len(every)) == every


@pytest.mark.parametrize(
    "words", [["-l", "-p", "PORT", "127.0.0.1"], ["-l", "-p", "PORT"], ["-l", "PORT"],
              ["-l", "127.0.0.1", "PORT"], ["-lp", "PORT"], ["127.0.0.1", "-l", "-p", "PORT"]]
)  # fmt: skip
def test_it_listens_as_the_page_and_as_the_mac_write_it(netcat, words):
    program = netcat(*[word.replace("PORT", "0") for word in words])
    assert program.address[0] == "127.0.0.1"
    with program.connect() as client:
        client.sendall(b"salut\n")
        assert program.process.stdout.readline() == b"salut\n"


def test_the_port_is_the_one_that_was_asked_for(netcat, server):
    port = server.getsockname()[1]
    server.close()
    program = netcat("-l", "-p", port)
    assert program.logged("listening on ") == f"listening on 127.0.0.1:{port}"


def test_it_speaks_ipv6(netcat):
    needs_ipv6()
    program = netcat("-l", "::1", 0)
    assert program.address[0] == "::1"
    client = netcat("::1", program.port)
    client.process.stdin.write(b"salut\n")
    assert program.process.stdout.readline() == b"salut\n"


# ---- The two ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["client", "listener"])
def test_the_end_of_standard_input_is_a_half_close(netcat, server, role):
    if role == "client":
        program, connection = client_of(netcat, server)
    else:
        program = listening(netcat)
        connection = program.connect()
    program.process.stdin.write(b"la question")
    program.process.stdin.close()
    assert receive_all(connection) == b"la question"
    connection.sendall(b"la reponse")  # long after the question has ended
    connection.close()
    assert program.process.stdout.read() == b"la reponse"
    assert program.wait() == 0


@pytest.mark.parametrize("role", ["client", "listener"])
def test_the_peers_half_close_ends_standard_output_and_not_standard_input(netcat, server, role):
    if role == "client":
        program, connection = client_of(netcat, server)
    else:
        program = listening(netcat)
        connection = program.connect()
    connection.sendall(b"tout")
    connection.shutdown(socket.SHUT_WR)
    # To its end: who reads our output need not wait for our input.
    assert program.process.stdout.read() == b"tout"
    for word in (b"encore ", b"et encore"):
        program.process.stdin.write(word)
        assert receive(connection, len(word)) == word
    assert program.process.poll() is None
    program.process.stdin.close()
    assert receive_all(connection) == b""
    assert program.wait() == 0


def test_one_socket_that_is_standard_input_and_output_is_half_closed(netcat, server):
    """As inetd and `socat EXEC:` have it."""
    ours, its = socket.socketpair()
    program, connection = client_of(netcat, server, stdin=its, stdout=its)
    its.close()
    assert_half_closes(ours, connection)
    assert program.wait() == 0


def test_nothing_is_lost_when_the_peer_has_half_closed_first_and_much_is_still_to_go(
    netcat, tmp_path
):
    big = random.randbytes(20_000_000)
    (tmp_path / "big").write_bytes(big)
    with open(tmp_path / "big", "rb") as file:
        program = listening(netcat, stdin=file)
    with program.connect(receive_buffer=4096) as client:
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == big
    assert program.wait() == 0


def test_a_blocked_standard_output_does_not_stop_standard_input(netcat, server):
    program, connection = client_of(netcat, server)
    connection.sendall(b"un peu")  # so that the pipe is full in the midst of a write
    eventually(lambda: unread(program.process.stdout) == 6)
    connection.setblocking(False)
    # Nobody reads program.process.stdout: everything on the way fills up.
    with pytest.raises(BlockingIOError):
        for _ in range(1000):
            connection.send(bytes(1 << 20))
    connection.settimeout(30)
    for _ in range(3):
        program.process.stdin.write(b"toujours la\n")
        assert receive(connection, 12) == b"toujours la\n"


def test_a_terminal_whose_other_end_hangs_does_not_stop_standard_input(netcat, server):
    """poll promises room for one byte of a terminal, and none for the line end that becomes two."""
    far, near = pty.openpty()
    program, connection = client_of(netcat, server, stdout=near)
    assert os.get_blocking(near)  # the open file that the shell shares
    os.close(near)
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        for _ in range(1000):
            connection.send(b"sept !\n" * 10_000)
    connection.settimeout(30)
    for _ in range(3):
        program.process.stdin.write(b"toujours la\n")
        assert receive(connection, 12) == b"toujours la\n"
    os.close(far)


def test_a_peer_that_does_not_read_does_not_stop_standard_output(netcat, server):
    program, connection = client_of(netcat, server)
    os.set_blocking(program.process.stdin.fileno(), False)
    # Until the pipe takes no more.
    eventually(lambda: program.process.stdin.write(bytes(1 << 20)) is None)
    connection.sendall(b"toujours la\n")
    assert program.process.stdout.readline() == b"toujours la\n"


# ---- With nc, ncat and socat, in both roles ------------------------------------------------------

PATTERN = random.Random(4).randbytes(1_000_003)
PATTERN_TWICE = PATTERN * 2
LISTENERS = {
    "netcat": [binary(NETCAT), "-l", "-p", "PORT"],
    "nc": ["nc", "-l", "-N", "127.0.0.1", "PORT"],
    "ncat": ["ncat", "-l", "127.0.0.1", "PORT"],
    "socat": ["socat", "-b65536", "-t60", "-", "TCP-LISTEN:PORT,bind=127.0.0.1,reuseaddr"],
}
CLIENTS = {
    "netcat": [binary(NETCAT), "127.0.0.1", "PORT"],
    "nc": ["nc", "-N", "127.0.0.1", "PORT"],
    "ncat": ["ncat", "127.0.0.1", "PORT"],
    "socat": ["socat", "-b65536", "-t60", "-", "TCP:127.0.0.1:PORT"],
}


def write_pattern(pipe, count):
    while count > 0:
        pipe.write(PATTERN[:count])
        count -= len(PATTERN)
    pipe.flush()


def read_pattern(pipe, count):
    """Whether the next `count` bytes are the pattern's."""
    at = 0
    while at < count and (piece := pipe.read1(min(1 << 19, count - at))):
        start = at % len(PATTERN)
        if PATTERN_TWICE[start : start + len(piece)] != piece:
            return False
        at += len(piece)
    return at == count


@pytest.mark.parametrize(
    "listener, client, mebibytes",
    [("netcat", "netcat", 128), pytest.param("netcat", "netcat", 1024, marks=pytest.mark.thorough)]
    # The peers' own speed is not what is tested.
    + [
        pytest.param(*ends, 256, marks=pytest.mark.thorough)
        for name in ("nc", "ncat", "socat")
        for ends in (("netcat", name), (name, "netcat"))
    ],
)
def test_much_in_both_directions_at_once(listener, client, mebibytes):
    for name in {listener, client} - {"netcat"}:
        peer(name)
    count = min(mebibytes, 1024 if not sanitized(NETCAT) else 64) << 20
    port = free_port()
    start = lambda words: subprocess.Popen(  # noqa: E731
        [word.replace("PORT", str(port)) for word in words], stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    ends = [start(LISTENERS[listener])]
    eventually(lambda: is_listening(port))
    ends.append(start(CLIENTS[client]))
    writers = [
        threading.Thread(target=write_pattern, args=(end.stdin, count), daemon=True) for end in ends
    ]
    right = {}
    readers = [
        threading.Thread(
            target=lambda end=end: right.setdefault(end.pid, read_pattern(end.stdout, count)),
            daemon=True,
        )
        for end in ends
    ]
    for thread in writers + readers:
        thread.start()
    # Each side's end comes when everything has arrived: `nc -l` stops at its client's end, whatever
    # it has still to send. The half-close while there is much to go is tested above.
    for thread in writers + readers:
        thread.join(60)
        assert not thread.is_alive()
    for end in ends:
        end.stdin.close()
    assert [right.get(end.pid) for end in ends] == [True, True]
    assert [end.stdout.read() for end in ends] == [b"", b""]
    assert [end.wait(30) for end in ends] == [0, 0]


# ---- One client, or several ----------------------------------------------------------------------


def test_the_second_client_waits(netcat):
    program = listening(netcat)
    with program.connect() as first, program.connect() as second:
        second.sendall(b"second\n")
        first.sendall(b"first\n")
        assert program.process.stdout.readline() == b"first\n"
        program.process.stdin.close()
        assert receive_all(first) == b""
        first.close()
        assert program.process.stdout.read() == b""
        assert program.wait() == 0


def test_with_k_the_next_client_is_served(netcat):
    program = listening(netcat, "-k", stdin=DEVNULL)
    for word in (b"un\n", b"deux\n", b"trois\n"):
        with program.connect() as client:
            client.sendall(word)
            client.shutdown(socket.SHUT_WR)
            assert program.process.stdout.readline() == word
            assert receive_all(client) == b""
    program.stop()


def test_with_k_a_client_that_has_left_makes_room_though_standard_input_has_not_ended(netcat):
    program = listening(netcat, "-k")
    with program.connect() as first:
        first.sendall(b"un\n")
        assert program.process.stdout.readline() == b"un\n"
    with program.connect() as second:
        second.sendall(b"deux\n")
        assert program.process.stdout.readline() == b"deux\n"
        program.process.stdin.write(b"pour le second\n")
        assert receive(second, 15) == b"pour le second\n"


def test_with_k_a_half_closed_client_has_all_that_was_said_before_the_next_is_served(netcat):
    """A connection that has been closed is forgotten when its peer takes nothing for some minutes."""
    said = b"".join(b"%07d\n" % i for i in range(2000))
    program = listening(netcat, "-k")
    with program.connect(receive_buffer=4096) as late:
        late.sendall(b"question\n")
        late.shutdown(socket.SHUT_WR)
        assert program.process.stdout.readline() == b"question\n"
        program.process.stdin.write(said)
        program.process.stdin.flush()
        assert receive(late, 8) == said[:8]
        with program.connect() as second:
            second.sendall(b"deux\n")
            assert not readable([program.process.stdout], 0.3)
            assert receive(late, len(said) - 8) == said[8:]
            assert program.process.stdout.readline() == b"deux\n"


def test_with_k_a_half_closed_client_is_answered_while_nobody_waits(netcat):
    program = listening(netcat, "-k")
    with program.connect() as client:
        client.sendall(b"question\n")
        client.shutdown(socket.SHUT_WR)
        assert program.process.stdout.readline() == b"question\n"
        program.process.stdin.write(b"reponse\n")
        assert receive(client, 8) == b"reponse\n"


def test_with_k_a_reset_ends_that_client_only(netcat):
    program = listening(netcat, "-k")
    first = program.connect()
    first.sendall(b"un\n")
    assert program.process.stdout.readline() == b"un\n"
    reset(first)
    program.logged("tcp/netcat: receiving: Connection reset by peer")
    with program.connect() as second:
        second.sendall(b"deux\n")
        assert program.process.stdout.readline() == b"deux\n"
    program.stop()


def test_without_memory_for_more_the_first_client_does_not_end_it(netcat):
    """Not even for a stack that grows: a program is told that by a signal."""
    needs_plain_build(NETCAT)
    program = listening(netcat, "-k")
    size = memory(program.pid, "VmSize")
    resource.prlimit(program.pid, resource.RLIMIT_AS, (size, size))
    with program.connect() as client:
        client.sendall(b"salut\n")
        assert program.process.stdout.readline() == b"salut\n"
    program.stop()


def test_fewer_descriptors_than_poll_looks_at_are_said(netcat, server):
    """It takes three, and one for the connection; poll wants more (EINVAL)."""
    few = ["sh", "-c", 'ulimit -n 5; exec "$@"', "sh"]
    ended = run(NETCAT, *server.getsockname(), under=few, stdin=DEVNULL)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "tcp/netcat: poll: Invalid argument\n"


def test_without_memory_to_say_what_failed_the_next_client_is_served(netcat, tmp_path):
    needs_plain_build(NETCAT)
    program = listening(netcat, "-k", env={"LD_PRELOAD": str(library(NO_MEMORY, tmp_path))})
    first = program.connect()
    first.sendall(b"un\n")
    assert program.process.stdout.readline() == b"un\n"
    program.process.send_signal(signal.SIGUSR1)
    reset(first)
    with program.connect() as second:
        second.sendall(b"deux\n")
        assert program.process.stdout.readline() == b"deux\n"
    program.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("busy", [False, True])
def test_a_signal_ends_a_listener_with_status_0(netcat, how, busy):
    program = listening(netcat)
    if busy:
        client = program.connect()
        client.sendall(b"la\n")
        assert program.process.stdout.readline() == b"la\n"
    program.stop(how)


def test_a_signal_ends_a_client_as_any_command(netcat, server):
    program, _connection = client_of(netcat, server)
    program.process.send_signal(signal.SIGINT)
    assert program.wait() == -signal.SIGINT


# ---- What may stand at standard input and output -------------------------------------------------


def test_standard_input_is_a_file(netcat, server):
    with open(ROOT / "Makefile", "rb") as file:
        program, connection = client_of(netcat, server, stdin=file)
    assert receive_all(connection) == (ROOT / "Makefile").read_bytes()
    connection.close()
    assert program.wait() == 0


def test_standard_input_is_dev_null(netcat, server):
    program, connection = client_of(netcat, server, stdin=DEVNULL)
    assert receive_all(connection) == b""
    connection.sendall(b"salut")
    connection.close()
    assert program.process.stdout.read() == b"salut"
    assert program.wait() == 0


def test_standard_input_is_a_terminal(netcat, server):
    ours, theirs = pty.openpty()
    program, connection = client_of(netcat, server, stdin=theirs)
    os.write(ours, b"tape\n")
    assert receive(connection, 5) == b"tape\n"
    assert os.get_blocking(theirs)  # the terminal is the shell's, too
    os.write(ours, b"\x04")  # Control-D
    assert receive_all(connection) == b""
    connection.close()
    assert program.wait() == 0
    os.close(ours), os.close(theirs)


def test_it_is_what_drives_a_terminal(netcat, server):
    """Its standard input and output are the master of a pseudo-terminal: a serial line over TCP."""
    master, serial = pty.openpty()
    tty.setraw(serial)
    program, connection = client_of(netcat, server, stdin=master, stdout=master)
    os.close(master)
    with open(serial, "r+b", buffering=0) as line:
        line.write(b"AT\r")
        assert receive(connection, 3) == b"AT\r"
        connection.sendall(b"OK\r\n")
        got = b""  # a byte at a time, as poll promises no more of a terminal
        while len(got) < 4 and readable([line]):
            got += line.read(10)
        assert got == b"OK\r\n"
    connection.close()
    program.wait()


def in_a_shell(command):
    """Runs netcat with redirections that only a shell has. Its status and its standard error."""
    result = subprocess.run(
        ["sh", "-c", f'exec "$0" {command}', binary(NETCAT)], stderr=PIPE, timeout=30
    )
    return result.returncode, result.stderr.decode()


def test_standard_input_is_closed(server):
    host, port = server.getsockname()
    answered = []

    def serve():
        with accept(server) as connection:
            answered.append(receive_all(connection))
            connection.sendall(b"salut")

    thread = threading.Thread(target=serve)
    thread.start()
    assert in_a_shell(f"{host} {port} <&- >/dev/null") == (0, "")
    thread.join()
    assert answered == [b""]


def test_standard_output_is_the_log_of_the_kernel(netcat, server):
    with kernel_log() as (kernel, records):
        program, connection = client_of(netcat, server, stdin=DEVNULL, stdout=kernel)
        said = f"netcat {program.process.pid} heard this\n".encode()
        connection.sendall(said)
        connection.close()
        assert program.wait() == 0
        assert said in records()


def test_a_closed_standard_output_ends_it_quietly(server):
    host, port = server.getsockname()
    heard = []

    def serve():
        with accept(server) as connection:
            connection.sendall(b"salut")
            try:
                heard.append(receive_all(connection))
            except ConnectionResetError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    assert in_a_shell(f"{host} {port} </dev/null >&-") == (0, "")
    thread.join()
    assert heard in ([], [b""])  # its socket did not become its standard output


def test_a_reader_that_goes_between_poll_and_write_is_no_error(netcat, server):
    program, connection = client_of(
        netcat, server, under=strace("write", "write:error=EPIPE:when=1")
    )
    connection.sendall(b"salut")
    assert program.wait() == 0
    assert program.log == []


def test_sigpipe_is_ignored(netcat):
    """It comes with EPIPE, when a peer or a reader goes between poll and write."""
    program = listening(netcat)
    status = proc(program.pid, "status").read_text()
    ignored = int(re.search(r"SigIgn:\s*(\w+)", status)[1], 16)
    assert ignored & 1 << signal.SIGPIPE - 1


@pytest.mark.parametrize("role", ["client", "listener"])
def test_it_ends_quietly_when_nobody_reads_its_output_any_more(netcat, server, role):
    if role == "client":
        program, connection = client_of(netcat, server)
    else:
        program = listening(netcat)
        connection = program.connect()
    connection.sendall(b"un\n")
    assert program.process.stdout.readline() == b"un\n"
    program.process.stdout.close()  # as `| head -1` does; standard input is still open
    assert program.wait() == 0
    assert [line for line in program.log if "listening" not in line] == []


@pytest.mark.parametrize("output", ["a pipe", "closed"])
@pytest.mark.parametrize("role", ["client", "listener"])
def test_what_is_to_be_sent_is_sent_though_nobody_reads_its_output(netcat, server, role, output, tmp_path):
    sent = random.randbytes(20_000_000)
    (tmp_path / "sent").write_bytes(sent)
    under = [] if output == "a pipe" else ["sh", "-c", '"$@" >&-', "sh"]
    with open(tmp_path / "sent", "rb") as file:
        if role == "client":
            program, connection = client_of(netcat, server, stdin=file, under=under)
        else:
            program = listening(netcat, stdin=file, under=under)
            connection = program.connect()
    program.process.stdout.close()  # as `| true` does
    assert heard_by_an_echo_server(connection) == sent
    assert program.wait() == 0
    assert [line for line in program.log if "listening" not in line] == []


def test_who_goes_on_sending_does_not_keep_it_when_nobody_reads_its_output(netcat, server):
    """As `netcat HOST PORT | head -1` in a terminal."""
    program, connection = client_of(netcat, server)
    program.process.stdout.close()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while True:
            connection.sendall(b"x" * 1000)
    assert program.wait() == 0
    assert program.log == []


def test_a_full_disk_is_one_line_and_status_1(netcat, server):
    with full_disk() as full:
        program, connection = client_of(netcat, server, stdout=full)
    connection.sendall(b"salut")
    assert program.wait() == 1
    assert program.log == ["tcp/netcat: receiving: No space left on device"]


def test_standard_input_that_cannot_be_read_is_one_line_and_status_1(netcat, server):
    directory = os.open("/", os.O_RDONLY)
    program, connection = client_of(netcat, server, stdin=directory)
    os.close(directory)
    connection.close()
    assert program.wait() == 1
    assert program.log == ["tcp/netcat: sending: Is a directory"]


# ---- What may go wrong ---------------------------------------------------------------------------


def test_a_reset_is_one_line_and_status_1(netcat, server):
    program, connection = client_of(netcat, server)
    connection.sendall(b"la\n")
    assert program.process.stdout.readline() == b"la\n"
    reset(connection)
    assert program.wait() == 1
    assert program.log == ["tcp/netcat: receiving: Connection reset by peer"]


def test_a_reset_after_the_peers_end_is_noticed_though_nothing_is_typed(netcat, server):
    program, connection = client_of(netcat, server)
    connection.close()
    assert program.process.stdout.read() == b""
    program.process.stdin.write(b"trop tard\n")
    assert program.wait() == 1
    assert program.log == ["tcp/netcat: sending: Connection reset by peer"]


def test_what_the_peer_said_before_it_hung_up_is_shown_though_it_did_not_want_our_input(
    netcat, server
):
    program, connection = client_of(netcat, server, stdin=open("/dev/zero", "rb"))
    receive(connection, 1)
    connection.sendall(b"413 trop gros\n")
    connection.close()
    assert program.process.stdout.read() == b"413 trop gros\n"
    assert program.wait() == 1


def test_what_the_peer_said_before_its_end_is_shown_though_it_has_reset_at_once(netcat, server):
    program, connection = client_of(
        netcat, server, under=strace("connect", "connect:delay_exit=300000")
    )
    connection.sendall(b"au revoir\n")
    connection.shutdown(socket.SHUT_WR)
    reset(connection)
    assert program.wait() == 1
    assert program.log == ["tcp/netcat: sending: Connection reset by peer"]
    assert program.process.stdout.read() == b"au revoir\n"


def test_what_the_peer_said_before_it_reset_at_once_is_shown(netcat, server):
    program, connection = client_of(netcat, server, under=strace("poll", "poll:delay_enter=300000"))
    connection.sendall(b"complet\n")
    reset(connection)
    assert program.process.stdout.read() == b"complet\n"
    program.wait()


def test_a_socket_option_that_is_refused_is_one_line_and_status_1(server):
    result = subprocess.run(
        [*strace("setsockopt", "setsockopt:error=ENOBUFS:when=1"), binary(NETCAT),
         *map(str, server.getsockname())], stdin=DEVNULL, capture_output=True, text=True, timeout=30,
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (
        1,
        "tcp/netcat: setsockopt: No buffer space available\n",
    )


@pytest.mark.parametrize("role", ["client", "listener"])
def test_it_has_keepalive(netcat, server, role):
    if role == "client":
        program, connection = client_of(netcat, server)
        ends = connection.getpeername()[1], server.getsockname()[1]
    else:
        program = listening(netcat)
        connection = program.connect()
        ends = program.port, connection.getsockname()[1]
    eventually(lambda: has_keepalive(*ends))


@with_one_port
def test_it_does_not_talk_to_itself():
    """The port that it connects from is the one that it connects to, and nobody listens there."""
    result = run(NETCAT, "127.0.0.1", ONE_PORT, stdin=DEVNULL)
    assert (result.returncode, result.stderr) == (
        1,
        f"tcp/netcat: connect 127.0.0.1:{ONE_PORT}: Connection refused\n",
    )


def test_a_refused_connection_is_one_line_and_status_1():
    result = run(NETCAT, "127.0.0.1", free_port())
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("tcp/netcat: connect 127.0.0.1:")
    assert result.stderr.endswith(": Connection refused\n") and result.stderr.count("\n") == 1


def test_an_unknown_host_is_one_line_and_status_1():
    result = run(NETCAT, "nowhere.invalid", 9)
    assert result.returncode == 1
    assert (
        result.stderr.startswith("tcp/netcat: nowhere.invalid: ") and result.stderr.count("\n") == 1
    )


def test_a_port_that_is_taken_is_one_line_and_status_1(server):
    host, port = server.getsockname()
    result = run(NETCAT, "-l", "-p", port, host)
    assert (result.returncode, result.stderr) == (
        1,
        f"tcp/netcat: bind {host}:{port}: Address already in use\n",
    )


def test_w_bounds_the_connect(netcat, deaf):
    program = netcat("-w", "0.3", *deaf)
    assert program.wait(10) == 1
    assert program.log == [f"tcp/netcat: connect {deaf[0]}:{deaf[1]}: Connection timed out"]


def test_w_does_not_bound_the_conversation(netcat, server):
    program, connection = client_of(netcat, server, "-w", "0.05")
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(0.1)
    connection.sendall(b"la\n")
    assert program.process.stdout.readline() == b"la\n"


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "HOST or PORT is missing"),
        (["127.0.0.1"], "HOST or PORT is missing"),
        (["-l"], "HOST or PORT is missing"),
        (["127.0.0.1", "9090", "9091"], "too many arguments"),
        (["-l", "-p", "9090", "127.0.0.1", "9091"], "too many arguments"),
        (["127.0.0.1", "http"], "bad port: http"),
        (["127.0.0.1", "65536"], "bad port: 65536"),
        (["-l", "-p", "-1"], "bad port: -1"),
        (["-p", "9090", "127.0.0.1"], "-p and -k go with -l"),
        (["-k", "127.0.0.1", "9090"], "-p and -k go with -l"),
        (["-l", "-p"], "-p wants a value"),
        (["-w", "0", "127.0.0.1", "9090"], "bad number of seconds: 0"),
        (["-w", "2s", "127.0.0.1", "9090"], "bad number of seconds: 2s"),
        (["-w", "inf", "127.0.0.1", "9090"], "bad number of seconds: inf"),
        (["-z", "127.0.0.1", "9090"], "unknown option -z"),
        (["-p", "--x", "-zq"], "unknown option -z"),
        (["127.0.0.1", "--x", "9090"], "unknown option --x"),
        (["-lkw"], "-w wants a value"),
    ],
)
def test_bad_usage_says_what_is_wrong_and_the_usage(words, complaint):
    result = run(NETCAT, *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"tcp/netcat: {complaint}\nusage: tcp/netcat ")


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_the_usage_on_standard_output(word):
    result = run(NETCAT, word)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: tcp/netcat ")


CALLS = "poll,ppoll,read,recvfrom,write,sendto,connect,accept,accept4"


@pytest.mark.parametrize(
    "fault",
    ["poll,ppoll:error=EINTR:when=1+2", "poll,ppoll:error=ENOMEM:when=2",
     "read,recvfrom:error=EINTR:when=8+2", "read,recvfrom:error=EAGAIN:when=8+3",
     "write,sendto:error=EINTR:when=1+2", "write,sendto:error=EAGAIN:when=1+3",
     "write,sendto:error=ENOBUFS:when=2", "read,recvfrom:error=ENOMEM:when=8+2",
     "connect:error=EINTR:when=1"],
)  # fmt: skip
def test_a_client_survives_what_passes(netcat, server, fault):
    program, connection = client_of(netcat, server, under=strace(CALLS, fault))
    for _ in range(5):
        program.process.stdin.write(b"aller\n")
        assert receive(connection, 6) == b"aller\n"
        connection.sendall(b"retour\n")
        assert program.process.stdout.readline() == b"retour\n"
    program.process.stdin.close()
    assert receive_all(connection) == b""
    connection.close()
    assert program.wait() == 0


@pytest.mark.parametrize(
    "fault", [f"accept,accept4:error={error}:when=1" for error in
              ("EINTR", "ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")]
)  # fmt: skip
def test_a_listener_survives_what_passes(netcat, fault):
    program = listening(netcat, under=strace(CALLS, fault))
    with program.connect() as client:
        client.sendall(b"salut\n")
        assert program.process.stdout.readline() == b"salut\n"


def test_it_does_not_spin_while_it_waits(netcat, server):
    needs_plain_build(NETCAT)
    program, connection = client_of(netcat, server)
    connection.shutdown(socket.SHUT_WR)
    assert program.process.stdout.read() == b""
    program.process.stdin.write(b"la\n")
    receive(connection, 3)
    before = program.cpu()
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(0.5)
    assert program.cpu() - before < 0.05
