"""What the tests of unix_domain/ share: a directory to bind in, sockets, a second user."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import PATIENCE, binary
from wants import AS_NOBODY, needs_root, proc

SERVERS = ["unix_domain/stream_server", "unix_domain/datagram_server", "unix_domain/fd_server"]
NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0"}  # where strace joins: it wants ptrace, too


@contextlib.contextmanager
def short_directory():
    """A directory that anybody can enter. Not pytest's, nor one in TMPDIR: its path may be too long
    for a socket (108 bytes, unix(7)), and is private."""
    with tempfile.TemporaryDirectory(prefix="socklab-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


def arguments(server, path):
    """What to start `server` with, to have it at `path`."""
    return [path, "."] if server.endswith("fd_server") else [path]


def kind(server):
    return socket.SOCK_DGRAM if "datagram" in server else socket.SOCK_STREAM


def dial(path, type=socket.SOCK_STREAM):
    """A socket connected to `path`, with a time limit on every call."""
    client = socket.socket(socket.AF_UNIX, type)
    client.settimeout(PATIENCE)
    client.connect(str(path))
    return client


def bound(path, type=socket.SOCK_STREAM):
    """A socket bound to `path`; bytes that start with a NUL are an abstract address."""
    server = socket.socket(socket.AF_UNIX, type)
    server.settimeout(PATIENCE)
    server.bind(path if isinstance(path, bytes) else str(path))
    return server


def is_listening(path):
    """Whether `path` takes connections (__SO_ACCEPTCON, 0x10000, in the flags), or datagrams (type
    2)."""
    sockets = [line.split() for line in proc("net/unix").read_text().splitlines()[1:]]
    return any(f[-1] == str(path) and (int(f[3], 16) & 0x10000 or f[4] == "0002") for f in sockets)


def is_served(server, path):
    """Whether `server` at `path` gives a right answer."""
    if server.endswith("datagram_server"):
        # An address of the kernel's choice (autobind, unix(7)).
        with bound("", socket.SOCK_DGRAM) as client:
            client.sendto(b"salut", str(path))
            return client.recv(100) == "le serveur répond : salut".encode()
    with dial(path) as client:
        if server.endswith("fd_server"):
            client.sendall(b"absent\n")
            return client.recv(100) == "erreur : absent : fichier introuvable\n".encode()
        return client.recv(100) == "Le serveur écoute.\n".encode()


def copy_for_all(program, directory):
    """The path of a copy that anybody can run: the checkout may be private."""
    copy = shutil.copy(binary(program), directory)
    os.chmod(copy, 0o755)
    return copy


def as_nobody(program, *args, reachable, **options):
    """Runs a program to its end as a second user, from a copy in `reachable`."""
    needs_root()
    copy = copy_for_all(program, reachable)
    return subprocess.run(
        [copy, *map(str, args)],
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        cwd=reachable,
        **AS_NOBODY,
        **options,
    )


def send_urgent(client, byte):
    """Sends one byte out of band (MSG_OOB); where the system cannot, the test is skipped."""
    try:
        client.send(byte, socket.MSG_OOB)
    except OSError:
        pytest.skip("no urgent bytes on Unix sockets before Linux 5.15")
