"""What all tests share: starting a program, waiting for an event, talking bytes."""

import contextlib
import itertools
import os
import re
import resource
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from spoken import say
from wants import ROOT, cpu_time, memory, open_files, peer, proc

# Seconds until a test gives up waiting; no test waits that long when all is well.
PATIENCE = float(os.environ.get("PATIENCE", 30))

# These leave SIGTERM its default action, and their notes say so.
BLOCKING = {"echo/iterative", "echo/fork", "echo/thread", "tcp/server"}


def binary(program):
    """`echo/poll` -> the path of its executable; `tests/peers/web.py` -> the path of that."""
    return str(ROOT / ("" if program.startswith("tests/") else "build") / program)


def sanitized(program):
    """Whether the program was built with SAN=..."""
    return bool(re.search(rb"__[at]san_init|__ubsan_handle", Path(binary(program)).read_bytes()))


def needs_plain_build(program):
    """Skips a test that measures the program's memory or time, which a sanitizer multiplies."""
    if sanitized(program):
        pytest.skip("measured on the plain build: a sanitizer has memory and time of its own")


def eventually(condition, patience=PATIENCE):
    """Waits until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + patience
    pause = 0.0005
    while not (result := condition()):
        assert time.monotonic() < deadline, say("waited in vain", "délai dépassé")
        time.sleep(pause)
        pause = min(2 * pause, 0.01)
    return result


def free_port():
    """A port of 127.0.0.1 that is free: nobody listens on it, for now."""
    with socket.create_server(("127.0.0.1", 0)) as any_socket:
        return any_socket.getsockname()[1]


def is_listening(port):
    """Whether somebody listens on an IPv4 port, in this network: to connect and see would be to be
    a client."""
    with proc("net/tcp").open() as table:
        next(table)
        listeners = itertools.takewhile(lambda line: line.split()[3] == "0A", table)  # come first
        return any(line.split()[1].endswith(f":{port:04X}") for line in listeners)


def strace(calls, *injections):
    """The words to put before a program to inject faults into its system calls:
    strace("recvfrom,read", "recvfrom:error=EINTR:when=1"). The program stays our child (-D)."""
    inject = [word for injection in injections for word in ("-e", "inject=" + injection)]
    return [peer("strace"), "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, *inject]


class Program:
    """A running program. Its standard error is read, line by line, as it comes."""

    def __init__(self, program, *args, under=(), nofile=None, env=None, **popen):
        environment = dict(os.environ, **(env or {}))
        if under:  # LeakSanitizer does not work under ptrace
            environment["ASAN_OPTIONS"] = "detect_leaks=0"

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        self.program = program
        self.log = []
        self.stopped = False
        self.process = subprocess.Popen(
            [*under, binary(program), *map(str, args)],
            stderr=subprocess.PIPE,
            env=environment,
            cwd=popen.pop("cwd", ROOT),
            preexec_fn=limit if nofile else None,  # with none, Python need not copy itself (vfork)
            **popen,
        )
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace").rstrip("\n"))

    def logged(self, text):
        """Waits for a line on standard error that contains `text`, and returns it."""

        def look():
            found = [line for line in self.log if text in line]
            if not found and self.process.poll() is not None:
                self._reader.join(PATIENCE)
                assert any(
                    text in line for line in self.log
                ), f"{self.program} ended with the log {self.log}"
            return found

        return eventually(look)[0]

    def connect(self, **options):
        """A TCP connection to the server, from the first `listening on ADDR:PORT` it logged."""
        return connect(self.address, **options)

    @property
    def address(self):
        host, port = self.logged("listening on ").removeprefix("listening on ").rsplit(":", 1)
        host = host.strip("[]")
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)

    @property
    def port(self):
        return self.address[1]

    def rss(self):
        """Resident memory in bytes, now."""
        return memory(self.pid)

    def cpu(self):
        """Seconds of processor time used so far, user and system."""
        return cpu_time(self.pid)

    def descriptors(self):
        """How many descriptors it has open."""
        return len(open_files(self.pid))

    def inject(self, calls, injection, trace=os.devnull):
        """Injects faults into its system calls from now on: strace counts from here. It goes when
        the program ends."""
        words = [
            peer("strace"),
            "-f",
            "-o",
            trace,
            "-e",
            "trace=" + calls,
            "-e",
            "inject=" + injection,
        ]
        tracer = subprocess.Popen([*words, "-p", str(self.pid)], stderr=subprocess.PIPE, text=True)
        assert "attached" in tracer.stderr.readline()
        threading.Thread(target=tracer.communicate, daemon=True).start()

    @contextlib.contextmanager
    def held(self):
        """It does not run meanwhile: what it then finds is all there at once."""
        self.process.send_signal(signal.SIGSTOP)
        eventually(lambda: proc(self.pid, "stat").read_text().rpartition(")")[2].split()[0] in "Tt")
        yield
        self.process.send_signal(signal.SIGCONT)

    def stop_amid_a_round(self, clients, said, answered=None, call="recv"):
        """stop(), while all these clients are ready for one round, in which each turn takes a tenth
        of a second: as a round of thousands takes long. `answered`: where the first turns show."""
        calls = {"recv": "recv,recvfrom", "send": "send,sendto"}[call]
        self.inject(calls, f"{calls}:delay_enter=100000")
        with self.held():
            for client in clients:
                client.sendall(said)
        readable(answered or clients)
        self.stop()

    def wait(self, patience=PATIENCE):
        """Waits for its end. Returns the exit status, as subprocess has it."""
        status = self.process.wait(patience)
        self._reader.join(1)  # no longer: the children of echo/fork keep the pipe open
        return status

    def stop(self, how=signal.SIGTERM):
        """Asks it to end and asserts that it did as promised: at once, status 0, no sanitizer
        finding."""
        if self.stopped:
            return
        self.stopped = True
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                unhurried = sanitized(self.program) or self.program.startswith("tests/peers/")
                self.wait(10 if unhurried else 1 if self.program not in BLOCKING else 5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.wait()
                pytest.fail(f"{self.program} did not end at {how.name}; its log: {self.log}")
        status = self.wait()
        assert not [
            line for line in self.log if "Sanitizer" in line or "runtime error" in line
        ], self.log
        if not self.program.startswith("tests/peers/"):  # which end as their languages do
            assert status == (
                -how if self.program in BLOCKING else 0
            ), f"{self.program}: {status}; its log: {self.log}"


def connect(address, family=None, receive_buffer=None):
    """A TCP connection with a time limit on every call. A small receive_buffer (bytes) makes a slow
    reader."""
    host, port = address
    client = socket.socket(family or (socket.AF_INET6 if ":" in host else socket.AF_INET))
    client.settimeout(PATIENCE)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect((host, port))
    return client


def receive(client, count):
    """Exactly `count` bytes; fewer only if the peer closed."""
    pieces = []
    while count > 0 and (piece := client.recv(min(count, 1 << 20))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def receive_all(client):
    """Everything until the peer closes."""
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def receive_until(client, end):
    """Everything up to and including `end`, read byte by byte so that nothing after it is taken."""
    got = bytearray()
    while not got.endswith(end):
        byte = client.recv(1)
        assert byte, f"closed after {bytes(got)!r}"
        got += byte
    return bytes(got)


def assert_half_closes(ours, connection):
    """What is between passes on the end of what the peer at `connection` says, and then what we
    say at `ours`, our end of its only socket."""
    ours.settimeout(PATIENCE)
    connection.sendall(b"tout")
    connection.shutdown(socket.SHUT_WR)
    assert receive_all(ours) == b"tout"
    ours.sendall(b"encore")
    ours.close()
    assert receive_all(connection) == b"encore"


def readable(files, seconds=PATIENCE):
    """Those of sockets, or of files, that have something to be read, or an end, within so many
    seconds. (select(2) takes no descriptor over 1023, and a test may have thousands.)"""
    waiting = select.poll()
    by_number = {file.fileno(): file for file in files}
    for number in by_number:
        waiting.register(number, select.POLLIN)
    return [by_number[number] for number, _ in waiting.poll(1000 * seconds)]


def writable(client, seconds):
    """Whether a socket takes more within so many seconds."""
    waiting = select.poll()
    waiting.register(client, select.POLLOUT)
    return bool(waiting.poll(1000 * seconds))


def reset(client):
    """Closes with a RST instead of a FIN (SO_LINGER with a time of zero)."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def heard_by_an_echo_server(connection):
    """All that it hears, though the answers are not wanted: it waits for who does not read them."""
    heard = []
    connection.settimeout(PATIENCE)
    with connection, contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            heard.append(piece)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(piece)
    return b"".join(heard)


def run(program, *args, under=(), **options):
    """Runs a program to its end, with its output captured as text. `under`: as Program's."""
    return subprocess.run(
        [*under, binary(program), *map(str, args)],
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        cwd=ROOT,
        **options,
    )


def converse(client, sent):
    """Sends all, half-closes, and returns all that comes back: reading meanwhile, or both ends
    would wait."""

    def send():
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the connection has ended: what has come back says how far it got

    sender = threading.Thread(target=send)
    sender.start()
    got = receive_all(client)
    sender.join(PATIENCE)
    client.close()
    return got


def fill(client, piece, limit=200 << 20):
    """Sends `piece` again and again until nothing more goes: the peer has stopped reading. Returns
    how much went."""
    client.setblocking(False)
    went = 0
    while writable(client, 0.3):
        try:
            went += client.send(piece)
        except BlockingIOError:
            pass
        assert went < limit, say("the server swallows without end", "le serveur lit sans fin")
    return went
