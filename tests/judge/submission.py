"""The server that is judged: how it is started, measured and ended, and what it says meanwhile."""

import ctypes
import errno
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import namedtuple
from pathlib import Path

import keeper
from words import Say, printable

START = 15  # seconds until a server has to accept; a JVM, or a framework, takes some
FIRST = 60  # the same, when its command is given for the first time: it may build the server
END = 3  # seconds after SIGTERM; the promise is one, and the machine may be busy
CONNECT = 5  # seconds for a connection: a full backlog lets a SYN wait a second, or three
FAST = 64 << 20  # bytes of output that are taken as fast as they come; then it is slowed down

Measure = namedtuple("Measure", "descriptors processes threads memory")


class NotStarted(Exception):
    """The server does not serve; str() is why."""


class Output:
    """Reads a pipe to its end in a thread, and keeps the first and the last of it."""

    KEPT = 1 << 16

    def __init__(self, descriptor, keep_all=0):
        self.first, self.last, self.count, self.ended = b"", b"", 0, False
        self.most = keep_all or self.KEPT
        self.descriptor, self.changed = descriptor, threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with open(self.descriptor, "rb", buffering=0) as pipe:
            while piece := pipe.read(1 << 16):
                with self.changed:
                    self.count += len(piece)
                    room = self.most - len(self.first)
                    self.first += piece[:room]
                    self.last = (
                        (self.last + piece[room:])[-self.KEPT :]
                        if room < len(piece)
                        else self.last
                    )
                    self.changed.notify_all()
                if self.count > FAST + self.most:
                    time.sleep(0.01)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def since(self, count=0):
        """What was said after the first `count` bytes, as far as it is kept."""
        with self.changed:
            said = self.first[count:] + self.last[max(0, count - self.count) :]
        return said.decode(errors="replace")


# In a command, what the judge fills in. `${port}` is the shell's.
PLACE = r"(?<!\$)\{(port|path|dir|host)\}"


def words_of(command):
    """The words of a command line. What wants a shell gets one, and so does a quote that is not
    closed: a shell says so. Of a single command nothing stays between us and the server, which
    SIGTERM would end in its place: hence exec, and env for a variable."""
    command = command.replace("\\\n", " ").strip(" ;\n")
    before, last = re.fullmatch(r"(.*(?:&&|;|\n))?(.*)", command, re.DOTALL).groups("")
    last = re.sub(r"^exec\s+", "", last.strip())
    last = re.sub(r"^(?=\w+=)", "env ", last)
    try:
        words = shlex.split(last)
    except ValueError:
        words = []
    if re.search(r"[|&()`]", last.replace(">&", ">")) or (before and not is_a_program(words)):
        return ["sh", "-c", command]
    if before or not words or re.search("[<>$*?~]", last):
        return ["sh", "-c", f"{before} exec {last}".lstrip()]
    return words


def is_a_program(words):
    """Whether a command starts one: it is no end of a loop, and no `wait`."""
    return bool(words) and ("/" in words[0] or shutil.which(words[0]) is not None)


def free_port():
    """Below the ports that the kernel gives to clients: none of ours sits on it when the
    server wants it again."""
    while True:
        port = random.randrange(12000, 32000)
        try:
            for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(family, kind) as probe:
                        probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
        return port


def in_french(error):
    """The two errors that a command mostly has; the C library tells them in English here."""
    for english, french in (
        (": No such file or directory", " : ce fichier n'existe pas"),
        (": Permission denied", " : permission refusée (chmod +x)"),
    ):
        error = error.replace(english, french)
    return error


