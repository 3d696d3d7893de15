"""accept with a time limit: netcat -l -w SECONDS gives up when no client comes."""

import subprocess
import time

import harness
import pytest
from spoken import say

PROGRAMS = {"tcp/netcat": "tcp/netcat"}
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def gives_up(netcat, soonest):
    """It ends by itself, `soonest` or more seconds after a moment, as the exercise says."""
    moment = time.monotonic()
    try:
        status = netcat.wait()
    except subprocess.TimeoutExpired:
        raise AssertionError(
            say(f"it still waits after {harness.PATIENCE:g} seconds",
                f"il attend encore après {harness.PATIENCE:g} secondes")
        ) from None  # fmt: skip
    assert time.monotonic() - moment > soonest, say(
        "it has given up too early", "il a renoncé trop tôt"
    )
    assert status == 1 and netcat.log[-1] == "tcp/netcat: accept: Connection timed out", (
        status,
        netcat.log,
    )


@pytest.fixture
def launch():
    """As `start`, for one that is to end by itself, with status 1."""
    running = []

    def launch(*args):
        netcat = harness.Program("tcp/netcat", *args, **PIPES)
        running.append(netcat.process)
        netcat.logged("listening on ")
        return netcat

    yield launch
    for process in running:
        process.kill()


def test_it_gives_up_when_nobody_comes(launch):
    gives_up(launch("-l", "-w", 0.4, "-p", 0), 0.3)


def test_who_comes_in_time_may_talk_for_longer(start):
    netcat = start("tcp/netcat", "-l", "-w", 0.4, "-p", 0, **PIPES)
    client = netcat.connect()
    time.sleep(0.8)
    client.send("toujours là\n")
    assert netcat.process.stdout.readline() == "toujours là\n".encode()
    client.half_close()
    netcat.process.stdin.close()
    assert netcat.wait() == 0


def test_with_k_each_wait_has_the_whole_time(launch):
    netcat = launch("-l", "-k", "-w", 0.4, "-p", 0)
    netcat.process.stdin.close()
    for text in (b"un\n", b"deux\n"):
        client = harness.connect(netcat.address)
        client.sendall(text)
        assert netcat.process.stdout.read(len(text)) == text
        time.sleep(0.6)
        client.close()
    gives_up(netcat, 0.3)


def test_without_w_it_waits(start):
    netcat = start("tcp/netcat", "-l", "-p", 0, **PIPES)
    time.sleep(0.5)
    assert netcat.process.poll() is None
    netcat.process.terminate()
    assert netcat.wait() == 0


def test_a_stop_is_a_stop(start):
    netcat = start("tcp/netcat", "-l", "-w", 60, "-p", 0, **PIPES)
    netcat.process.terminate()
    assert netcat.wait() == 0
