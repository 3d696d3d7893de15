"""Write the client of the echo server: a greeting, then a line and its answer."""

import contextlib
import os
import socket
import subprocess

import harness
import pytest
from spoken import ended, expect, say

PROGRAMS = {"echo/client": "tcp/client"}
GREETING, PREFIX = "Le serveur écoute.\n", "le serveur répond : "


@pytest.fixture
def pair():
    """pair() -> (a client that runs, our end of its connection)."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as to_close:
        listener.settimeout(harness.PATIENCE)

        def pair():
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            client = harness.Program("echo/client", *listener.getsockname(), **pipes)
            to_close.callback(client.process.kill)
            try:
                server, _ = listener.accept()
            except TimeoutError:
                why = say("it does not connect", "il ne se connecte pas")
                pytest.fail("\n".join([why, *client.log]))
            server.settimeout(harness.PATIENCE)
            to_close.callback(server.close)
            return client, server

        yield pair


def typed(client, text):
    client.process.stdin.write(text.encode())
    client.process.stdin.flush()


def shows(client, text):
    """The next line that it shows, or what it has shown of it."""
    got, screen = b"", client.process.stdout
    while not got.endswith(b"\n") and harness.readable([screen], harness.PATIENCE):
        if not (byte := os.read(screen.fileno(), 1)):
            break
        got += byte
    expect(got.decode(errors="replace"), text)


def hears(server, text):
    got = b""
    try:
        while len(got) < len(text.encode()) and (piece := server.recv(1)):
            got += piece
    except TimeoutError:
        pass
    expect(got.decode(), text)


def hears_the_end(server, before=b""):
    """A half-close; what comes before it is `before`, or nothing, which is sent back."""
    try:
        while more := server.recv(1):
            expect(more, before)
            server.sendall(more)
    except TimeoutError:
        pytest.fail(say("it sends no end (half-close) and waits",
                        "il n'envoie pas la fin (demi-fermeture), et attend"))  # fmt: skip


def ends_well(client):
    status = client.wait()
    if status != 0:
        pytest.fail("\n".join([say(f"it ends with status {status}",
                                   f"il se termine avec le code de retour {status}"), *client.log]))


def test_the_greeting_is_shown_before_anything_is_typed(pair):
    client, server = pair()
    server.sendall("Le serveur ".encode())
    server.sendall("écoute.\n".encode())
    shows(client, GREETING)


def test_a_line_is_sent_and_its_answer_shown(pair):
    client, server = pair()
    server.sendall(GREETING.encode())
    shows(client, GREETING)
    for line in ("bonjour\n", "\n", "à demain\n"):
        typed(client, line)
        hears(server, line)
        server.sendall((PREFIX + line).encode())
        shows(client, PREFIX + line)


def test_the_next_line_waits_for_the_answer_to_the_one_before(pair):
    client, server = pair()
    server.sendall(GREETING.encode())
    shows(client, GREETING)
    typed(client, "un\ndeux\n")
    hears(server, "un\n")
    server.settimeout(0.5)
    try:
        early = server.recv(100)
    except TimeoutError:
        early = b""
    server.settimeout(harness.PATIENCE)
    if early:
        pytest.fail(say(f"it has sent {early.decode()!r} before the answer to 'un\\n' came",
                        f"il a envoyé {early.decode()!r} avant d'avoir reçu la réponse à 'un\\n'"))
    server.sendall(f"{PREFIX}un\n".encode())
    shows(client, f"{PREFIX}un\n")
    hears(server, "deux\n")


def test_an_answer_may_come_in_pieces(pair):
    client, server = pair()
    server.sendall(GREETING.encode())
    typed(client, "un\n")
    hears(server, "un\n")
    for byte in f"{PREFIX}un\n".encode():
        server.sendall(bytes([byte]))
    shows(client, GREETING)
    shows(client, f"{PREFIX}un\n")


def test_the_end_of_the_input_is_a_half_close_and_the_servers_close_is_the_end(pair):
    client, server = pair()
    server.sendall(GREETING.encode())
    shows(client, GREETING)
    client.process.stdin.close()
    hears_the_end(server)
    server.sendall("au revoir\n".encode())
    server.close()
    shows(client, "au revoir\n")
    ends_well(client)


def test_a_last_line_without_its_end_has_its_answer_and_ends_the_client(pair):
    """Whether the client adds the end or not: the server adds none."""
    client, server = pair()
    server.sendall(GREETING.encode())
    shows(client, GREETING)
    typed(client, "deux")
    client.process.stdin.close()
    hears(server, "deux")
    server.sendall(f"{PREFIX}deux".encode())
    hears_the_end(server, b"\n")
    server.close()
    expect(b"".join(client.process.stdout).decode().rstrip("\n"), f"{PREFIX}deux")
    ends_well(client)


def test_where_nobody_is_it_says_so_and_ends_with_status_1():
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    said = harness.run("echo/client", *address, stdin=subprocess.DEVNULL)
    if (said.returncode, said.stderr.count("\n")) != (1, 1):
        pytest.fail(ended(said))