class Process:
    """A program under a keeper. Nothing of it outlives end()."""

    def __init__(self, words, folder, environment=(), typed=False, keep_all=0):
        orders, self.orders = os.pipe()
        self.reports, report = os.pipe()
        self.status, self.root, self.excess, self.failed, self._partial = (
            None,
            None,
            None,
            None,
            b"",
        )
        # Nobody types to a server, but its keyboard is there: some end with it.
        stdin, self.stdin = os.pipe()
        # A client's buffers are a matter of its checks; a server's log is to be there when it is
        # killed.
        plain = {
            name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"
        }
        plain.update({} if typed else {"PYTHONUNBUFFERED": "1"})
        self.keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, *words],
            cwd=folder,
            env={
                **plain,
                **dict(environment),
                "JUDGE_ORDERS": str(orders),
                "JUDGE_REPORTS": str(report),
            },
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if typed else subprocess.STDOUT,
            pass_fds=(orders, report),
            start_new_session=True,
        )
        for descriptor in (orders, report, stdin):
            os.close(descriptor)
        os.set_blocking(self.reports, False)
        self.output = Output(os.dup(self.keeper.stdout.fileno()), keep_all)
        self.keeper.stdout.close()
        self.errors = None
        if typed:
            self.errors = Output(os.dup(self.keeper.stderr.fileno()))
            self.keeper.stderr.close()

    def look(self):
        """Takes the keeper's reports."""
        try:
            while piece := os.read(self.reports, 4096):
                self._partial += piece
        except (BlockingIOError, OSError):
            pass
        *lines, self._partial = self._partial.split(b"\n")
        for line in lines:
            what, _, value = line.decode(errors="replace").partition(" ")
            if what == "root":
                self.root = int(value)
            elif what == "ended" and self.failed is None:
                self.status = os.waitstatus_to_exitcode(int(value))
            elif what == "failed":
                self.failed = value
            elif what == "too":
                self.excess = value.partition(" ")[2]
        if self.keeper.poll() is not None and self.status is None:
            self.status = -signal.SIGKILL
        return self

    @property
    def ended(self):
        return self.look().status is not None or self.failed is not None

    def wait(self, patience):
        """Waits until the program ends. Returns whether it did."""
        deadline = time.monotonic() + patience
        while not self.ended and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.ended

    def terminate(self):
        try:
            os.write(self.orders, b"T")
        except OSError:
            pass

    def processes(self):
        """All that runs of it, by number; None where the system does not say."""
        if not keeper.LINUX or self.look().root is None:
            return None
        return keeper.below(self.root)

    def measure(self):
        """What it has now; None where the system does not say."""
        pids = self.processes()
        if not pids:
            return None
        descriptors = threads = memory = 0
        for pid in pids:
            try:
                descriptors += len(os.listdir(f"/proc/{pid}/fd"))
                threads += len(os.listdir(f"/proc/{pid}/task"))
                memory += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf(
                    "SC_PAGE_SIZE"
                )
            except PermissionError:
                return None
            except OSError:
                pass  # it has just ended
        return Measure(descriptors, len(pids), threads, memory)

    def end(self):
        for descriptor in (self.orders, self.stdin):
            if descriptor is not None:
                try:
                    os.close(descriptor)
                except OSError:
                    pass
        try:
            self.keeper.wait(5)
        except subprocess.TimeoutExpired:
            self.keeper.kill()
            self.keeper.wait()
        self.look()
        os.close(self.reports)
        self.orders = self.reports = self.stdin = None

    def how_it_ended(self):
        """A sentence, or None while it runs."""
        if not self.ended:
            return None
        if self.excess == "memory":
            return Say(
                "il a pris plus de 2 Gio de mémoire, et le juge l'a arrêté",
                "it took over 2 GiB of memory, and the judge ended it",
            )
        if self.excess:
            return Say(
                "il a lancé des centaines de processus, et le juge l'a arrêté",
                "it started processes by the hundreds, and the judge ended it",
            )
        if self.failed:
            why = printable(self.failed)
            return Say(
                f"impossible de le lancer : {in_french(why)}", f"it could not be started: {why}"
            )
        if self.status < 0:
            try:
                name = signal.Signals(-self.status).name
            except ValueError:
                name = str(-self.status)
            return Say(
                f"il s'est arrêté, tué par le signal {name}",
                f"it ended, killed by the signal {name}",
            )
        return Say(
            f"il s'est arrêté, avec le code de retour {self.status}",
            f"it ended, with exit status {self.status}",
        )


