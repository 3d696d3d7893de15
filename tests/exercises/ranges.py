"""An argument: probe takes ranges of ports, 9090-9099."""

import contextlib
import random
import socket

import harness
import pytest
from spoken import say

PROGRAMS = {"tcp/probe": "tcp/probe"}


@pytest.fixture
def three():
    """Three ports in a row; on the one in the middle somebody listens. Below 32768: no port that is
    given to anyone."""
    for port in random.sample(range(10_000, 30_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            if not harness.is_listening(port) and not harness.is_listening(port + 2):
                yield port, port + 1, port + 2
                return
    pytest.fail(say("no three ports in a row are free", "aucune suite de trois ports n'est libre"))


def lines(*verdicts):
    return "".join(f"127.0.0.1:{port} {verdict}\n" for port, verdict in verdicts)


def test_a_range_is_all_its_ports_in_order(three):
    result = harness.run("tcp/probe", "127.0.0.1", f"{three[0]}-{three[2]}")
    assert result.stdout == lines((three[0], "closed"), (three[1], "open"), (three[2], "closed"))
    assert result.returncode == 1


def test_ranges_and_ports_stand_side_by_side(three):
    result = harness.run("tcp/probe", "127.0.0.1", three[2], f"{three[0]}-{three[1]}")
    assert result.stdout == lines((three[2], "closed"), (three[0], "closed"), (three[1], "open"))


def test_a_range_may_be_one_port(three):
    result = harness.run("tcp/probe", "127.0.0.1", f"{three[1]}-{three[1]}")
    assert result.stdout == lines((three[1], "open"))
    assert result.returncode == 0


def test_the_last_port_has_no_next_one():
    result = harness.run("tcp/probe", "127.0.0.1", "65534-65535")
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "127.0.0.1:65534",
        "127.0.0.1:65535",
    ]


@pytest.mark.parametrize(
    "text", ["9-5", "5-", "1-65536", "1-2-3", "a-b", "1 - 2", "1-0x5", "70000", ""]
)
def test_what_is_no_range_is_bad_usage(text):
    result = harness.run("tcp/probe", "127.0.0.1", text)
    assert result.returncode == 2 and f"bad port: {text}\n" in result.stderr, result.stderr
