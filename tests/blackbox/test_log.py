"""Whoever reads the log does not: a terminal whose other end hangs, a pipe that is full. The server
serves on, as fast as before, and ends when it is told to."""

import os
import pty
import signal
import socket
import subprocess
import time

import pytest
from harness import PATIENCE, ROOT, binary, connect, eventually, receive_all, sanitized

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
    while not line.endswith(b"\n"):
        line += os.read(read_end, 1)
    return line.decode().strip()


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
@pytest.mark.parametrize("program", TALKERS)
def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path, program, kind):
    ask, times, status = TALKERS[program]
    read_end, write_end = pty.openpty() if kind == "terminal" else os.pipe()
    path = str(tmp_path / "s")
    words = [binary(program), path if "unix" in program else "0"]
    server = subprocess.Popen(words, stderr=write_end, cwd=ROOT)
    os.close(write_end)
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
        except OSError:  # the terminal's other end is closed
            pass
        lines = said.count(b"\n")
        assert 0 < lines < times
    finally:
        server.kill()
        server.wait()
        os.close(read_end)


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
