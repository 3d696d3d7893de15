"""The clients of a script, each a process of its own, which `see` traces.

    python3 player.py SCRIPT.json TARGET.json REPORT.json

A step is begun when the one before it has ended, in whatever client; one that ends in & is left to
itself. What a client does is what stands in the script, one call after the other, with the plain
socket calls: it is to be looked at.
"""

import json
import os
import re
import socket
import struct
import sys
import time

QUIET = 0.2  # seconds without a byte after which nothing more is waited for
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)")
NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0"}


class BadScript(Exception):
    pass


def steps(text):
    """[(client, word, argument, whether it is waited for)] of a script."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip(" ")
        if not line or line.startswith("#"):
            continue
        client, colon, rest = line.partition(":")
        if colon and re.fullmatch(r"\w+", client) and client not in STEPS:
            line = rest.strip(" ")
        else:
            client = ""
        left = line.endswith(" &")
        word, _, argument = (line[:-2].rstrip(" ") if left else line).partition(" ")
        if word not in STEPS:
            raise BadScript(f"{number}: {word}")
        found.append((client, word, argument, not left))
    return found


def unescaped(text):
    """The bytes that a script means: \\n, \\r, \\t, \\0, \\\\, \\xNN."""
    return ESCAPE.sub(
        lambda match: (
            bytes([int(match[1][1:], 16)])
            if len(match[1]) == 3
            else NAMED.get(match[1], match[1])
        ),
        text.encode(),
    )


class Client:
    def __init__(self, target, patience):
        self.target, self.patience = target, patience
        self.socket, self.sent, self.received, self.said = None, b"", b"", []
        self.room = None  # of its buffers

    def connect(self, _=""):
        family, kind, address = self.target
        self.socket = socket.socket(getattr(socket, family), getattr(socket, kind))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(self.patience))
        for buffer in [socket.SO_RCVBUF, socket.SO_SNDBUF] if self.room else []:
            self.socket.setsockopt(socket.SOL_SOCKET, buffer, self.room)
        if kind == "SOCK_STREAM" and family != "AF_UNIX":
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(address if isinstance(address, str) else tuple(address))

    def send(self, text):
        self.give(unescaped(text))

    def times(self, text):
        count, _, what = text.partition(" ")
        self.give(unescaped(what) * int(count))

    def give(self, data):
        while data:
            count = self.socket.send(data)
            self.sent += data[:count]
            data = data[count:]

    def take(self, size, patience):
        """One recv. Returns whether something came."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(patience))
        data = self.socket.recv(size)
        self.received += data
        return data

    def recv(self, size="4096"):
        return self.take(int(size or 4096), self.patience)

    def line(self, count="1"):
        wanted = self.received.count(b"\n") + int(count or 1)
        while self.received.count(b"\n") < wanted and self.take(4096, self.patience):
            pass

    def quiet(self, seconds=""):
        while self.take(65536, float(seconds or QUIET)):
            pass

    def end(self, _=""):
        while self.take(65536, self.patience):
            pass

    def half_close(self, _=""):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self, _=""):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self, _=""):
        self.socket.close()
        self.socket = None

    def small(self, size=""):
        """Connects with buffers so small that they are soon full."""
        self.room = int(size or 4096)
        self.connect()

    def do(self, word, argument):
        if self.socket is None and word not in ("connect", "small", "close", "pause"):
            self.connect()
        try:
            getattr(self, word.replace("-", "_"))(argument)
        except BlockingIOError:
            pass  # nothing came, or nothing went, for so long
        except OSError as error:
            self.said.append(f"{word}: {error.strerror}")


STEPS = {
    *("connect", "small", "send", "times", "recv", "line", "quiet", "end"),
    *("half-close", "reset", "close", "pause"),
}


def timeval(seconds):
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))


def play(client, orders, reports):
    """One client's life: takes its steps from a pipe, and says when each has ended."""
    with open(orders) as steps_to_do:
        for line in steps_to_do:
            os.write(reports, b"+")
            client.do(*json.loads(line))
            os.write(reports, b".")
    told = {"sent": client.sent, "received": client.received}
    told = {name: data.decode("latin-1") for name, data in told.items()}
    os.write(reports, json.dumps({**told, "said": client.said}).encode() + b"\n")
    os._exit(0)


class Actor:
    """A client, as seen by who reads the script to it."""

    def __init__(self, target, patience, others):
        orders, self.orders = os.pipe()
        self.reports, reports = os.pipe()
        self.owed, self.heard = 0, b""
        self.pid = os.fork()
        if self.pid == 0:
            for other in others:
                os.close(other.orders)
            os.close(self.orders)
            play(Client(target, patience), orders, reports)
        os.close(orders)
        os.close(reports)

    def order(self, word, argument):
        self.owed += 1
        os.write(self.orders, json.dumps([word, argument]).encode() + b"\n")
        if self.owed == 1:
            os.read(self.reports, 1)  # it has begun

    def wait(self):
        """Until all its steps have ended."""
        while self.owed and (piece := os.read(self.reports, 1)):
            self.owed -= piece == b"."

    def dismiss(self):
        os.close(self.orders)
        while piece := os.read(self.reports, 1 << 16):
            self.heard += piece
        os.waitpid(self.pid, 0)
        return json.loads(self.heard.lstrip(b"+."))


def main(script_file, target_file, report_file):
    with open(script_file) as file:
        script = json.load(file)
    with open(target_file) as file:
        target, patience = json.load(file)
    actors = {}
    for client, *_ in script:
        if client not in actors:
            actors[client] = Actor(target, patience, list(actors.values()))
    with open(report_file + ".names", "w") as file:
        json.dump({name: actor.pid for name, actor in actors.items()}, file)
    for client, word, argument, waited in script:
        if word == "pause":
            time.sleep(float(argument or 0.2))
            continue
        actors[client].order(word, argument)
        if waited:
            actors[client].wait()
    for actor in actors.values():
        actor.wait()
    with open(report_file + ".part", "w") as file:
        json.dump({name: actor.dismiss() for name, actor in actors.items()}, file)
    os.rename(report_file + ".part", report_file)


if __name__ == "__main__":
    main(*sys.argv[1:])
