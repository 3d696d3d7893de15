"""unix_domain/stream_server and stream_client: the echo protocol over a path."""

import fcntl
import os
import pty
import re
import resource
import select
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest
from harness import (
    PATIENCE,
    Program,
    assert_half_closes,
    binary,
    eventually,
    heard_by_an_echo_server,
    needs_plain_build,
    peer,
    receive,
    receive_all,
    receive_until,
    run,
    sanitized,
    strace,
)
from unix_sockets import as_nobody, bound, dial, is_listening, send_urgent
from wants import NOBODY, cpu_time, full_disk, needs_descriptors, needs_linux, needs_namespace

SERVER, CLIENT = "unix_domain/stream_server", "unix_domain/stream_client"
GREETING = "Le serveur écoute.\n".encode()
PREFIX = "le serveur répond : ".encode()


@pytest.fixture
def server(start, place):
    """A server at place/s."""
    return start(SERVER, place / "s")


def greeted(path):
    """A connection whose greeting has been read."""
    client = dial(path)
    assert receive(client, len(GREETING)) == GREETING
    return client


def answers(path, question):
    """All that the server says to one who sends `question` and half-closes."""
    with dial(path) as client:
        sender = threading.Thread(
            target=lambda: (client.sendall(question), client.shutdown(socket.SHUT_WR))
        )
        sender.start()
        said = receive_all(client)
        sender.join()
    assert said.startswith(GREETING)
    return said[len(GREETING) :]


def echo(lines):
    return b"".join(PREFIX + line for line in lines.splitlines(keepends=True))


# ---- The server ----------------------------------------------------------------------------------


def test_a_line_of_50_mb(server, place):
    line = os.urandom(1 << 20).replace(b"\n", b" ") * 50
    assert answers(place / "s", line + b"\n") == PREFIX + line + b"\n"


def test_what_is_owed_is_delivered_to_one_who_half_closes_first_and_reads_later(server, place):
    lines = b"\n" * 16000  # the answers are 22 times as many bytes: more than the socket holds
    with dial(place / "s") as client:
        client.sendall(lines)
        client.shutdown(socket.SHUT_WR)
        # The server has seen to the first before it greets the second.
        with greeted(place / "s") as other:
            other.sendall(b"x\n")
            receive_until(other, b"\n")
        assert receive_all(client) == GREETING + PREFIX.join([b"", *[b"\n"] * 16000])


def test_a_client_that_never_reads_costs_little_and_delays_nobody(server, place):
    needs_plain_build(SERVER)
    before = server.rss()
    with greeted(place / "s") as deaf:
        deaf.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                deaf.send(b"\n" * 65536)
        with greeted(place / "s") as client:
            for _ in range(100):
                client.sendall(b"x\n")
                assert receive_until(client, b"\n") == PREFIX + b"x\n"
        assert server.rss() < before + (4 << 20)
        spent = server.cpu()
        time.sleep(0.5)  # the measure is of a time
        assert server.cpu() < spent + 0.05  # it does not spin on the one that is stuck


def test_silent_clients_keep_nobody_waiting(server, place):
    silent = [greeted(place / "s") for _ in range(100)]
    assert answers(place / "s", b"x\n") == PREFIX + b"x\n"
    for client in silent:
        client.close()


def test_a_client_that_leaves_in_mid_line_ends_nothing(server, place):
    for _ in range(50):
        client = dial(place / "s")
        client.sendall(b"half a li")
        client.close()  # the greeting unread: a reset
    assert answers(place / "s", b"x\n") == PREFIX + b"x\n"


def test_no_descriptor_is_left_after_a_thousand_clients(server, place):
    before = server.descriptors()
    for _ in range(1000):
        dial(place / "s").close()
    eventually(lambda: server.descriptors() == before)
    assert answers(place / "s", b"x\n") == PREFIX + b"x\n"


def test_thousands_of_clients_at_once(server, place):
    needs_descriptors(3000)
    clients = [greeted(place / "s") for _ in range(3000)]
    for i, client in enumerate(clients):
        client.sendall(b"%d\n" % i)
    for i, client in enumerate(clients):
        assert receive_until(client, b"\n") == PREFIX + b"%d\n" % i
        client.close()


