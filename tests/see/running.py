"""Starts what is looked at, under strace, and a capture beside it; ends all of it again."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import strace
import tcpdump
from submission import free_port, words_of
from words import Say

HERE = Path(__file__).resolve().parent
START = 20  # seconds until a server has to listen; strace slows it down
LAST = 0.3  # seconds without a call after the script, and it is over


class NotSeen(Exception):
    """What cannot be looked at; str() is why."""


def needs_strace():
    if not shutil.which("strace"):
        raise NotSeen(
            Say(
                "strace manque : installez le paquet strace (Linux) ; sur un Mac, lancez ceci dans"
                " le conteneur du projet (README.fr.md, « Un conteneur »)",
                "strace is missing: install the package strace (Linux); on a Mac, run this in the"
                " project's container (README, A container)",
            )
        )


class Traced:
    """A program under strace, in a process group of its own."""

    def __init__(self, words, trace, environment=(), attach=()):
        self.trace, self.said = Path(trace), Path(str(trace) + ".said")
        what = [word for pid in attach for word in ("-p", str(pid))] or ["--", *words]
        self.process = subprocess.Popen(
            [*strace.WORDS, "-o", str(trace), *what],
            stdin=subprocess.DEVNULL,
            stdout=open(self.said, "wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **dict(environment)},
        )
        self.attached = bool(attach)

    def lines(self):
        try:
            return self.trace.read_text(errors="surrogateescape").splitlines()
        except FileNotFoundError:
            return []

    def calls(self):
        return strace.read(self.lines())

    def root(self):
        """Its first process."""
        return next((int(line.split()[0]) for line in self.lines()), None)

    def why(self):
        """What it, or strace, said: the last line, or the first where the rest belongs to that."""
        said = self.said.read_text(errors="replace").strip("\n").splitlines() or [""]
        return said[0] if said[-1].startswith(" ") else said[-1]

    @property
    def ended(self):
        return self.process.poll() is not None

    def end(self):
        """SIGTERM to all of it, and SIGKILL to what is left: that is only what our strace traces."""
        if self.attached:
            self.process.send_signal(signal.SIGINT)  # strace lets go
            self.process.wait(10)
            return
        for number, patience in ((signal.SIGTERM, 1), (signal.SIGKILL, 5)):
            told, deadline = set(), time.monotonic() + patience
            while not self.ended and time.monotonic() < deadline:
                for pid in set(self.traced()) - told:
                    told.add(pid)
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        pass
                time.sleep(0.02)
        if not self.ended:
            self.process.kill()
        self.process.wait()

    def traced(self):
        """The processes that our strace traces now."""
        found = []
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                status = Path("/proc", number, "status").read_text()
            except OSError:
                continue  # it has just ended
            if f"\nTracerPid:\t{self.process.pid}\n" in status:
                found.append(int(number))
        return found


def wait_for_listener(traced, places):
    """Until the program listens at one of the places, by its own calls. Returns the place."""
    deadline = time.monotonic() + START
    while True:
        bound, datagrams = {}, set()
        for call in traced.calls():
            if call.result is None or call.result < 0 or not call.args:
                continue
            key = call.pid, call.args[0].partition("<")[0]
            if call.name == "socket" and "SOCK_DGRAM" in call.args[1]:
                datagrams.add((call.pid, str(call.result)))
            if call.name == "bind":
                bound[key] = strace.address(call.args[1])
                if key in datagrams and matches(bound[key], places):
                    return bound[key]
            elif call.name == "listen" and matches(bound.get(key, ""), places):
                return bound[key]
        if traced.ended:
            why = traced.why()
            raise NotSeen(
                Say(
                    f"il s'est arrêté avant d'écouter : {why}",
                    f"it ended before it listened: {why}",
                )
            )
        if time.monotonic() > deadline:
            traced.end()
            raise NotSeen(
                Say(
                    f"il n'écoute nulle part au bout de {START} s : {places[0]} ?",
                    f"it listens on nothing after {START} s: {places[0]}?",
                )
            )
        time.sleep(0.01)


def matches(bound, places):
    return any(
        bound == place or place.isdigit() and bound.endswith(":" + place) for place in places
    )


class Capture:
    """tcpdump on the loopback, where it is allowed."""

    def __init__(self, ports, file):
        self.file, self.process = Path(file), None
        program = shutil.which("tcpdump", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not program or not ports:
            return
        ask = " or ".join(f"tcp port {port}" for port in ports)
        self.process = subprocess.Popen(
            [program, *tcpdump.WORDS[1:], ask],
            stdin=subprocess.DEVNULL,
            stdout=open(self.file, "wb"),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            for line in self.process.stderr:  # to its end, if it is not allowed
                if b"listening on" in line:
                    return
        except BaseException:  # Ctrl-C, SIGTERM
            self.end()
            raise
        self.process.wait()
        self.process = None

    def end(self):
        """[segments], or None where there was no capture."""
        if not self.process:
            return None
        self.process.send_signal(signal.SIGINT)
        self.process.stderr.read()
        self.process.wait()
        self.process = None
        return tcpdump.read(self.file.read_text().splitlines())


def settle(traces, patience=LAST, most=2):
    """Until nobody has made a call for so long."""
    size = lambda: [trace.trace.stat().st_size for trace in traces if trace.trace.exists()]
    last, since, deadline = size(), time.monotonic(), time.monotonic() + most
    while time.monotonic() - since < patience and time.monotonic() < deadline:
        time.sleep(0.02)
        if (now := size()) != last:
            last, since = now, time.monotonic()


class Run:
    """One conversation: calls, names, segments, and what the clients themselves counted."""

    def __init__(self, options):
        self.options, self.counts, self.names, self.groups = options, {}, {}, {}
        self.started, self.capture = [], None
        with tempfile.TemporaryDirectory(prefix="see-") as place:
            self.place = Path(place)
            try:
                self.look()
            finally:
                if self.capture:
                    self.capture.end()
                for one in self.started:
                    if not one.ended:
                        one.end()

    def trace(self, words, name, place=0, **more):
        """Starts a program. `place`: where its column stands, from the left."""
        one = Traced(words, self.place / f"{len(self.started)}.strace", **more)
        self.started.append(one)
        one.name, one.place = name, place
        return one

    def look(self):
        options, told = self.options, []
        if not options.client and options.script is None:
            signal.signal(signal.SIGINT, lambda number, _: told.append(number))
        known, ports = {"dir": options.dir or "."}, []
        for i, command in enumerate(options.commands, 1):
            suffix = str(i) if i > 1 else ""
            port = options.port + i - 1 if options.port else free_port()
            known["port" + suffix], known["path" + suffix] = str(port), str(
                self.place / f"s{i}"
            )
            ports.append(known["port" + suffix])
        where = None
        # The one behind (--with) first: it is to be there when it is asked.
        for i, command in reversed(list(enumerate(options.commands, 1))):
            suffix = str(i) if i > 1 else ""
            words = filled(command, known, suffix)
            one = self.trace(
                words, options.names[i - 1], i, environment={"PYTHONUNBUFFERED": "1"}
            )
            where = wait_for_listener(one, [known["port" + suffix], known["path" + suffix]])
        if options.attach:
            one = self.trace([], options.names[0], attach=options.attach)
            self.await_attached(one)
            for pid in options.attach:
                self.names[pid] = options.names[0]
                self.groups.update({int(tid): pid for tid in os.listdir(f"/proc/{pid}/task")})
            where = listens(options.attach)
            ports = [where.rpartition(":")[2]] if where and ":" in where else []
            known["port"] = ports[0] if ports else ""
        self.capture = Capture(ports, self.place / "capture")
        if options.client or options.script is not None:
            self.play(known, where)
        else:
            until_told(self.started[-1], told)
        settle(self.started)
        stop = time.time()
        self.segments = self.capture.end()
        for one in reversed(self.started):
            one.end()
        self.started.sort(key=lambda one: one.place)
        self.calls, self.clients = [], set(self.names) - set(options.attach)
        for one in self.started:
            if one.root() and not one.attached:
                self.names.setdefault(one.root(), one.name)
                if one.name == "client":
                    self.clients.add(one.root())
            self.calls += cut(one.calls(), stop)
        self.calls.sort(key=lambda call: call.start)

    def await_attached(self, one):
        deadline = time.monotonic() + 5
        while "attached" not in one.said.read_text(errors="replace"):
            if one.ended or time.monotonic() > deadline:
                raise NotSeen(
                    Say(
                        f"strace n'a pas le droit d'observer ce programme : {one.why()}"
                        " (soyez root, ou /proc/sys/kernel/yama/ptrace_scope à 0)",
                        f"strace may not look: {one.why()}"
                        " (be root, or set /proc/sys/kernel/yama/ptrace_scope to 0)",
                    )
                )
            time.sleep(0.01)

    def play(self, known, where):
        options = self.options
        if options.client:
            words = words_of(filled_text(options.client, known))
            one = self.trace(words, "client")
        else:
            files = [self.place / name for name in ("script", "target", "report")]
            files[0].write_text(json.dumps(options.script))
            files[1].write_text(json.dumps([target(where), options.patience]))
            words = [sys.executable, "-I", "-S", str(HERE / "player.py"), *map(str, files)]
            one = self.trace(words, "client")
        deadline = time.monotonic() + options.limit
        while not one.ended and time.monotonic() < deadline:
            time.sleep(0.01)
        if not options.client:
            named = Path(str(files[2]) + ".names")
            if named.exists():
                for name, pid in json.loads(named.read_text()).items():
                    self.names[pid] = name or "client"
            if files[2].exists():
                self.counts = json.loads(files[2].read_text())


def until_told(traced, told):
    """Until Ctrl-C, or until what is looked at has ended."""
    while not traced.ended and not told:
        time.sleep(0.05)


def cut(calls, stop):
    """What happened before we ended it all."""
    kept = [call for call in calls if call.start <= stop]
    for call in kept:
        if call.end is not None and call.end > stop:
            call.end, call.result, call.error = None, None, ""
    return kept


def filled_text(text, known):
    return re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], match[0]), text)


def filled(command, known, suffix):
    """The words of a command, with {port}, {path} and {dir} filled in; without them, the port is
    the last word."""
    words = list(command)
    if not any(
        "{" + name + suffix + "}" in word for word in words for name in ("port", "path")
    ):
        words.append("{port" + suffix + "}")
    return [filled_text(word, known) for word in words]


def target(where):
    """[family, kind, address] of a place."""
    if ":" not in where:
        return ["AF_UNIX", "SOCK_STREAM", where]
    host, _, port = where.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "127.0.0.1"}.get(host, host).strip("[]")
    return ["AF_INET6" if ":" in host else "AF_INET", "SOCK_STREAM", [host, int(port)]]


def listens(pids):
    """Where processes listen, as /proc knows it; None if they do not."""
    inodes = set()
    for pid in pids:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                if found := re.match(r"socket:\[(\d+)\]", os.readlink(entry)):
                    inodes.add(found[1])
            except OSError:
                pass
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:]):
            if fields[3] == "0A" and fields[9] in inodes:
                host, _, port = fields[1].partition(":")
                raw = b"".join(
                    int(host[i : i + 8], 16).to_bytes(4, sys.byteorder)
                    for i in range(0, len(host), 8)
                )
                host = socket.inet_ntop(family, raw)
                return tcpdump.name(host, str(int(port, 16)))
    return None


def shown(command):
    return shlex.join(command)
