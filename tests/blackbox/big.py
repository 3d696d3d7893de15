"""More than 32 bits count: a file of 5 GiB, and a room that has heard more than 4 GiB. `tests/portable/i686` runs it."""

import socket
import threading

import pytest
from harness import receive, receive_until

GIB = 1 << 30
END = b"the end of the file\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with a file of 5 GiB, of which the disk holds the last bytes alone."""
    with open(tmp_path / "gros", "wb") as file:
        file.seek(5 * GIB - len(END))
        file.write(END)
    return tmp_path


def receive_much(client, count):
    """Takes `count` bytes and returns the last hundred. The others are not copied (MSG_TRUNC, tcp(7))."""
    buffer = bytearray(1 << 20)
    while count > 100:
        got = client.recv_into(buffer, min(count - 100, len(buffer)), socket.MSG_TRUNC)
        assert got, f"closed, {count} bytes too early"
        count -= got
    return receive(client, count)


def test_a_file_of_5_gib_comes_whole_by_fichier(start, folder):
    with start("tcp/commands", "-d", folder, 0).connect() as client:
        client.sendall(b"fichier gros\nhello\n")
        assert receive_until(client, b"\n") == b"gros %d\n" % (5 * GIB)
        assert receive_much(client, 5 * GIB).endswith(END)
        assert receive_until(client, b"\n") == b"hello\n"


def test_a_file_of_5_gib_comes_whole_by_http(start, folder):
    with start("tcp/web", "-d", folder, 0).connect() as client:
        client.sendall(b"GET /static/gros HTTP/1.1\r\nHost: x\r\n\r\n")
        head = receive_until(client, b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and b"Content-Length: %d\r\n" % (5 * GIB) in head
        assert receive_much(client, 5 * GIB).endswith(END)


def test_a_room_that_has_heard_over_4_gib_goes_on(start):
    server = start("broadcast/server")
    with server.connect() as talker:
        name = receive_until(talker, b"\n").removeprefix("je suis : ".encode()).strip()
        prefix = b"Message de " + name + b" : "
        line = 60_000 * b"x" + b"\n"
        times = (4 * GIB + (64 << 20)) // len(line)

        def talk():
            for _ in range(times):
                talker.sendall(line)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        assert receive_much(talker, times * (len(prefix) + len(line))).endswith(b"x\n")
        thread.join()
        with server.connect() as newcomer:
            receive_until(newcomer, b"\n")
            receive_until(talker, b"\n")
            talker.sendall(b"encore\n")
            assert receive_until(newcomer, b"\n") == prefix + b"encore\n"
            assert receive_until(talker, b"\n") == prefix + b"encore\n"
