"""What the tests of NTP share: a packet, a server that says what a test wants it to say, the
client's report."""

import os
import socket
import struct
import subprocess
import threading
import time

from harness import PATIENCE, binary

PROGRAM = "ntp/client"
UNIX = 2_208_988_800  # seconds from 1900 to 1970
LAYOUT = struct.Struct("!BBbbIIIQQQQ")
FIELDS = ("first", "stratum", "poll", "precision", "root_delay", "root_dispersion", "refid")
FIELDS += ("reference", "origin", "receive", "transmit")
ANSWER = 0o44  # leap 0, version 4, mode 4: two, three and three bits


def seconds(unix):
    """A Unix time as an NTP timestamp, its era forgotten."""
    return int((unix + UNIX) * 2**32) % 2**64


def packet(**fields):
    return LAYOUT.pack(*(fields.get(name, 0) for name in FIELDS))


def parse(request):
    return dict(zip(FIELDS, LAYOUT.unpack(request)))


def answer(request, ahead=0.0, **changes):
    """What a good server says, its clock `ahead` of ours. `changes` spoil it."""
    now = seconds(time.time() + ahead)
    good = dict(
        first=ANSWER, stratum=2, precision=-20, refid=0xC0000201, origin=parse(request)["transmit"]
    )
    return packet(**{**good, "receive": now, "transmit": now, **changes})


class FakeServer:
    """Answers request number n (from 0), which is `self.requests[n]`, with the datagrams of
    behave(request, n); it may do more by itself with self.socket and self.client, the address to
    answer to."""

    def __init__(self, behave, host="127.0.0.1", port=0):
        self.behave, self.requests, self.times = behave, [], []
        self.socket = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
        )
        self.socket.bind((host, port))
        self.host, self.port = self.socket.getsockname()[:2]
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.done.is_set():
            try:
                request, self.client = self.socket.recvfrom(2048)
            except ConnectionRefusedError:
                continue
            if self.done.is_set():
                return
            self.times.append(time.monotonic())
            self.requests.append(request)
            for datagram in self.behave(request, len(self.requests) - 1):
                self.socket.sendto(datagram, self.client)

    def close(self):
        if self.done.is_set():
            return
        self.done.set()
        self.socket.sendto(b"", (self.host, self.port))
        self.thread.join(PATIENCE)
        self.socket.close()


def ask(server, *args, host=None, under=(), env=None):
    """Runs the client against a server (anything with a host and a port), without a pause between
    samples."""
    command = [*under, binary(PROGRAM), "-i", "0", "-p", server.port, *args, host or server.host]
    # For libfaketime.
    environment = dict(os.environ, ASAN_OPTIONS="verify_asan_link_order=0", **(env or {}))
    if under:  # LeakSanitizer does not work under ptrace
        environment["ASAN_OPTIONS"] = "detect_leaks=0"
    result = subprocess.run(
        map(str, command), capture_output=True, timeout=PATIENCE, text=True, env=environment
    )
    assert "Sanitizer" not in result.stderr and "runtime error" not in result.stderr, result.stderr
    return result


def report(result):
    """The lines of a report that succeeded, as a dict."""
    assert (result.returncode, result.stderr) == (0, ""), result
    return dict(line.split(" ", 1) for line in result.stdout.splitlines())
