"""unix_domain/: a crowd that wants more memory than there is. Some of them are closed; nothing ends."""

import contextlib
import resource
import select

import pytest
from harness import needs_plain_build
from unix_sockets import arguments, dial, is_served
from wants import memory

STREAM, FILES = "unix_domain/stream_server", "unix_domain/fd_server"


def limit_memory(server, more):
    """Lets the server's memory grow by `more` bytes and no further; None: as it likes."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if more is not None:
        more += memory(server.pid, "VmSize")
    resource.prlimit(server.pid, resource.RLIMIT_AS, (hard if more is None else more, hard))


def saying(path, text):
    """A client that says so, if it is not closed before it has."""
    client = dial(path)
    with contextlib.suppress(ConnectionError):
        client.sendall(text)
    return client


def never_reading(path):
    """Of its answers, 22 times as long as what it says, much is to be kept."""
    return saying(path, b"\n" * 40_000)


def half_asking(path):
    """All but the end of a long name, which is to be kept."""
    return saying(path, b"x" * 4000)


def some_are_closed(crowd):
    """Waits until the server has closed one of them. Nothing is read: that would help the server."""
    poller = select.poll()
    for client in crowd:
        poller.register(client, 0)
    assert poller.poll(30_000)


@pytest.mark.parametrize(
    "program, kind, count",
    [(STREAM, never_reading, 300), (FILES, half_asking, 3000)],
    ids=["stream_server", "fd_server"],
)
def test_a_crowd_that_wants_too_much_memory_loses_some_of_its_own(
    start, place, program, kind, count
):
    needs_plain_build(program)
    server = start(program, *arguments(program, place / "s"))
    assert is_served(program, place / "s")
    limit_memory(server, 4 << 20)
    crowd = [kind(place / "s") for _ in range(count)]
    some_are_closed(crowd)
    limit_memory(server, None)
    assert is_served(program, place / "s")
    lost = sum(map(is_closed, crowd))
    assert 0 < lost < count
    for client in crowd:
        client.close()
    assert is_served(program, place / "s")


def is_closed(client):
    """Whether the server has closed: what it had sent is read first."""
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        try:
            while client.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        return True
    return False


@pytest.mark.parametrize("program", [STREAM, FILES])
def test_a_crowd_that_is_silent_may_be_closed_but_the_server_stays(start, place, program):
    """The list of clients itself has to grow."""
    needs_plain_build(program)
    server = start(program, *arguments(program, place / "s"))
    assert is_served(program, place / "s")
    limit_memory(server, 100_000)
    crowd = [dial(place / "s") for _ in range(5000)]
    some_are_closed(crowd)
    limit_memory(server, None)
    assert is_served(program, place / "s")
    assert 0 < sum(map(is_closed, crowd)) < len(crowd)
    for client in crowd:
        client.close()
