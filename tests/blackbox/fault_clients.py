"""What the clients of test_errors.py say to each server, what they are to hear, and a server that
strace can join."""

import contextlib
import itertools
import os
import re
import socket
import subprocess
import threading
from pathlib import Path

from fault_rows import (
    CALLS,
    DATAGRAMS,
    ECHO_LOOPS,
    FILES,
    LOST,
    NETCAT,
    NO_FILE,
    NO_FILE_500,
    NO_FILE_NOW,
    NO_ROOM,
    ONE_EACH,
    PLAIN,
)
from harness import Program, eventually, peer, readable, receive_all
from unix_sockets import bound, dial
from wants import children, proc

NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0"}  # it does not work under ptrace

GREETING = "Le serveur écoute.\n".encode()
PREFIX = "le serveur répond : ".encode()
FULL = b"serveur complet\n"
LINES = [b"un\n", b"deux\n", b"trois\n"]
CONTENT = bytes(range(256)) * 400  # of the file; more than one pread
NOT_FOUND = "erreur : fichier : fichier introuvable\n".encode()
FULL_FOR_FILES = "erreur : fichier : serveur complet\n".encode()


class Cut(Exception):
    """The connection has ended before the conversation had."""


class Heard:
    """A connection, and all that came of it."""

    def __init__(self, client, said=None):
        self.client = client
        self.said = said  # what it does after each byte that it sends; None: it sends all at once
        self.got = bytearray()

    def say(self, text):
        try:
            if not self.said:
                self.client.sendall(text)
            for i in range(len(text) if self.said else 0):
                self.client.sendall(text[i : i + 1])
                self.said()
        except OSError as error:
            raise Cut from error

    def take(self, count):
        piece = bytearray()
        while len(piece) < count:
            try:
                more = self.client.recv(count - len(piece))
            except ConnectionError as error:
                raise Cut from error
            if not more:
                raise Cut
            piece += more
            self.got += more
        return bytes(piece)

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.take(1)
        return line

    def end(self):
        """Half-closes, and hears the rest."""
        try:
            self.client.shutdown(socket.SHUT_WR)
            self.got += receive_all(self.client)
        except OSError as error:
            raise Cut from error


def echo(heard, _):
    heard.line()
    for line in LINES:
        heard.say(line)
        heard.line()
    heard.end()


def broadcast(heard, _):
    name = heard.line()[-4:-1]
    try:
        for line in LINES:
            heard.say(line)
            heard.line()
        heard.end()
    finally:
        heard.got[:] = re.sub(rb"((?:je suis :|Message de) )" + name, rb"\1MOI", heard.got)


def commands(heard, _):
    for line in (b"hello\n", b"fichier fichier\n", b"hello\n"):
        heard.say(line)
        answer = heard.line()
        if answer.startswith(b"fichier "):
            heard.take(int(answer.split()[1]))
    heard.end()


