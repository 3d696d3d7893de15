"""What the tests of the exercises share. `pytest tests` does not collect them: their files are not
called test_*.py. (Nor may one be called as a module of Python's library is, or of tests/support:
this directory comes first.)"""

import contextlib
import signal
import socket

import harness
import pytest
from spoken import say


def shortened(text, most=300):
    """A text to be shown, without its middle if it is long."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


def shown(what):
    """As text if it is text, as bytes if it is none: what was expected and what came, alike."""
    try:
        return repr(what if isinstance(what, str) else what.decode())
    except UnicodeDecodeError:
        return repr(bytes(what))


class Client:
    """One end of a connection, which says in words what it misses."""

    def __init__(self, address):
        self.socket = harness.connect(address)
        self.talk = []

    def fails(self, why, expected):
        __tracebackhide__ = True
        lines = [*self.talk, (say("expected", "attendu"), expected)]
        pytest.fail(why + "".join(f"\n    {who:8}  {shortened(what)}" for who, what in lines))

    def send(self, text):
        """Sends text (str or bytes) as it is."""
        self.talk.append((say("sent", "envoyé"), shown(text)))
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def _receive(self, is_all, why, expected):
        __tracebackhide__ = True
        got = bytearray()
        try:
            while not is_all(got) and (byte := self.socket.recv(1)):
                got += byte
        except TimeoutError:
            why = say(f"nothing more came for {harness.PATIENCE:g} seconds",
                      f"rien de plus n'est arrivé en {harness.PATIENCE:g} secondes")
        except ConnectionError as error:
            why = self.broken(error)
        else:
            if is_all(got):
                self.received(got)
                return bytes(got)
        self.received(got)
        self.fails(why, expected)

    def received(self, got):
        self.talk.append((say("received", "reçu"), shown(got)))

    @staticmethod
    def broken(error):
        return say("the connection failed: ", "la connexion a été rompue : ") + error.strerror

    def expect(self, text):
        """The next bytes that come are these."""
        __tracebackhide__ = True
        wanted = text.encode() if isinstance(text, str) else text
        got = self._receive(
            lambda got: len(got) >= len(wanted), self.closed_early(), shown(text)
        )
        if got != wanted:
            self.talk.pop()
            self.received(got + self._rest())
            self.fails(say("this is not what was to come", "ce n'est pas la réponse attendue"),
                       shown(text))

    def _rest(self):
        """What has come besides, to be shown."""
        try:
            return self.socket.recv(4096, socket.MSG_DONTWAIT)
        except OSError:
            return b""

    def closed_early(self):
        return say("the server closed too early", "le serveur a fermé trop tôt")

    def line(self, about=None):
        """The next line, as str without its end."""
        __tracebackhide__ = True
        about = about or say("a line", "une ligne")
        got = self._receive(lambda got: got.endswith(b"\n"), self.closed_early(), about)
        return got.decode()[:-1]

    def expect_end(self):
        """The server closes, and says nothing before it. A reset is not an end."""
        __tracebackhide__ = True
        end = say("the end", "la fin")
        try:
            got = self.socket.recv(4096)
        except TimeoutError:
            self.fails(say(f"the server did not close in {harness.PATIENCE:g} seconds",
                           f"le serveur n'a pas fermé en {harness.PATIENCE:g} secondes"), end)
        except ConnectionError as error:
            self.fails(self.broken(error), end)
        if got:
            self.received(got)
            self.fails(say("this was not to come", "cette réponse est de trop"), end)

    def half_close(self):
        half_close = say("the end (half-close)", "la fin (demi-fermeture)")
        self.talk.append((say("sent", "envoyé"), half_close))
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
        __tracebackhide__ = True
        try:
            self.clients.append(Client(self.address))
        except ConnectionError as error:
            why = say("it takes no connection:", "il n'accepte pas de connexion :")
            log = "".join(f"\n    {line}" for line in self.log)
            pytest.fail(f"{why} {error.strerror}{log}")
        return self.clients[-1]

    def logged(self, text):
        __tracebackhide__ = True
        try:
            return super().logged(text)
        except AssertionError:
            why = say(f"it did not show {text!r} on standard error; the end of its log:",
                      f"il n'a pas affiché {text!r} sur la sortie d'erreur ; fin de son journal :")
            pytest.fail(why + "".join(f"\n    {line}" for line in self.log[-3:]))

    def descriptors(self):
        __tracebackhide__ = True
        try:
            return super().descriptors()
        except (FileNotFoundError, PermissionError):  # what is left of it is root's
            why = say("it has ended by itself:", "il s'est terminé de lui-même :")
            pytest.fail(why + "".join(f"\n    {line}" for line in self.log))


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
            lives = say("did not end at SIGTERM", "ne s'est pas terminé à SIGTERM")
            pytest.fail(f"{server.program} {lives}")
        if status not in (0, -signal.SIGTERM):
            code = say(f"status {status}", f"code de retour {status}")
            how = signal.Signals(-status).name if status < 0 else code
            ended = say(f"ended with {how}; its log:", f"s'est terminé ({how}) ; son journal :")
            pytest.fail(f"{server.program} {ended}\n    " + "\n    ".join(server.log))


@pytest.fixture
def fault():
    """with fault(): what the program does wrong in here is only said to be there: to find out how
    it shows is the exercise."""

    @contextlib.contextmanager
    def fault():
        __tracebackhide__ = True
        try:
            yield
        except (AssertionError, OSError, pytest.fail.Exception):
            pytest.fail(say("the fault is still there", "l'erreur est toujours là"))

    return fault
