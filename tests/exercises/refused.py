"""Change one line: a client whose target refuses is refused too, with a reset."""

import contextlib

import harness
import pytest

PROGRAMS = {"tcp/forward": "tcp/forward"}


def test_a_client_is_reset_when_its_target_refuses(start):
    forward = start("tcp/forward", f"0:127.0.0.1:{harness.free_port()}")
    try:
        got = forward.connect().socket.recv(100)
    except ConnectionResetError:  # in recv, or so soon that connect itself is told of it
        return
    pytest.fail("the client has seen " + (repr(got) if got else "an end (a FIN), as if the target had closed"))


def test_it_is_still_said_why(start):
    port = harness.free_port()
    forward = start("tcp/forward", f"0:127.0.0.1:{port}")
    with contextlib.suppress(ConnectionResetError):
        forward.connect()
    forward.logged(f"connect 127.0.0.1:{port}: Connection refused")


def test_an_end_stays_an_end(start):
    with harness.socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(harness.PATIENCE)
        client = start("tcp/forward", f"0:127.0.0.1:{target.getsockname()[1]}").connect()
        served, _ = target.accept()
        served.sendall(b"au revoir\n")
        served.close()
        client.expect("au revoir\n")
        client.expect_end()
