"""Thousands of clients in one epoll loop. Each is a generator that reads top to bottom as what the
client does, and yields what it waits for: `yield client, READ` (or WRITE, or both) an event; `yield
0.5` so many seconds."""

import errno
import heapq
import itertools
import select
import socket
import time

from harness import PATIENCE

READ, WRITE = select.EPOLLIN, select.EPOLLOUT


def doing(client):
    """The functions that it is in."""
    return client.__name__ + (
        " > " + doing(client.gi_yieldfrom) if client.gi_yieldfrom is not None else ""
    )


class Crowd:
    """Clients that run at once. What the well-behaved among them find wrong is in `failures`."""

    def __init__(self):
        self.epoll = select.epoll()
        self.waiting = {}  # descriptor: who waits for it
        self.sleeping = []  # (until, a number that orders those of one moment, who)
        self.numbers = itertools.count()
        self.background = set()
        self.running = 0
        self.failures = []

    def run(self, clients, at_once):
        """Runs all of them, never more than so many at once, to their end."""
        clients = iter(clients)
        progress = time.monotonic()
        while True:
            while self.running < at_once and (client := next(clients, None)) is not None:
                self.running += 1
                self.step(client)
            if self.running == 0:
                return
            now = time.monotonic()
            timeout = max(0, min(1, self.sleeping[0][0] - now)) if self.sleeping else 1
            ready = self.epoll.poll(timeout)
            for descriptor, _ in ready:
                self.epoll.unregister(descriptor)
                self.step(self.waiting.pop(descriptor))
            now = time.monotonic()
            while self.sleeping and self.sleeping[0][0] <= now:
                self.step(heapq.heappop(self.sleeping)[2])
            if ready:
                progress = now
            if now - progress > PATIENCE:
                who = {
                    doing(client)
                    for client in self.waiting.values()
                    if client not in self.background
                }
                raise AssertionError(f"nothing happens any more; there still wait: {sorted(who)}")
            assert len(self.failures) < 10, self.failures

    def accompany(self, client):
        """Lets it run beside the others, which do not wait for its end."""
        self.background.add(client)
        self.step(client)

    def dismiss(self):
        """Ends those who run beside the others."""
        for client in list(self.background):
            client.close()
            self.background.discard(client)
        self.waiting = {
            fd: client for fd, client in self.waiting.items() if client.gi_frame is not None
        }
        self.sleeping = [entry for entry in self.sleeping if entry[2].gi_frame is not None]
        heapq.heapify(self.sleeping)

    def step(self, client):
        try:
            wanted = next(client)
        except StopIteration:
            self.ended(client)
        except (AssertionError, OSError) as failure:
            self.failures.append(f"{client.__name__}: {failure!r}"[:300])
            self.ended(client)
        else:
            if isinstance(wanted, tuple):
                self.waiting[wanted[0].fileno()] = client
                self.epoll.register(wanted[0].fileno(), wanted[1])
            else:
                heapq.heappush(
                    self.sleeping, (time.monotonic() + wanted, next(self.numbers), client)
                )

    def ended(self, client):
        if client in self.background:
            self.background.discard(client)
        else:
            self.running -= 1


# ---- The calls, waiting where they would block. To be used with `yield from`.


def connected(address, receive_buffer=None):
    """A connection to (HOST, PORT), or to a path."""
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    client.setblocking(False)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    while (error := client.connect_ex(address)) in (errno.EAGAIN, errno.EADDRNOTAVAIL):
        yield 0.01  # a full backlog, of a Unix socket; every port still in TIME_WAIT
    if error not in (0, errno.EINPROGRESS):
        client.close()
        raise OSError(error, "connect")
    return client


def sending(client, bytes_):
    left = memoryview(bytes_)
    while left:
        try:
            left = left[client.send(left) :]
        except BlockingIOError:
            yield client, WRITE


def receiving(client, size=1 << 16):
    """What comes next: b"" is the end."""
    while True:
        try:
            return client.recv(size)
        except BlockingIOError:
            yield client, READ


def exchanging(client, sent, count, piece=1 << 16, pause=0):
    """Sends all of `sent` and meanwhile receives `count` bytes, fewer only if the peer ends;
    returns those. A slow reader takes a small `piece` at a time and makes a `pause` after each."""
    left = memoryview(sent)
    got = bytearray()
    while wanted := (WRITE if left else 0) | (READ if len(got) < count else 0):
        blocked = 0
        try:
            if wanted & WRITE:
                left = left[client.send(left[: 1 << 16]) :]
        except BlockingIOError:
            blocked |= WRITE
        try:
            if wanted & READ:
                came = client.recv(min(piece, count - len(got)))
                if not came:
                    break
                got += came
                if pause:
                    yield pause
        except BlockingIOError:
            blocked |= READ
        if blocked == wanted:
            yield client, blocked
    return bytes(got)


def reset(client):
    """close(2) with a linger time of zero: a RST in the place of a FIN (over a Unix socket: a
    close)."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
