"""What the tests of the exercises share. `pytest tests` does not collect them: their files are not
called test_*.py. (Nor may one be called as a module of Python's library is, or of tests/support:
this directory comes first.)"""

import signal
import socket

import harness
import pytest


class Client:
    """One end of a connection, which says in words what it misses."""

    def __init__(self, address):
        self.socket = harness.connect(address)
        self.talk = []

    def fails(self, why, expected):
        __tracebackhide__ = True
        talk = "".join(
            f"\n    {who:8}  {what}" for who, what in [*self.talk, ("expected", expected)]
        )
        pytest.fail(f"{why}{talk}")

    def send(self, text):
        """Sends text (str or bytes) as it is."""
        self.talk.append(("sent", repr(text)))
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def _receive(self, is_all, why, expected):
        __tracebackhide__ = True
        got = bytearray()
        try:
            while not is_all(got) and (byte := self.socket.recv(1)):
                got += byte
        except TimeoutError:
            why = f"nothing more came for {harness.PATIENCE:g} seconds"
        except ConnectionError as error:
            why = f"the connection failed: {error.strerror}"
        else:
            if is_all(got):
                self.talk.append(("received", repr(bytes(got).decode(errors="replace"))))
                return bytes(got)
        self.talk.append(("received", repr(bytes(got).decode(errors="replace"))))
        self.fails(why, expected)

    def expect(self, text):
        """The next bytes that come are these."""
        __tracebackhide__ = True
        wanted = text.encode() if isinstance(text, str) else text
        got = self._receive(
            lambda got: len(got) >= len(wanted), "the server closed too early", repr(text)
        )
        if got != wanted:
            self.talk[-1] = ("received", repr((got + self._rest()).decode(errors="replace")))
            self.fails("this is not what was to come", repr(text))

    def _rest(self):
        """What has come besides, to be shown."""
        try:
            return self.socket.recv(4096, socket.MSG_DONTWAIT)
        except OSError:
            return b""

    def line(self, about="a line"):
        """The next line, as str without its end."""
        __tracebackhide__ = True
        return self._receive(
            lambda got: got.endswith(b"\n"), "the server closed too early", about
        ).decode()[:-1]

    def expect_end(self):
        """The server closes, and says nothing before it. A reset is not an end."""
        __tracebackhide__ = True
        try:
            got = self.socket.recv(4096)
        except TimeoutError:
            self.fails(f"the server did not close in {harness.PATIENCE:g} seconds", "the end")
        except ConnectionError as error:
            self.fails(f"the connection failed: {error.strerror}", "the end")
        if got:
            self.talk.append(("received", repr(got.decode(errors="replace"))))
            self.fails("this was not to come", "the end")

    def half_close(self):
        self.talk.append(("sent", "the end (half-close)"))
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()


class Student(harness.Program):
    """A running solution, and its clients."""

    def __init__(self, program, *args, **options):
        super().__init__(program, *args, **options)
        self.clients = []

    def connect(self):
        """A Client of the server, at the address of its first `listening on ADDR:PORT`."""
        self.clients.append(Client(self.address))
        return self.clients[-1]


@pytest.fixture
def start():
    """start("echo/rot13") runs a server on a free port, ready: it has logged `listening on
    127.0.0.1:PORT`. Arguments that follow replace the port, 0. It is stopped at the end of the
    test, and must not have died by itself before.
    """
    running = []

    def start(program, *args, ready="listening on ", **options):
        server = Student(program, *(args or (0,)), **options)
        running.append(server)
        server.logged(ready)
        return server

    yield start
    for server in running:
        for client in server.clients:
            client.close()
        server.process.terminate()
        try:
            status = server.wait(harness.PATIENCE)
        except harness.subprocess.TimeoutExpired:
            server.process.kill()
            pytest.fail(f"{server.program} did not end at SIGTERM")
        if status not in (0, -signal.SIGTERM):
            how = signal.Signals(-status).name if status < 0 else f"status {status}"
            pytest.fail(
                f"{server.program} ended with {how}; its log:\n    " + "\n    ".join(server.log)
            )