class Server:
    """What the checks see of the server: where it is, and how to start it again. One that runs
    already (`at`) is neither started nor ended nor measured."""

    def __init__(self, ladder, command, folder=None, at=None):
        self.transport, self.environment = ladder.transport, ladder.environment
        self.command, self.folder, self.at = command, folder, at
        self.place = tempfile.mkdtemp(prefix="juge-")
        if ladder.files:
            ladder.files(Path(self.place) / "dir")
        self.process, self.others, self.first = None, [], None
        self.address = at
        self.used = self.has_served = False

    # ---- Its life

    def words(self, port):
        """The command, with the places for its port, path and folder filled in."""
        known = {
            "port": str(port),
            "path": self.path,
            "dir": str(Path(self.place) / "dir"),
            "host": "127.0.0.1",
        }
        wanted = {"unix": ["path"], "client": ["host", "port"]}.get(self.transport, ["port"])
        words = list(self.command)
        if {*re.findall(PLACE, " ".join(words))}.isdisjoint(wanted):
            missing = ["{%s}" % name for name in wanted]
            if words[:2] == ["sh", "-c"] and len(words) == 3:
                words[2] += " " + " ".join(missing)
            else:
                words += missing
        return [re.sub(PLACE, lambda place: known[place[1]], word) for word in words]

    @property
    def path(self):
        return os.path.join(self.place, "echo")

    def begin(self):
        """Before the first check. Raises NotStarted when there is no server."""
        if self.transport == "client":
            from contracts.client import begin

            begin(self)
        elif not self.at:
            self.start()
        elif not self.knock():
            where = self.at if self.transport == "unix" else "{}:{}".format(*self.at)
            raise NotStarted(Say(f"rien n'écoute sur {where}", f"nothing listens on {where}"))

    def start(self, again_on=None):
        """Starts it, on a port (or at a path) of its own, or `again_on` the one that was, and
        waits until it serves."""
        port = again_on or (free_port() if self.transport != "unix" else None)
        if self.transport == "unix" and not again_on and os.path.lexists(self.path):
            os.unlink(
                self.path
            )  # what one left that we killed; the promise about it is a check of its own
        if self.process:
            self.others.append(self.process)
        self.process = Process(self.words(port), self.folder, self.environment)
        self.address = self.path if self.transport == "unix" else ("127.0.0.1", port)
        self.used = False
        self.wait_ready()

    def wait_ready(self):
        start, gone = time.monotonic(), None
        self.patience = START if self.has_served else FIRST
        while True:
            if self.knock():
                self.has_served = True
                return
            now = time.monotonic()
            if (
                self.process.ended
            ):  # it may have left a child that is only just starting to serve
                gone = gone or now + (1 if self.process.processes() else 0.1)
            if (
                self.process.failed
                or now > (gone or start + self.patience)
                or (now > start + START and self.other_port())
            ):
                raise NotStarted(self.why_not())
            time.sleep(0.01)

    def knock(self):
        """Whether it serves. The connection that found out is kept: it is the first client,
        and not one more."""
        if self.transport == "udp":
            return self._knock_udp()
        hosts = (
            [self.address]
            if self.at or self.transport == "unix"
            else [self.address, ("::1", self.address[1])]
        )
        for address in hosts:
            family = (
                socket.AF_UNIX
                if self.transport == "unix"
                else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            )
            try:
                client = socket.socket(family)
                client.settimeout(2)
                client.connect(address)
            except OSError:
                client.close()
                continue
            self.address, self.first = address, client
            return True
        return False

    def _knock_udp(self):
        """An ICMP error says that nobody is there; an answer, or silence, that somebody is."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.3)
            probe.connect(self.address)
            try:
                probe.send(b"?")
                probe.recv(1 << 16)
            except ConnectionRefusedError:
                return False
            except OSError:
                pass
        return True

    def is_held(self):
        """Whether somebody is still where the server was."""
        held = self.knock()
        self.forget_first()
        return held

    def why_not(self):
        """Why it does not serve, in a sentence."""
        where = self.path if self.transport == "unix" else f"127.0.0.1:{self.address[1]}"
        ended = self.process.how_it_ended()
        if ended:
            return Say(f"il n'écoute pas : {ended.fr}", f"it does not listen: {ended.en}")
        other = self.other_port()
        if other:
            return Say(
                (
                    f"il écoute sur le port {other}, et non sur {self.address[1]} : écrivez"
                    " `{port}` dans la commande à la place du port, et prenez-le dans les"
                    " arguments"
                ),
                (
                    f"it listens on port {other}, and not on {self.address[1]}: write"
                    " `{port}` in the command in the place of the port, and take it from the"
                    " arguments"
                ),
            )
        return Say(
            f"rien n'écoute sur {where} au bout de {self.patience} s",
            f"nothing listens on {where} after {self.patience} s",
        )

    def other_port(self):
        """Another TCP port on which it listens, as /proc knows it."""
        sockets = set()
        for pid in self.process.processes() or []:
            try:
                for name in os.listdir(f"/proc/{pid}/fd"):
                    if found := re.match(
                        r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{name}")
                    ):
                        sockets.add(found[1])
            except OSError:
                pass
        for table in ("tcp", "tcp6"):
            try:
                lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            except OSError:
                continue
            for fields in map(str.split, lines):
                port = int(fields[1].rpartition(":")[2], 16)
                if fields[3] == "0A" and fields[9] in sockets and port != self.address[1]:
                    return port
        return None

    def ready(self):
        """Before a check: a server that has ended is started again."""
        if (
            self.transport != "client"
            and not self.at
            and (self.process is None or self.process.ended and not self.knocks())
        ):
            self.restart()

    def knocks(self):
        """Whether it serves although the program that we started has ended."""
        if self.first or not self.process.processes():
            return False
        return self.knock()

    def restart(self):
        if self.transport == "client":
            self.end()
        elif not self.at:
            self.end()
            self.start()

    def end(self):
        self.forget_first()
        for process in [*self.others, *([self.process] if self.process else [])]:
            process.end()
        self.others, self.process = [], None

    def close(self):
        self.end()
        subprocess.run(["rm", "-rf", self.place], stderr=subprocess.DEVNULL)

    # ---- Its clients

    def forget_first(self):
        if self.first:
            self.first.close()
            self.first = None

    def socket(self, receive_buffer=None, patience=CONNECT):
        """A connection to it. Raises OSError."""
        self.used = True
        if self.first and not receive_buffer:
            client, self.first = self.first, None
            return client
        self.forget_first()
        if self.transport == "unix":
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        client = socket.socket(
            family, socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        )
        try:
            if receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if self.transport == "tcp":
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(patience)
            connect(client, self.address, patience)
        except BaseException:
            client.close()
            raise
        return client

    # ---- What can be seen of it

    def measure(self):
        return self.process.measure() if self.process else None

    def how_it_ended(self):
        return self.process.how_it_ended() if self.process else None

    def said(self, since=0):
        """Its last lines on stdout and stderr."""
        if not self.process:
            return []
        lines = [
            printable(line.rstrip())
            for line in self.process.output.since(since).splitlines()
            if line.strip()
        ]
        return lines[-6:]


def connect(client, address, patience):
    """A socket with a time limit does not block, and a Unix-domain one then does not wait for room in
    a full backlog (EAGAIN)."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return client.connect(address)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
            time.sleep(0.001)


def adopt_orphans():
    """A stranger that kills its keeper leaves its children to us, and not to the system."""
    if keeper.LINUX:
        ctypes.CDLL(None).prctl(keeper.PR_SET_CHILD_SUBREAPER, 1)


def leave_nothing():
    """At the end of the judge: whatever is still below it was a stranger's."""
    if keeper.LINUX and keeper.below(os.getpid()):
        keeper.kill_tree(os.getpid())
