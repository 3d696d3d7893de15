"""Whoever reads the log does not: a terminal whose other end hangs, a pipe that is full. The server
serves on, as fast as before, and ends when it is told to."""

import contextlib
import os
import pty
import re
import resource
import shlex
import signal
import socket
import subprocess
import threading
import time
import tty

import pytest
from harness import (
    PATIENCE,
    ROOT,
    binary,
    connect,
    eventually,
    free_port,
    is_listening,
    readable,
    receive_all,
    sanitized,
)
from unix_sockets import copy_for_all
from wants import AS_NOBODY, kernel_log, needs_root

LONG = b"x" * 3000


def ask_web(address):
    """A request with a long target: its line in the log is as long."""
    with connect(address) as client:
        client.sendall(b"GET /" + LONG + b" HTTP/1.0\r\n\r\n")
        assert receive_all(client).startswith(b"HTTP/1.1 404 ")


def ask_echo(address):
    """A conversation."""
    with connect(address) as client:
        client.sendall(b"bonjour\n")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client).endswith(b"bonjour\n")


def ask_path(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(path)
        client.sendall(b"bonjour\n")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client).endswith("le serveur répond : bonjour\n".encode())


# Each with a way to make it log, how often (the terminal or the pipe takes 64 KiB at most), and how
# it ends at SIGTERM.
TALKERS = {
    "tcp/web": (ask_web, 60, 0),
    "tcp/server": (ask_echo, 6000, -signal.SIGTERM),
    "unix_domain/stream_server": (ask_path, 4000, 0),
}


def first_line(read_end):
    line = b""
    with open(read_end, "rb", buffering=0, closefd=False) as end:
        while not line.endswith(b"\n"):
            assert readable([end]), line
            line += end.read(1)
    return line.decode().strip()


def read_all(read_end):
    with contextlib.suppress(OSError):  # EIO: the terminal's other end is closed
        while os.read(read_end, 1 << 16):
            pass


CASES = [
    *[(program, kind) for program in TALKERS for kind in ("terminal", "pipe", "socket")],
    ("tcp/web", "terminal of another"),
    ("tcp/server", "pipe of another"),
    ("tcp/server", "terminal of another"),
    *[(program, "master") for program in TALKERS],
]


def two_ends(kind):
    """Descriptors of what a log is written to, and read from by whoever reads it: (read, write).
    What Node.js gives its children for a pipe is a socket. A program may be given the master of a
    pseudo-terminal, too: whoever reads is at its other end then."""
    if kind == "master":
        master, terminal = pty.openpty()
        tty.setraw(terminal)
        return terminal, master
    if "socket" in kind:
        return [end.detach() for end in socket.socketpair()]
    return os.pipe() if "pipe" in kind else pty.openpty()


@pytest.mark.parametrize("blocked", [[], [signal.SIGALRM]], ids=["plain", "SIGALRM blocked"])
def test_a_log_with_less_room_than_poll_promises_holds_nobody_up(blocked):
    """It cannot be opened anew, and goes on blocking; with many lines at once, a write would wait."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    port = free_port()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        server = subprocess.Popen([binary("tcp/web"), str(port)], stderr=theirs, cwd=ROOT)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        eventually(lambda: is_listening(port))  # its first line is there, unread
        with ours, connect(("127.0.0.1", port)) as client:
            for _ in range(50):
                client.sendall(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % LONG * 8)
                answers = b""
                while answers.count(b"HTTP/1.1 404 ") < 8:
                    answers += client.recv(1 << 16)
        server.terminate()
        assert server.wait(10 if sanitized("tcp/web") else 1) == 0
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("program", ["tcp/server", "echo/poll"])
def test_a_log_waits_for_the_reader_that_a_fifo_is_to_have(tmp_path, program):
    """Until then the server's own descriptor, open for reading and writing, is all that keeps it."""
    fifo, port = tmp_path / "fifo", free_port()
    os.mkfifo(fifo)
    with open(fifo, "r+b", buffering=0) as both:
        server = subprocess.Popen([binary(program), str(port)], stderr=both, cwd=ROOT)
    try:
        eventually(lambda: is_listening(port))
        ask_echo(("127.0.0.1", port))
        with open(fifo, "rb", buffering=0) as reader:
            assert first_line(reader.fileno()) == f"listening on 127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_a_line_for_the_terminal_does_not_stop_a_server_in_its_background():
    """After `stty tostop` SIGTTOU stops who writes to the terminal from there."""
    shell, terminal = pty.fork()
    if shell == 0:
        os.execvp("bash", ["bash", "--norc", "-i"])
    port = free_port()
    try:
        os.write(terminal, f"stty tostop; {shlex.quote(binary('echo/poll'))} {port} &\n".encode())
        eventually(lambda: is_listening(port))
        ask_echo(("127.0.0.1", port))
    finally:
        os.write(terminal, b"kill -KILL %1; exit\n")
        os.close(terminal)
        os.waitpid(shell, 0)


