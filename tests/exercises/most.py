"""A limit on connections: with -n MOST the next client waits until one has gone."""

import time

import harness
import pytest
from spoken import say

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


def talk(client, served):
    """Both ways, twice: the program has been round its loop since it was called."""
    for text in (b"un\n", b"deux\n"):
        client.socket.sendall(text)
        assert harness.receive(served, len(text)) == text
        served.sendall(text)
        client.expect(text)


def test_without_it_there_is_no_limit(start, target):
    forward = start("tcp/forward", spec(target))
    pairs = [(forward.connect(), accept(target)) for _ in range(5)]
    for pair in pairs:
        talk(*pair)


def test_one_too_many_waits_and_the_others_are_served(start, target):
    forward = start("tcp/forward", "-n", 2, spec(target))
    pairs = [(forward.connect(), accept(target)) for _ in range(2)]
    waiting = forward.connect()
    waiting.send("me voici\n")
    for pair in pairs:
        talk(*pair)
    target.setblocking(False)
    with pytest.raises(BlockingIOError):
        target.accept()
        pytest.fail(say("with -n 2 a third client was brought to the target",
                        "avec -n 2, un troisième client a atteint la cible"))  # fmt: skip


def test_who_waits_is_served_when_one_has_gone(start, target):
    forward = start("tcp/forward", "-n", 2, spec(target))
    pairs = [(forward.connect(), accept(target)) for _ in range(2)]
    waiting = forward.connect()
    waiting.send("me voici\n")
    talk(*pairs[0])
    for end in (pairs[1][0].socket, pairs[1][1]):
        end.close()
    served = accept(target)
    assert harness.receive(served, 9) == b"me voici\n"
    talk(waiting, served)
    talk(*pairs[0])


def test_who_waits_costs_nothing(start, target):
    forward = start("tcp/forward", "-n", 1, spec(target))
    pair = (forward.connect(), accept(target))
    forward.connect()
    talk(*pair)
    before = forward.cpu()
    time.sleep(0.5)
    assert forward.cpu() - before < 0.25, say(
        "it burns the processor while a client waits",
        "il occupe le processeur pendant qu'un client attend",
    )


def test_it_counts_them_all_together(start, target):
    forward = start("tcp/forward", "-n", 1, spec(target), spec(target))
    first = (forward.connect(), accept(target))
    second = harness.eventually(
        lambda: [line for line in forward.log if line.startswith("listening on ")][1:]
    )
    waiting = harness.connect(("127.0.0.1", int(second[0].rpartition(":")[2])))
    talk(*first)
    target.setblocking(False)
    with pytest.raises(BlockingIOError):
        target.accept()
        pytest.fail(
            say("with -n 1 a second client, of the other redirection, was brought to the target",
                "avec -n 1, un deuxième client, de l'autre redirection, a atteint la cible")
        )  # fmt: skip
    waiting.close()


def test_those_who_come_at_once_are_counted_too(start, target):
    forward = start("tcp/forward", "-n", 2, spec(target))
    forward.process.send_signal(harness.signal.SIGSTOP)
    clients = [forward.connect() for _ in range(5)]  # in the backlog, all of them
    for number, client in enumerate(clients):
        client.send(str(number))
    forward.process.send_signal(harness.signal.SIGCONT)
    for served in [accept(target) for _ in range(2)]:  # which is whose, the target cannot know
        talk(clients[int(served.recv(1))], served)
    target.setblocking(False)
    with pytest.raises(BlockingIOError):
        target.accept()
        pytest.fail(say("with -n 2 a third client was brought to the target",
                        "avec -n 2, un troisième client a atteint la cible"))  # fmt: skip


@pytest.mark.parametrize("most", ["0", "-1", "deux", "2x", ""])
def test_it_must_be_a_number_of_clients(most):
    result = harness.run("tcp/forward", "-n", most, "0:127.0.0.1:9")
    assert result.returncode == 2 and "usage:" in result.stderr, result.stderr
