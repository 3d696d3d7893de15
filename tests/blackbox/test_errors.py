"""What the servers do when a system call fails."""

import os
import re
import signal
import socket
import subprocess

import pytest
from harness import (
    PATIENCE,
    Program,
    binary,
    eventually,
    peer,
    receive,
    receive_until,
    sanitized,
    strace,
)
from unix_sockets import bound, dial, place  # noqa: F401

NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0"}  # it does not work under ptrace
POLL = "?poll,?ppoll,?select,?pselect6"


class Target:
    """Who tcp/forward connects to: an echo of its own kind."""


LOOPS = [
    "echo/select",
    "echo/poll",
    "echo/generations",
    "broadcast/server",
    "tcp/commands",
    "tcp/web",
    "tcp/forward",
    "tcp/netcat",
    "unix_domain/stream_server",
    "unix_domain/datagram_server",
    "unix_domain/fd_server",
]


@pytest.fixture
def serve(start, place):  # noqa: F811
    """serve(PROGRAM) -> (server, knock): the server runs; knock() is a client that asserts that it is served."""
    target = socket.create_server(("127.0.0.1", 0))
    target.settimeout(PATIENCE)

    def serve(program):
        words = {
            "tcp/netcat": ["-l", "-k", "-p", "0"],
            "tcp/forward": ["0:127.0.0.1:" + str(target.getsockname()[1])],
            "unix_domain/fd_server": [place / "s", "."],
        }.get(program, [place / "s"] if program.startswith("unix") else [0])
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} if program == "tcp/netcat" else {}
        server = start(program, *words, env=NO_LEAK_CHECK, **options)
        if program == "unix_domain/datagram_server":
            return server, lambda: datagram(place / "s")

        def knock():
            with dial(place / "s") if program.startswith("unix") else server.connect() as client:
                if program == "tcp/forward":
                    far, _ = target.accept()
                    with far:
                        far.sendall(b"loin\n")
                        assert receive(client, 5) == b"loin\n"
                    return
                if program == "tcp/netcat":
                    client.shutdown(socket.SHUT_WR)
                    assert client.recv(1) == b""
                    return
                said = {
                    "tcp/commands": b"hello\n",
                    "tcp/web": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                    "unix_domain/fd_server": b"absent\n",
                }.get(program, b"un\n")
                client.sendall(said)
                receive_until(client, b"\n")
        return server, knock

    def datagram(path):
        with bound("", socket.SOCK_DGRAM) as client:
            client.sendto(b"un", str(path))
            assert client.recv(100) == "le serveur répond : un".encode()

    with target:
        yield serve


@pytest.mark.parametrize("program", LOOPS)
def test_a_loop_goes_on_though_every_second_wait_fails(serve, program):
    server, knock = serve(program)
    server.inject(POLL, f"{POLL}:error=ENOMEM:when=2+2")
    for _ in range(3):
        knock()


@pytest.mark.parametrize("error", ["ENOMEM", "EINVAL"])
@pytest.mark.parametrize("program", LOOPS)
def test_a_wait_that_goes_on_failing_is_not_tried_without_a_rest_and_a_signal_still_ends_it(
    serve, program, error, tmp_path
):
    server, knock = serve(program)
    trace = tmp_path / "trace"
    server.inject(POLL, f"{POLL}:error={error}:when=1..100", trace)
    if program == "unix_domain/datagram_server":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"", str(server.logged("listening on ").removeprefix("listening on ")))
    else:
        path = server.log[0].removeprefix("listening on ")
        client = dial(path) if path.startswith("/") else server.connect()  # noqa: F841
    eventually(lambda: trace.read_text().count("INJECTED") >= 4)
    assert trace.read_text().count("INJECTED") < 20
    server.stop(signal.SIGTERM)


@pytest.mark.parametrize("program", ["echo/poll", "broadcast/server", "tcp/commands", "tcp/web", "tcp/forward", "tcp/netcat"])
def test_a_signal_while_it_looks_up_its_own_name_ends_it_at_once(program):
    """A resolver may take half a minute. The handler must not be there yet: it would only note the signal."""
    words = {"tcp/forward": ["localhost.:0:127.0.0.1:9"], "tcp/netcat": ["-l", "localhost", "0"]}
    under = strace("openat", "openat:signal=SIGTERM") + ["-P", "/etc/hosts"]
    server = Program(program, *words.get(program, ["-b", "localhost", "0"]), under=under)
    assert server.wait() == -signal.SIGTERM
    assert server.log == []


@pytest.mark.parametrize("program", ["echo/poll", "tcp/commands", "tcp/web", "tcp/forward"])
def test_a_flood_of_clients_leaves_the_others_their_turn(serve, program, tmp_path):
    """As many as a backlog can hold are accepted, then those who are in have their turn."""
    server, knock = serve(program)
    knock()
    trace = tmp_path / "trace"
    words = [peer("strace"), "-e", "trace=accept4," + POLL, "-o", trace, "-p", str(server.pid)]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert "attached" in tracer.stderr.readline()
    os.kill(server.pid, signal.SIGSTOP)
    clients = []
    for _ in range(socket.SOMAXCONN + 1):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(server.address)
        clients.append(client)
    os.kill(server.pid, signal.SIGCONT)
    eventually(lambda: trace.read_text().count("accept4(") > socket.SOMAXCONN + 1)
    turns = re.split(r"(?m)^(?:poll|ppoll)\(", trace.read_text())
    assert max(len(re.findall(r"accept4\(.* = \d+$", turn, re.M)) for turn in turns) == socket.SOMAXCONN
    tracer.terminate()
    tracer.wait()
    for client in clients:
        client.close()


@pytest.mark.parametrize("error", ["EINTR", "EAGAIN", "EIO", "ENOSPC"])
def test_a_line_that_the_log_does_not_take_is_not_the_last(start, place, error):  # noqa: F811
    server = start("unix_domain/stream_server", place / "s", env=NO_LEAK_CHECK)
    server.inject("write", f"write:error={error}:when=1")
    for _ in range(2):
        dial(place / "s").close()
    server.logged("client pid")
