"""A log: with -v forward says which connection has ended, and how many bytes it has carried each
way."""

import harness
import pytest

PROGRAMS = {"tcp/forward": "tcp/forward"}


@pytest.fixture
def target():
    with harness.socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(harness.PATIENCE)
        yield listener


def spec(target):
    return f"0:127.0.0.1:{target.getsockname()[1]}"


def accept(target):
    served, _ = target.accept()
    served.settimeout(harness.PATIENCE)
    return served


def name(client):
    return "%s:%d" % client.socket.getsockname()


def test_a_connection_is_said_when_it_opens_and_when_it_closes(start, target):
    forward = start("tcp/forward", "-v", spec(target))
    client = forward.connect()
    served = accept(target)
    forward.logged(f"open {name(client)}")
    client.send("salut\n")
    assert harness.receive(served, 6) == b"salut\n"
    served.sendall(b"bonjour\n")
    client.expect("bonjour\n")
    client.half_close()
    assert served.recv(1) == b""
    served.close()
    forward.logged(f"closed {name(client)}: 6 bytes there, 8 bytes back")


def test_it_counts_a_long_one_to_the_byte(start, target):
    forward = start("tcp/forward", "-v", spec(target))
    client = forward.connect()
    served = accept(target)
    sender = harness.threading.Thread(
        target=lambda: (served.sendall(bytes(3_000_001)), served.close())
    )
    sender.start()
    assert len(harness.receive_all(client.socket)) == 3_000_001
    sender.join(harness.PATIENCE)
    called = name(client)
    client.close()
    forward.logged(f"closed {called}: 0 bytes there, 3000001 bytes back")


def test_two_at_once_are_counted_apart(start, target):
    forward = start("tcp/forward", "-v", spec(target))
    pairs = [(forward.connect(), accept(target)) for _ in range(2)]
    for (client, served), text in zip(pairs, ("un\n", "trois\n")):
        client.send(text)
        assert harness.receive(served, len(text)) == text.encode()
    names = [name(client) for client, _ in pairs]
    for client, served in reversed(pairs):
        client.close()
        served.close()
    forward.logged(f"closed {names[0]}: 3 bytes there, 0 bytes back")
    forward.logged(f"closed {names[1]}: 6 bytes there, 0 bytes back")


REFUSED_AT_ONCE = "255.255.255.255"  # broadcast: connect knows before it has sent anything


@pytest.mark.parametrize("host", ["127.0.0.1", REFUSED_AT_ONCE])
def test_one_whose_target_cannot_be_reached_has_carried_nothing(start, host):
    forward = start("tcp/forward", "-v", f"0:{host}:{harness.free_port()}")
    client = forward.connect()
    forward.logged(f"open {name(client)}")
    forward.logged(f"closed {name(client)}: 0 bytes there, 0 bytes back")


def test_without_it_nothing_is_said(start, target):
    forward = start("tcp/forward", spec(target))
    client = forward.connect()
    served = accept(target)
    client.close()
    served.close()
    forward.process.terminate()
    forward.wait()
    assert not [line for line in forward.log if line.startswith(("open", "closed"))]