def test_short_of_descriptors_it_rests_and_resumes(start, place):
    server = start(SERVER, place / "s", nofile=40)
    clients = [dial(place / "s") for _ in range(60)]
    server.logged("accept: Too many open files, resting")
    served = clients[0]
    assert receive(served, len(GREETING)) == GREETING
    served.sendall(b"x\n")
    assert receive_until(served, b"\n") == PREFIX + b"x\n"
    last = clients[-1]
    for client in clients[:-1]:
        client.close()
    assert receive(last, len(GREETING)) == GREETING
    assert sum("resting" in line for line in server.log) == 1


def test_short_of_descriptors_it_does_not_spin(start, place):
    needs_plain_build(SERVER)
    server = start(SERVER, place / "s", nofile=40)
    clients = [dial(place / "s") for _ in range(60)]
    server.logged("resting")
    before, since = server.cpu(), time.monotonic()
    time.sleep(1)  # the measure is of a time
    assert server.cpu() - before < 0.05 * (time.monotonic() - since)
    for client in clients:
        client.close()


def test_who_called_is_logged(server, place):
    greeted(place / "s").close()
    assert (
        server.logged("client") == f"client pid {os.getpid()}, uid {os.getuid()}, gid {os.getgid()}"
    )


def test_a_log_that_nobody_reads_any_more_does_not_end_the_server(place):
    """`stream_server PATH 2>&1 | head -1`: to log who called meets a closed pipe."""
    server = subprocess.Popen([binary(SERVER), place / "s"], stderr=subprocess.PIPE)
    assert server.stderr.readline().startswith(b"listening on ")
    server.stderr.close()
    for _ in range(2):
        assert answers(place / "s", b"x\n") == PREFIX + b"x\n"
    server.terminate()
    assert server.wait(PATIENCE) == 0


def test_a_second_user_whom_the_mode_lets_in_is_logged_as_such(server, place):
    os.chmod(place / "s", 0o666)
    ended = as_nobody(CLIENT, place / "s", reachable=place, input="salut\n")
    assert ended.stdout.encode() == GREETING + PREFIX + b"salut\n"
    assert re.fullmatch(rf"client pid \d+, uid {NOBODY}, gid {NOBODY}", server.logged("client"))


def test_descriptors_that_nobody_asked_for_are_closed(server, place):
    before = server.descriptors()
    with greeted(place / "s") as client:
        for _ in range(10):
            socket.send_fds(client, [b"x\n"], [0, 1, 2])
            assert receive_until(client, b"\n") == PREFIX + b"x\n"
        assert server.descriptors() == before + 1


