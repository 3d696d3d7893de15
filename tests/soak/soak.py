"""make soak: more than 20,000 connections to each server, two thirds of them hostile, and nothing
is left behind.

Its name is none that pytest looks for: `make test` passes it over. ROUNDS=2 is a short one: so many
thousands.
"""

import itertools
import os
import resource
import time
from pathlib import Path

import clients
import pytest
import wants
from harness import PATIENCE, binary, needs_plain_build, sanitized
from places import PLACES
from unix_sockets import short_directory

ROUNDS = int(os.environ.get("ROUNDS", 20))
WARM_UP = 2  # thousands, of the same kind: then memory is what it is going to be
TOLERANCE = 1 << 20  # bytes more than after the warm-up: 52 for each of 20,000 connections


def at_rest(server, expected=None):
    """What it has of descriptors, threads and children: once that is as expected, or after half a
    minute."""
    deadline = time.monotonic() + PATIENCE
    thread_sanitized = b"__tsan_init" in Path(binary(server.program)).read_bytes()
    while True:
        threads = wants.threads(server.pid)
        if thread_sanitized and threads > 1:
            threads -= 1  # its own, which it starts beside the program's first
        state = {
            "descriptors": server.descriptors(),
            "threads": threads,
            "children": wants.children(server.pid),
        }
        if expected in (None, state) or time.monotonic() > deadline:
            return state
        time.sleep(0.05)


class Soaked:
    """A server after its soak, and what was measured meanwhile."""

    def __init__(self, place):
        began = time.monotonic()
        self.place = place
        self.server = place.server
        self.at_start = at_rest(self.server)
        self.soak(WARM_UP)
        self.warm = at_rest(self.server, None if place.keeps_threads else self.at_start)
        self.warm_rss = self.server.rss()
        self.soak(ROUNDS)
        self.after = at_rest(self.server, self.warm)
        self.rss = self.server.rss()
        print(
            f"\n{place.program}: {place.connections} connections",
            f"in {time.monotonic() - began:.0f} s, the slowest answer in {place.slowest:.2f} s,",
            f"{self.warm_rss >> 10} KiB, then {self.rss >> 10}",
            end=" ",
            flush=True,
        )

    def soak(self, rounds):
        try:
            self.place.soak(rounds)
        except AssertionError as failure:
            # The crowd is given up: what became of the server is seen all the same.
            self.place.crowd.failures.append(str(failure))


@pytest.fixture(scope="module", params=PLACES)
def soaked(request):
    with short_directory() as directory:
        place = PLACES[request.param](request.param, directory)
        try:
            yield Soaked(place)
        finally:
            place.close()


def test_the_well_behaved_were_answered_to_the_byte(soaked):
    assert soaked.place.crowd.failures == []
    assert soaked.place.connections >= 1000 * (ROUNDS + WARM_UP)


def test_nobody_waited_long(soaked):
    assert soaked.place.slowest < soaked.place.bound * (5 if sanitized(soaked.place.program) else 1)


def test_descriptors_threads_and_children_are_back(soaked):
    assert soaked.after == soaked.warm
    assert soaked.warm == soaked.at_start or soaked.place.keeps_threads


def test_memory_is_back(soaked):
    needs_plain_build(soaked.place.program)
    assert soaked.rss - soaked.warm_rss < TOLERANCE


def test_it_is_at_rest(soaked):
    used = soaked.server.cpu()
    time.sleep(0.5)
    assert soaked.server.cpu() - used < 0.1


def coming_and_going(place, times):
    """A shortage of descriptors or of memory for a tenth of a second, then none, again and
    again."""
    pid = place.server.pid
    for _ in range(times):
        which = place.random.choice((resource.RLIMIT_NOFILE, resource.RLIMIT_AS))
        before = resource.prlimit(pid, which)
        if which == resource.RLIMIT_NOFILE:
            at_most = place.server.descriptors() + place.random.randrange(5)
        else:
            at_most = wants.memory(pid, "VmSize") + place.random.choice((0, 1 << 16, 1 << 20))
        resource.prlimit(pid, which, (at_most, before[1]))
        yield 0.1
        resource.prlimit(pid, which, before)
        yield 0.1


def unchecked(client):
    """It may be sent away, or its connection end, while something is short."""
    try:
        yield from client
    except (OSError, AssertionError):
        pass


def test_shortages_that_come_and_go_end_nothing(soaked):
    needs_plain_build(soaked.place.program)
    place, server = soaked.place, soaked.server
    over = []

    def shortages():
        yield from coming_and_going(place, 10 * ROUNDS)
        over.append(True)

    # Who is answered 503, or whose datagram is lost, must not wait for the rest.
    patient = place.checked - {clients.half_closing}
    thousands = (place.clients(1, without=patient) for _ in iter(lambda: bool(over), True))
    crowd = map(unchecked, itertools.chain.from_iterable(thousands))
    place.run(itertools.chain([shortages()], crowd))
    assert server.process.poll() is None, server.log
    assert at_rest(server, soaked.warm) == soaked.warm
    place.run(place.clients(1))
    assert place.crowd.failures == []
    test_it_is_at_rest(soaked)


def test_a_signal_ends_it_as_ever(soaked):
    soaked.server.stop()