def web(heard, _):
    for path in (b"/", b"/static/fichier", b"/"):
        heard.say(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        before, head = len(heard.got), b""
        try:
            while not head.endswith(b"\r\n\r\n"):
                head += heard.take(1)
        finally:  # of a head, the status is enough
            heard.got[before:] = head.split()[1] + b"\n" if head.endswith(b"\r\n\r\n") else b""
        body = heard.take(int(re.search(rb"Content-Length: (\d+)", head)[1]))
        if b" 200 " not in head:
            del heard.got[-len(body) :]
    heard.end()


def forward(heard, _):
    for line in LINES:
        heard.say(line)
        heard.line()
    heard.end()


def netcat(heard, server):
    """Each line is typed once: what the one before has left on its way is known by its number."""

    def passed(line, source, take):
        while True:
            ready = readable([source, heard.client])
            assert ready, "nothing comes"
            if source in ready:
                if (got := take()) == line:
                    return
                if not got:  # the end of the screen: the program has ended
                    raise Cut
                assert got < line, f"{got!r} after {line!r}"
            elif heard.client.recv(1 << 16) == b"":  # typed for the one before
                raise Cut

    keyboard, screen = server.process.stdin, server.process.stdout
    try:
        for said in LINES:
            server.typed = getattr(server, "typed", 10000) + 1
            heard.say(b"%d\n" % server.typed)
            passed(b"%d\n" % server.typed, screen, screen.readline)
            keyboard.write(b"%d\n" % server.typed)
            passed(b"%d\n" % server.typed, heard.client, heard.line)
            heard.got[:] = heard.got[: heard.got.rfind(b"!") + 1] + said.replace(b"\n", b"!")
    except ConnectionError as error:
        raise Cut from error


def descriptor(heard, _):
    heard.say(b"fichier\n")
    try:
        said, descriptors, _, _ = socket.recv_fds(heard.client, 4096, 1)
    except ConnectionError as error:
        raise Cut from error
    heard.got += said
    for fd in descriptors:
        with open(fd, "rb") as file:
            heard.got[:] = file.read()
    if not said:
        raise Cut
    heard.end()


def datagrams(heard, server):
    """Four of them. An answer that does not come is known by the fault that was met in its
    place."""
    for i in range(4):
        before = server.faults()
        heard.client.send(b"%d" % i)
        eventually(lambda: readable([heard.client], 0.001) or server.faults() > before)
        if server.faults() == before or server.row.outcome != LOST:
            heard.got += heard.client.recv(100)
    if len(heard.got) < len(RIGHT[server.program]):
        raise Cut


ECHOED = GREETING + b"".join(PREFIX + line for line in LINES)
TALK = {
    **dict.fromkeys([*ONE_EACH, *ECHO_LOOPS, "unix_domain/stream_server"], echo),
    "broadcast/server": broadcast,
    "tcp/commands": commands,
    "tcp/web": web,
    **dict.fromkeys([PLAIN, "tcp/forward"], forward),
    "tcp/netcat": netcat,
    "unix_domain/fd_server": descriptor,
    **dict.fromkeys(DATAGRAMS, datagrams),
}
RIGHT = {
    **dict.fromkeys([*ONE_EACH, *ECHO_LOOPS, "unix_domain/stream_server"], ECHOED),
    "broadcast/server": b"je suis : MOI\n"
    + b"".join(b"Message de MOI : " + line for line in LINES),
    "tcp/commands": b"hello\nfichier %d\n" % len(CONTENT) + CONTENT + b"hello\n",
    "tcp/web": b"302\n200\n" + CONTENT + b"302\n",
    **dict.fromkeys([PLAIN, "tcp/forward"], b"".join(LINES)),
    "tcp/netcat": b"un!deux!trois!",
    "unix_domain/fd_server": CONTENT,
    **dict.fromkeys(DATAGRAMS, b"".join(PREFIX + b"%d" % i for i in range(4))),
}
# What a client hears instead, when it is told something.
TOLD = {
    ("echo/fork", NO_ROOM): FULL,
    ("echo/thread", NO_ROOM): FULL,
    ("tcp/commands", NO_FILE): b"hello\n" + NOT_FOUND + b"hello\n",
    ("tcp/web", NO_FILE): b"302\n404\n302\n",
    ("tcp/web", NO_FILE_NOW): b"302\n503\n302\n",
    ("tcp/web", NO_FILE_500): b"302\n500\n302\n",
    ("unix_domain/fd_server", NO_FILE): NOT_FOUND,
    ("unix_domain/fd_server", NO_FILE_NOW): FULL_FOR_FILES,
}


class Target:
    """Who tcp/forward connects to: it sends everything back."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.send_back, args=(client,), daemon=True).start()

    @staticmethod
    def send_back(client):
        with client:
            try:
                for piece in iter(lambda: client.recv(1 << 16), b""):
                    client.sendall(piece)
            except OSError:
                pass


TRACED = ",".join(
    [
        "%network",
        "read",
        "write",
        "openat",
        "newfstatat",
        "fcntl",
        "pipe2",
        "clone",
        *(set(CALLS.values())),
    ]
)


def states(pid):
    """What the threads of a process and of its children do: S for asleep, t in strace's hands."""
    found = [state for _, state in children(pid)]
    with contextlib.suppress(OSError):  # it has ended meanwhile, or one thread has
        for thread in os.listdir(proc(pid, "task")):
            stat = proc(pid, "task", thread, "stat").read_text()
            found.append(stat.rpartition(")")[2].split()[0])
    return found


COUNTER = itertools.count()


def words(program, path, target, address=None):
    """The command line of a server: at `path`, if it serves on one; else at a free port of
    `address`."""
    if program == "tcp/lookup":
        return ["127.0.0.1"]
    if program == "tcp/netcat":
        return ["-l", "-k", "-p", "0", *([address] if address else [])]
    if program == "tcp/forward":
        return [f"{address + ':' if address else ''}0:127.0.0.1:{target.port}"]
    if program.startswith("unix_domain"):
        return [path, path.parent] if program == "unix_domain/fd_server" else [path]
    return [
        *(["-b", address] if address else []),
        *(["-d", path.parent] if program in FILES else []),
        "0",
    ]


class Server:
    """A program that runs, and what its clients and strace do with it."""

    made = []

    def __init__(self, program, place, target):
        self.program = program
        self.path = place / (Path(program).name + f".{next(COUNTER)}")
        self.trace = self.path.with_name(self.path.name + ".trace")  # six may run at once
        self.trace.write_text("")
        self.row = None  # under test
        pipes = (
            {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
            if program == NETCAT
            else {}
        )
        self.running = Program(
            program, *words(program, self.path, target), env=NO_LEAK_CHECK, **pipes
        )
        self.running.logged("listening on ")
        self.process, self.pid = self.running.process, self.running.pid
        self.made.append(self)
        # It waits: all is open that will be.
        eventually(lambda: ") S " in proc(self.pid, "stat").read_text())
        self.at_first = self.running.descriptors()

    def connect(self, **options):
        if self.program == "echo/datagram":
            client = socket.socket(type=socket.SOCK_DGRAM)
            client.connect(self.running.address)
            return client
        if not self.program.startswith("unix_domain"):
            return self.running.connect(**options)
        if self.program != "unix_domain/datagram_server":
            return dial(self.path)
        client = bound("", socket.SOCK_DGRAM)
        client.connect(str(self.path))
        return client

    def talk(self, client=None, said=None):
        """A client's whole conversation: what it has heard, and whether it came to its end."""
        heard = Heard(client or self.connect(), said)
        with heard.client:
            try:
                TALK[self.program](heard, self)
            except Cut:
                return bytes(heard.got), False
        return bytes(heard.got), True

    def is_served(self, client=None):
        heard = self.talk(client)
        assert heard == (RIGHT[self.program], True), (heard[0][-300:], self.running.log[-5:])
        return True

    def join(self, *words):
        """strace joins it: from now on calls are counted, and fail."""
        self.trace.write_text("")
        command = [
            peer("strace"),
            "-f",
            "-o",
            self.trace,
            "-e",
            "trace=" + TRACED,
            *words,
            "-p",
            str(self.pid),
        ]
        self.tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        said = self.tracer.stderr.readline()
        assert "attached" in said, said

    def leave(self):
        """strace goes. Returns what it saw. It waits until the server does, too: a call that it
        lets go of in the middle of a fault fails with ENOSYS."""
        eventually(lambda: all(state in "SZ" for state in states(self.pid)))
        self.tracer.terminate()
        self.tracer.communicate()
        return self.trace.read_text()

    def faults(self):
        return self.trace.read_text().count("INJECTED")

    def descriptors(self):
        return self.running.descriptors()