@pytest.mark.parametrize("program, kind", CASES)
def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path, place, program, kind):
    ask, times, status = TALKERS[program]
    read_end, write_end = two_ends(kind)
    path = str(tmp_path / "s")
    words = [binary(program), path if "unix" in program else "0"]
    who = {}
    if "of another" in kind:  # as after su: it is open already, and cannot be opened again
        needs_root()
        os.fchmod(write_end, 0o600)
        words[0] = copy_for_all(program, place)
        who = AS_NOBODY
    server = subprocess.Popen(words, stderr=write_end, cwd=ROOT, **who)
    try:
        where = first_line(read_end).removeprefix("listening on ")
        host, _, port = where.rpartition(":")
        address = path if "unix" in program else (host, int(port))
        for _ in range(times):
            ask(address)
        server.terminate()
        assert server.wait(10 if sanitized(program) else 1) == status
        # It had logged, and had to lose some of it, or this was no test.
        os.set_blocking(read_end, False)
        said = b""
        try:
            while piece := os.read(read_end, 1 << 16):
                said += piece
        except BlockingIOError:
            pass
        lines = said.count(b"\n")
        assert 0 < lines < times
    finally:
        server.kill()
        server.wait()
        os.close(read_end)
        os.close(write_end)  # only now: what waits behind a closed master can no more be read


def test_a_terminal_of_another_costs_the_clients_little_time(place):
    """It takes a byte at a time, and there are 800,000."""
    needs_root()
    read_end, write_end = pty.openpty()
    os.fchmod(write_end, 0o600)
    words = [copy_for_all("tcp/web", place), "-d", "/", "0"]
    server = subprocess.Popen(words, stderr=write_end, cwd="/", **AS_NOBODY)
    os.close(write_end)
    reader = threading.Thread(target=read_all, args=[read_end])
    try:
        host, _, port = first_line(read_end).removeprefix("listening on ").rpartition(":")
        reader.start()
        clients = [connect((host, int(port))) for _ in range(100)]
        for client in clients:
            client.sendall((b"GET /" + b"x" * 1000 + b" HTTP/1.1\r\nHost: a\r\n\r\n") * 8)
        for client in clients:
            assert client.recv(13) == b"HTTP/1.1 404 "
            client.close()
        server.terminate()
        assert server.wait(10 if sanitized("tcp/web") else 1) == 0
    finally:
        server.kill()
        server.wait()
        reader.join()
        os.close(read_end)


