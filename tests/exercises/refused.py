"""Change one line: a client whose target refuses is refused too, with a reset."""

import contextlib

import harness
import pytest
from spoken import say

PROGRAMS = {"tcp/forward": "tcp/forward"}


@pytest.fixture
def closed():
    """Where nobody listens, nor will: the port is ours, so another program is not given it
    meanwhile."""
    with harness.socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


def test_a_client_is_reset_when_its_target_refuses(start, closed):
    forward = start("tcp/forward", f"0:{closed}")
    try:
        got = forward.connect().socket.recv(100)
    except ConnectionResetError:  # in recv, or so soon that connect itself is told of it
        return
    if got:
        pytest.fail(say(f"the client has received {got!r}", f"le client a reçu {got!r}"))
    pytest.fail(say("the client has seen an end (a FIN), as if the target had closed",
                    "le client a vu une fin (un FIN), comme si la cible avait fermé"))  # fmt: skip


def test_it_is_still_said_why(start, closed):
    forward = start("tcp/forward", f"0:{closed}")
    with contextlib.suppress(ConnectionResetError):
        forward.connect()
    forward.logged(f"connect {closed}: Connection refused")


def test_an_end_stays_an_end(start):
    with harness.socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(harness.PATIENCE)
        client = start("tcp/forward", f"0:127.0.0.1:{target.getsockname()[1]}").connect()
        served, _ = target.accept()
        served.sendall(b"au revoir\n")
        served.close()
        client.expect("au revoir\n")
        client.expect_end()