def test_a_limit_lowered_below_what_it_has_is_waited_out(server, place):
    """poll says EINVAL for more descriptors than RLIMIT_NOFILE (poll(2))."""
    needs_linux(resource, "prlimit")
    clients = [greeted(place / "s") for _ in range(30)]
    limits = resource.prlimit(
        server.pid, resource.RLIMIT_NOFILE, (20, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    for client in clients[:2]:  # the first may wake a poll that began before
        client.sendall(b"x\n")
    before = server.cpu()
    time.sleep(0.5)  # the measure is of a time
    if not sanitized(SERVER):
        assert server.cpu() - before < 0.05  # it does not spin
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    for client in clients[:2]:
        assert receive_until(client, b"\n") == PREFIX + b"x\n"
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (20, limits[1]))
    server.stop()


def test_an_urgent_byte_is_a_byte(server, place):
    with dial(place / "s") as client:
        client.sendall(b"ab")
        send_urgent(client, b"!")
        client.sendall(b"cd\n")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == GREETING + PREFIX + b"ab!cd\n"


def test_it_ends_at_once_with_clients_of_every_kind(server, place):
    silent = greeted(place / "s")
    deaf = greeted(place / "s")
    deaf.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            deaf.send(b"\n" * 65536)
    server.stop()
    assert not (place / "s").exists()
    assert silent.recv(1) == b""


@pytest.mark.parametrize("command", ["nc -N -U {}", "socat -t30 - UNIX-CONNECT:{}", "ncat -U {}"])
def test_real_clients_hold_the_conversation(server, place, command):
    words = command.format(place / "s").split()
    peer(words[0])
    said = subprocess.run(
        words, input=b"salut\n\nfin", capture_output=True, timeout=PATIENCE
    ).stdout
    assert said == GREETING + echo(b"salut\n\nfin")


# ---- The client ----------------------------------------------------------------------------------


def talk(place, stdin=subprocess.PIPE, stdout=subprocess.PIPE):
    """Starts the client with pipes for its standard three. Killed when it takes too long: no test
    waits for ever."""
    client = subprocess.Popen(
        [binary(CLIENT), place / "s"], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE
    )
    timer = threading.Timer(PATIENCE, client.kill)
    timer.daemon = True
    timer.start()
    return client


def ended_well(client):
    assert client.wait(PATIENCE) == 0
    assert client.stderr.read() == b""


def test_the_client_holds_the_conversation_line_by_line(server, place):
    client = talk(place)
    assert client.stdout.readline() == GREETING
    for line in (b"un\n", b"\n", b"d\0ux\n"):
        client.stdin.write(line)
        client.stdin.flush()
        assert client.stdout.readline() == PREFIX + line
    client.stdin.close()
    ended_well(client)


def test_the_client_half_closes_and_waits_for_the_rest(place):
    with bound(place / "s") as server:
        server.listen()
        client = talk(place, stdin=subprocess.DEVNULL)
        with server.accept()[0] as connection:
            assert receive_all(connection) == b""
            connection.sendall(b"still here")
        assert client.stdout.read() == b"still here"
        ended_well(client)


def test_one_socket_that_is_the_clients_input_and_output_is_half_closed(place):
    ours, its = socket.socketpair()
    with bound(place / "s") as server:
        server.listen()
        client = talk(place, stdin=its, stdout=its)
        its.close()
        with server.accept()[0] as connection:
            assert_half_closes(ours, connection)
        ended_well(client)


def test_the_client_goes_on_sending_to_a_server_that_has_half_closed(place):
    with bound(place / "s") as server:
        server.listen()
        client = talk(place)
        with server.accept()[0] as connection:
            connection.shutdown(socket.SHUT_WR)
            assert client.stdout.read() == b""  # passed on to who reads the client
            for line in (b"un\n", b"deux\n"):
                client.stdin.write(line)
                client.stdin.flush()
                assert receive_until(connection, b"\n") == line
            client.stdin.close()
            assert receive_all(connection) == b""
        ended_well(client)


def test_the_client_ends_when_the_server_closes_while_the_user_says_nothing(place):
    with bound(place / "s") as server:
        server.listen()
        client = talk(place)
        with server.accept()[0] as connection:
            connection.sendall(b"bye\n")
        assert client.stdout.read() == b"bye\n"
        ended_well(client)


@pytest.mark.parametrize(
    "leaves, reason",
    [
        ("unread bytes", b"recv: Connection reset by peer"),
        ("no bytes", b"closed before it had read everything"),
    ],
)
def test_the_client_says_when_the_server_left_before_it_had_read_all(place, leaves, reason):
    with bound(place / "s") as server:
        server.listen()
        client = talk(place, stdin=open("/dev/zero", "rb"))
        with server.accept()[0] as connection:
            connection.sendall(b"last words\n")
            receive(connection, 1)
            if leaves == "no bytes":
                connection.shutdown(socket.SHUT_RD)  # the client's next send is EPIPE
                receive_all(connection)
        assert client.stdout.read() == b"last words\n"
        assert client.wait(PATIENCE) == 1
        assert re.fullmatch(
            rb"unix_domain/stream_client: .*" + reason + rb"\n", client.stderr.read()
        )


@pytest.mark.parametrize("size", [0, 1, 50_000_000])
def test_a_file_as_standard_input_both_ways_at_once(place, size):
    """The server sends back what it gets; the client's two directions go on at the same time."""
    sent = place / "sent"
    with open(sent, "wb") as file:
        for _ in range(size // 1000000):
            file.write(os.urandom(1000000))
        file.write(os.urandom(size % 1000000))
    with bound(place / "s") as server:
        server.listen()
        client = talk(place, stdin=open(sent, "rb"), stdout=open(place / "got", "wb"))
        with server.accept()[0] as connection:
            while piece := connection.recv(1 << 20):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        ended_well(client)
    assert subprocess.run(["cmp", sent, place / "got"]).returncode == 0


def unread(pipe):
    """How many bytes are in the pipe (FIONREAD)."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def fill_standard_output(client, connection):
    """The server sends until the client has filled its standard output, a pipe that nobody
    reads."""
    connection.sendall(b"x" * 1000)
    # From here on, what is free is no multiple of any buffer's size.
    eventually(lambda: unread(client.stdout) == 1000)
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            connection.send(b"x" * 65536)
    needs_linux(fcntl, "F_GETPIPE_SZ")
    size = fcntl.fcntl(client.stdout, fcntl.F_GETPIPE_SZ)
    eventually(lambda: unread(client.stdout) > size - select.PIPE_BUF)
    connection.settimeout(PATIENCE)


def test_the_client_reads_on_from_standard_input_while_nobody_reads_its_output(place):
    """A write of more than poll has promised would block, and stop both directions."""
    with bound(place / "s") as server:
        server.listen()
        client = talk(place)
        with server.accept()[0] as connection:
            fill_standard_output(client, connection)
            client.stdin.write(b"a line\n")
            client.stdin.flush()
            assert receive_until(connection, b"\n") == b"a line\n"
        client.kill()
        client.wait()


def test_the_client_reads_on_from_standard_input_while_its_terminal_hangs(place):
    """poll promises room for one byte of a terminal."""
    far, near = pty.openpty()
    with bound(place / "s") as server:
        server.listen()
        client = talk(place, stdout=near)
        os.close(near)
        with server.accept()[0] as connection:
            for _ in range(20):  # it may not have come to the terminal's limit yet
                connection.setblocking(False)
                with pytest.raises(BlockingIOError):
                    while True:
                        connection.send(b"sept !\n" * 100)
                connection.settimeout(PATIENCE)
                client.stdin.write(b"a line\n")
                client.stdin.flush()
                assert receive_until(connection, b"\n") == b"a line\n"
        client.kill()
        client.wait()
    os.close(far)


def test_the_client_does_not_spin_on_a_server_that_has_gone_while_nobody_reads_its_output(place):
    needs_plain_build(CLIENT)
    with bound(place / "s") as server:
        server.listen()
        client = talk(place)
        with server.accept()[0] as connection:
            fill_standard_output(client, connection)
    spent = cpu_time(client.pid)
    time.sleep(0.5)  # the measure is of a time
    assert cpu_time(client.pid) < spent + 0.05
    client.kill()
    client.wait()


def test_standard_output_is_a_file_of_the_kernel(server, place):
    """Of which poll always says POLLERR: here a network interface's other name."""
    alias = "/sys/class/net/lo/ifalias"
    script = f'mount -t sysfs sysfs /sys && "$0" "$1" > {alias} && cat {alias}'
    ended = subprocess.run(
        [*needs_namespace("--net", "--mount"), "sh", "-c", script, binary(CLIENT), place / "s"],
        input=b"salut",
        capture_output=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith(PREFIX + b"salut\n")  # what each write says replaces the last


def test_a_closed_standard_output_ends_the_client_quietly(server, place):
    client = talk(place)
    assert client.stdout.readline() == GREETING
    client.stdout.close()
    ended_well(client)  # even while the user says nothing


def test_what_the_client_has_to_say_is_said_though_nobody_reads_its_output(server, place, tmp_path):
    sent = os.urandom(20_000_000)
    (tmp_path / "sent").write_bytes(sent)
    with bound(place / "other") as listener, open(tmp_path / "sent", "rb") as file:
        listener.listen()
        words = [binary(CLIENT), str(place / "other")]
        client = subprocess.Popen(words, stdin=file, stdout=subprocess.PIPE)
        client.stdout.close()  # as `| true` does
        heard = heard_by_an_echo_server(listener.accept()[0])
    assert heard == sent
    assert client.wait(PATIENCE) == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_standard_descriptor_that_was_never_open_is_not_the_socket(server, place, closed):
    ended = subprocess.run(
        ["bash", "-c", f'echo salut | "$0" {place}/s {closed}', binary(CLIENT)],
        capture_output=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 0
    assert ended.stdout == (b"" if ">&- " in closed + " " else GREETING)
    assert server.logged("client")


def test_the_client_leaves_the_flags_of_the_standard_descriptors_alone(server, place):
    """The flags are those of what is open, not of a process: ours would change with its."""
    reading, writing = os.pipe()
    os.close(writing)
    ended = run(CLIENT, place / "s", stdin=reading)
    assert (ended.returncode, ended.stdout.encode()) == (0, GREETING)
    assert fcntl.fcntl(reading, fcntl.F_GETFL) & os.O_NONBLOCK == 0
    os.close(reading)


@pytest.mark.parametrize(
    "path, reason",
    [
        ("absent", "No such file or directory"),
        ("file", "Connection refused"),
        ("dead", "Connection refused"),
        ("datagram", "Protocol wrong type for socket"),
        ("x" * 200, "too long for a socket"),
    ],
)
def test_no_server_there_is_one_line(place, path, reason):
    (place / "file").write_text("")
    bound(place / "dead").close()
    with bound(place / "datagram", socket.SOCK_DGRAM):
        ended = run(CLIENT, place / path, stdin=subprocess.DEVNULL)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("unix_domain/stream_client: ") and reason in line


@pytest.mark.parametrize("standard", ["stdin", "stdout"])
def test_a_standard_descriptor_that_fails_is_one_line(server, place, standard):
    stuck = {
        "stdin": {"stdin": os.open("/", os.O_RDONLY)},
        "stdout": {"stdout": full_disk()},
    }
    client = talk(place, **stuck[standard])
    assert client.wait(PATIENCE) == 1
    reason = {"stdin": b"read: Is a directory", "stdout": b"write: No space left on device"}[
        standard
    ]
    assert client.stderr.read() == b"unix_domain/stream_client: " + reason + b"\n"


@pytest.mark.parametrize(
    "calls, injection",
    [
        (call, f"{call}:error={error}:when={when}")
        for call, errors in [
            ("read", ["EINTR", "EAGAIN"]),
            ("recvfrom", ["EINTR", "EAGAIN", "ENOMEM"]),
            ("sendto", ["EINTR", "EAGAIN", "ENOBUFS"]),
            ("write", ["EINTR", "EAGAIN"]),
            ("poll", ["EINTR", "ENOMEM"]),
        ]
        for error in errors
        for when in (1, 2)
    ],
    ids=lambda x: x,
)
def test_a_fault_that_passes_costs_the_client_nothing(server, place, calls, injection):
    (place / "in").write_bytes(b"un\ndeux\n")
    # Not the loader's reads.
    under = strace(calls, injection) + (["-P", place / "in"] if calls == "read" else [])
    program = Program(
        CLIENT, place / "s", under=under, stdin=open(place / "in", "rb"), stdout=subprocess.PIPE
    )
    assert program.process.stdout.read() == GREETING + echo(b"un\ndeux\n")
    assert program.wait() == 0, program.log


@pytest.mark.parametrize("command", ["nc -l -U {}", "socat UNIX-LISTEN:{} -"])
def test_the_client_talks_to_real_servers(place, command):
    words = command.format(place / "s").split()
    peer(words[0])
    server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    eventually(lambda: is_listening(place / "s"))
    client = talk(place)
    client.stdin.write(b"question\n")
    client.stdin.flush()
    assert server.stdout.readline() == b"question\n"
    server.stdin.write(b"answer\n")
    server.stdin.flush()
    assert client.stdout.readline() == b"answer\n"
    client.stdin.close()
    server.stdin.close()
    assert client.stdout.read() == b""
    ended_well(client)
    server.wait(PATIENCE)