def test_a_reader_that_is_always_a_little_late_has_every_line():
    """The log has never nothing left to write, and never much."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    server = subprocess.Popen([binary("tcp/web"), "0"], stderr=write_end, cwd=ROOT)
    os.close(write_end)
    try:
        said = b""

        def read(size):
            nonlocal said
            with contextlib.suppress(BlockingIOError):
                said += os.read(read_end, size)

        eventually(lambda: read(100) or said.endswith(b"\n"))
        address = "127.0.0.1", int(said.rpartition(b":")[2])
        with connect(address) as client:
            for number in range(3000):
                client.sendall(b"GET /%08d%b HTTP/1.1\r\nHost: a\r\n\r\n" % (number, b"x" * 1000))
                answer = b""
                while not answer.endswith(b"</a></p>\n"):
                    answer += client.recv(1 << 16)
                if number >= 200:  # 200 lines fill the pipe, and others wait for room in it
                    read(len(b"127.0.0.1:50000 GET /") + 1000)
        eventually(lambda: read(1 << 16) or b" GET /%08d" % 2999 in said)
    finally:
        server.kill()
        server.wait()
        os.close(read_end)
    assert re.findall(rb" GET /(\d{8})", said) == [b"%08d" % number for number in range(3000)]


def test_a_log_may_be_the_kernels():
    """As in the scripts of a machine that is only starting."""
    port = f"no such port {os.getpid()}"
    with kernel_log() as (kernel, records):
        status = subprocess.run([binary("echo/poll"), port], stderr=kernel, timeout=30).returncode
        assert f"echo/poll: bad port: {port}".encode() in records()
    assert status == 2


def test_a_terminal_that_was_opened_as_dev_tty_stays_the_one_it_was():
    """`exec 3>/dev/tty`, and a program that has another terminal (script, su --pty): by the same
    name it would open that one."""
    outer, log = pty.fork()
    if outer == 0:  # leads a session with a terminal, of which /dev/tty is another name
        terminal = os.open("/dev/tty", os.O_WRONLY)
        inner, other = pty.fork()
        if inner == 0:
            os.dup2(terminal, 2)
            os.execv(binary("echo/poll"), [binary("echo/poll"), "0"])
        read_all(other)
        os._exit(0)
    try:
        assert first_line(log).startswith("listening on ")
    finally:
        os.close(log)  # both are hung up on
        os.waitpid(outer, 0)


@pytest.mark.parametrize("program", ["tcp/server", "echo/iterative"])
@pytest.mark.parametrize("kind", ["terminal", "pipe", "socket"])
def test_what_a_log_is_written_to_stays_as_it_is_for_others(program, kind):
    """They go on blocking there, and hear that the reader has gone; and to a server that leads a
    session it is no terminal that could hang up on it."""
    read_end, write_end = two_ends(kind)
    words = [binary(program), "0"]
    server = subprocess.Popen(words, stderr=write_end, cwd=ROOT, start_new_session=True)
    try:
        port = int(first_line(read_end).rpartition(":")[2])
        ask_echo(("127.0.0.1", port))
        assert os.get_blocking(write_end)
        os.close(read_end)
        if kind != "terminal":
            with pytest.raises(BrokenPipeError):
                os.write(write_end, b"x")
        ask_echo(("127.0.0.1", port))
    finally:
        server.kill()
        server.wait()
        os.close(write_end)


@pytest.mark.parametrize("program", ["tcp/web", "tcp/server"])
def test_a_log_that_has_come_to_its_limit_ends_nobody(tmp_path, program):
    """A file may be no longer than `ulimit -f` says."""
    ask, _, _ = TALKERS[program]
    with open(tmp_path / "log", "w+") as log:
        server = subprocess.Popen([binary(program), "0"], stderr=log, cwd=ROOT)
        try:
            eventually(lambda: "\n" in (tmp_path / "log").read_text())
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (128, resource.RLIM_INFINITY))
            port = int((tmp_path / "log").read_text().rpartition(":")[2])
            for _ in range(10):
                ask(("127.0.0.1", port))
            assert (tmp_path / "log").stat().st_size == 128
        finally:
            server.kill()
            server.wait()


@pytest.mark.parametrize("program", ["tcp/client", "tcp/netcat", "tcp/lookup"])
def test_an_output_that_has_come_to_its_limit_is_one_line_and_status_1(tmp_path, program):
    """A call that fails (EFBIG), and not a signal that ends the program without a word."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    with socket.create_server(("127.0.0.1", 0)) as server, open(tmp_path / "out", "w") as out:
        words = ["127.0.0.1", str(server.getsockname()[1])]
        client = subprocess.Popen([binary(program), *words[: 1 if "lookup" in program else 2]],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                                  text=True, preexec_fn=limit)  # fmt: skip
        if "lookup" not in program:
            with server.accept()[0] as connection:
                connection.sendall(b"salut")
        said = client.communicate(timeout=PATIENCE)[1]
    assert client.returncode == 1
    assert re.fullmatch(program + r": \w+: File too large\n", said)


def test_a_log_that_is_read_again_goes_on(tmp_path):
    read_end, write_end = os.pipe()
    server = subprocess.Popen([binary("tcp/web"), "0"], stderr=write_end, cwd=ROOT)
    os.close(write_end)
    try:
        host, _, port = first_line(read_end).removeprefix("listening on ").rpartition(":")
        for _ in range(60):
            ask_web((host, int(port)))
        os.set_blocking(read_end, False)

        def read_some():
            try:
                return os.read(read_end, 1 << 16)
            except BlockingIOError:
                return b""

        eventually(lambda: not read_some())  # what was waiting has come
        ask_web((host, int(port)))
        line = b""
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in line and time.monotonic() < deadline:
            line += read_some()
        assert b" GET /xxx" in line
    finally:
        server.kill()
        server.wait()
        os.close(read_end)


def test_the_terminal_of_the_shell_goes_on_blocking(tmp_path):
    """O_NONBLOCK belongs to the open file: the one that the shell shares must not get it."""
    shells, own = pty.openpty()
    server = subprocess.Popen([binary("echo/poll"), "0"], stderr=own, cwd=ROOT)
    try:
        first_line(shells)
        assert os.get_blocking(own)
    finally:
        server.kill()
        server.wait()
        os.close(shells)
        os.close(own)
