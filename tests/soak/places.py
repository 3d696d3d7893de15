"""The servers, and what is said in each: the well-behaved know what they are to be answered, to the
byte."""

import contextlib
import os
import random
import re
import socket
import subprocess
import threading
import time

import clients
from clients import hostile, leave
from crowd import READ, WRITE, Crowd, connected, exchanging, receiving, reset, sending
from harness import PATIENCE, Program, eventually, receive_all
from wants import threads

GREETING = "Le serveur écoute.\n".encode()
PREFIX = "le serveur répond : ".encode()


# malloc(3) keeps what is freed below a block that is still in use, and gives threads arenas of
# their own: megabytes more or less, as luck has it. So that what the program keeps is seen, malloc
# here gives larger blocks back, and has one arena.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "8192", "MALLOC_ARENA_MAX": "1"}


class Place:
    """A running server, and how it is talked to. A subclass has talk(), flood() (many short pieces)
    and bulk() (much to answer), each of them a pair: what is sent, and what is to be answered."""

    residents = 100  # who are there, silent, from before the first to after the last
    at_once = 300  # the others
    hold = 0.5  # seconds for which those stay who only stay
    bound = 2  # seconds in which the well-behaved are to be answered
    keeps_threads = False  # that it has once needed
    mix = clients.MIX
    checked = clients.CHECKED  # those of them whose every answer is checked

    def __init__(self, program, directory):
        self.program = program
        self.directory = directory
        self.random = random.Random(1)
        self.crowd = Crowd()
        self.connections = 0
        self.slowest = 0.0
        self.server = self.start()
        self.address = self.find()

    def start(self, *arguments, **options):
        return Program(self.program, *(arguments or (0,)), env=ENVIRONMENT, **options)

    def find(self):
        return self.server.address

    def close(self):
        """Ends what is left of what it has started."""
        if self.server.process.poll() is None:
            self.server.process.kill()
            self.server.wait()

    # ---- What is said.

    def words(self):
        return self.random.randbytes(self.random.randrange(1, 40)).replace(b"\n", b"\r")

    def bulk(self):
        return self.flood()

    def masked(self, got):
        """What came, with zeros for what may differ."""
        return got

    def converse(self, client, said, half_close=False, **reading):
        """Says what is to be said, and asserts that the answer comes, then the end, and nothing
        else."""
        sent, expected = said
        if half_close:
            yield from sending(client, sent)
            client.shutdown(socket.SHUT_WR)
            sent = b""
        got = self.masked((yield from exchanging(client, sent, len(expected), **reading)))
        if got != expected:
            at = next(
                (i for i, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]), len(got)
            )
            raise AssertionError(
                f"byte {at} of {len(expected)}: {got[at : at + 60]} for {expected[at : at + 60]}"
            )
        if not half_close:
            client.shutdown(socket.SHUT_WR)
        rest = yield from receiving(client)
        assert rest == b"", f"after the last answer came {rest[:100]!r}"

    # ---- The soak.

    def soak(self, rounds):
        """So many thousands of connections. What is found wrong is in crowd.failures."""
        residents = []
        self.run(self.reside(residents) for _ in range(self.residents))
        self.settle()
        self.run(self.clients(rounds))
        self.run(self.speak_at_last(client) for client in residents)

    def run(self, clients):
        """Runs all of them, and whoever they have come to, to their end."""
        self.crowd.run(clients, self.at_once)

    def clients(self, rounds, without=()):
        mix = {kind: count for kind, count in self.mix.items() if kind not in without}
        kinds = [kind for kind, count in mix.items() for _ in range(count)]
        for _ in range(rounds):
            self.random.shuffle(kinds)
            for kind in kinds:
                self.connections += clients.STORM if kind is clients.storming else 1
                yield kind(self) if kind in self.checked else hostile(kind(self))

    def reside(self, residents):
        residents.append((yield from connected(self.address)))
        self.connections += 1

    def settle(self):
        """Waits until the residents are where they belong."""

    def speak_at_last(self, client):
        with client:
            yield from self.converse(client, self.talk())

    def answered(self, seconds):
        self.slowest = max(self.slowest, seconds)


class Echo(Place):
    def talk(self):
        lines = [self.words() for _ in range(self.random.randrange(1, 5))]
        sent = b"\n".join(lines) + self.random.choice((b"", b"\n"))
        return sent, GREETING + PREFIX + sent[:-1].replace(b"\n", b"\n" + PREFIX) + sent[-1:]

    def flood(self):
        return b"\n" * 5000, GREETING + (PREFIX + b"\n") * 5000

    much = b"\n" * 40_000, GREETING + (PREFIX + b"\n") * 40_000  # more than a socket takes at once

    def bulk(self):
        return self.much


class Forking(Echo):
    bound = 4  # three hundred come at once, and each waits for a process


class OneAtATime(Echo):
    """Who stays, keeps everybody else waiting: that is the lesson. So nobody does."""

    residents = 0
    at_once = 50
    hold = 0


class Generations(Echo):
    residents = 1500
    keeps_threads = True

    def settle(self):
        """They are parked: in three threads beside the main one."""
        eventually(lambda: threads(self.server.pid) >= 4)


class UnixEcho(Echo):
    def start(self):
        return super().start(self.directory / "socket")

    def find(self):
        self.server.logged("listening on ")
        return str(self.directory / "socket")


class Netcat(Place):
    """What is said comes out of its standard output. Its own standard input is at its end."""

    residents = 0
    at_once = 50
    hold = 0

    def start(self):
        server = super().start("-lkp", 0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.said = set()
        self.shown = []
        self.reader = threading.Thread(target=self.read, args=[server.process.stdout], daemon=True)
        self.reader.start()
        return server

    def read(self, output):
        carry = b""
        while piece := os.read(output.fileno(), 1 << 16):
            *shown, carry = re.split(rb"(?<=>)", carry + piece)
            self.shown += re.findall(rb"<bon [0-9a-f]{32}>", b"".join(shown))
            carry = carry[-100:]

    def talk(self):
        return b"<bon " + self.random.randbytes(16).hex().encode() + b">", b""

    def flood(self):
        return b"\n" * 5000, b""

    def bulk(self):
        return bytes(20_000), b""

    def converse(self, client, said, **how):
        yield from super().converse(client, said, **how)
        if said[0].startswith(b"<bon"):
            self.said.add(said[0])

    def soak(self, rounds):
        super().soak(rounds)
        deadline = time.monotonic() + PATIENCE
        while not self.said <= set(self.shown) and time.monotonic() < deadline:
            time.sleep(0.01)
        lost = self.said - set(self.shown)
        twice = len(self.shown) - len(set(self.shown))
        if lost or twice:
            self.crowd.failures.append(
                f"of {len(self.said)} said, {len(lost)} were not shown, {twice} twice"
            )


class Commands(Place):
    heure = b"0000-00-00T00:00:00+00:00"

    def start(self):
        (self.directory / "petit").write_bytes(os.urandom(1000))
        (self.directory / "grand").write_bytes(os.urandom(300_000))
        return super().start("-d", self.directory, 0)

    def one(self):
        unknown = self.words().replace(b" ", b"_")
        return self.random.choice(
            (
                (b"hello\n", b"hello\n"),
                (b"heure\n", self.heure + b"\n"),
                (b"fichier petit\n", b"petit 1000\n" + (self.directory / "petit").read_bytes()),
                (b"fichier absent\n", "erreur : absent : fichier introuvable\n".encode()),
                (unknown + b"\n", b"erreur : commande inconnue : " + unknown + b"\n"),
            )
        )

    def talk(self):
        said = [self.one() for _ in range(self.random.randrange(1, 5))]
        said += self.random.choice(([], [(b"quitter\n", b"")]))
        return b"".join(sent for sent, _ in said), b"".join(answer for _, answer in said)

    def flood(self):
        return b"hello\n" * 2000, b"hello\n" * 2000

    def bulk(self):
        return b"fichier grand\n", b"grand 300000\n" + (self.directory / "grand").read_bytes()

    def masked(self, got):
        return re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d(?=\n)", self.heure, got)


class Web(Place):
    """What it is to answer is what it answered before the storm; what that has to be,
    tests/blackbox knows."""

    requests = [
        "/",
        "/static/petit.html",
        "/static/absent",
        "/api/calcul?a=2&b=0.5",
        "/api/calcul?a=x&b=1",
    ]

    def start(self):
        (self.directory / "petit.html").write_bytes(os.urandom(2000))
        (self.directory / "grand").write_bytes(os.urandom(300_000))
        return super().start("-d", self.directory, 0)

    def find(self):
        address = self.server.address
        at_first = self.server.descriptors()
        self.answers = {}
        for target in [*self.requests, "/static/grand"]:
            request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            with self.server.connect() as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                self.answers[request] = self.masked(receive_all(client))
        assert sum(answer.startswith(b"HTTP/1.1 200") for answer in self.answers.values()) == 3
        eventually(lambda: self.server.descriptors() == at_first)  # it has seen them off
        return address

    def said(self, requests):
        return b"".join(requests), b"".join(self.answers[request] for request in requests)

    def talk(self):
        return self.said(
            self.random.choices(list(self.answers)[:-1], k=self.random.randrange(1, 5))
        )

    def flood(self):
        return self.said([list(self.answers)[3]] * 100)

    def bulk(self):
        return self.said([list(self.answers)[-1]])

    def masked(self, got):
        return re.sub(rb"\r\nDate: [^\r]{29}\r\n", b"\r\nDate: " + b"0" * 29 + b"\r\n", got)


class FdServer(Place):
    """Who asks for a file is sent a descriptor of it."""

    def start(self):
        self.files = {b"petit": os.urandom(100), b"grand": os.urandom(10_000)}
        for name, content in self.files.items():
            (self.directory / name.decode()).write_bytes(content)
        return super().start(self.directory / "socket", self.directory)

    def find(self):
        self.server.logged("listening on ")
        return str(self.directory / "socket")

    def talk(self):
        name = self.random.choice((b"petit", b"grand", b"absent"))
        return name + b"\n", self.files.get(name)

    def flood(self):
        return self.random.choice((b"petit\n", b"n" * 4000 + b"\n", b"n" * 6000 + b"\n")), None

    def converse(self, client, said, half_close=False, **_):
        sent, content = said
        yield from sending(client, sent[:-1] if half_close else sent)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        yield client, READ
        answer, descriptors, _, _ = socket.recv_fds(client, 1 << 16, 4)
        if descriptors:
            with open(descriptors[0], "rb") as file:
                assert (answer, len(descriptors)) == (b"\n", 1)
                assert file.read() == self.files[sent[:-1]], "another file"
        else:
            assert content is None
            # A name that is longer than we read in one go is answered after its first part, and cut
            # there.
            assert answer.startswith(b"erreur : ") and answer.endswith(
                " : fichier introuvable\n".encode()
            ), answer
            if len(sent) < 4000:
                assert answer == b"erreur : " + sent[:-1] + " : fichier introuvable\n".encode()
        rest = yield from receiving(client)
        assert rest == b"", f"after the answer came {rest[:100]!r}"


class Forward(Echo):
    """The well-behaved go through to an echo server; others to targets as hostile as clients
    are."""

    def start(self):
        self.target = Program("echo/poll", 0)
        self.listeners = {
            kind: socket.create_server(("127.0.0.1", 0), backlog=1000) for kind in self.targets
        }
        # Answers no SYN, once it is full.
        self.deaf = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.fillers = [socket.socket() for _ in range(4)]
        for filler in self.fillers:
            filler.setblocking(False)
            filler.connect_ex(self.deaf.getsockname())
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refused = closed.getsockname()[1]
        ports = [
            self.target.port,
            *(listener.getsockname()[1] for listener in self.listeners.values()),
        ]
        ports += [self.deaf.getsockname()[1], refused]
        server = super().start(*(f"0:127.0.0.1:{port}" for port in ports))
        self.ways = ["echo", *self.listeners, "deaf", "refused"]
        return server

    def find(self):
        while len(
            lines := [line for line in self.server.log if line.startswith("listening on ")]
        ) < len(self.ways):
            time.sleep(0.01)
        self.through = {
            way: ("127.0.0.1", int(line.rsplit(":", 1)[1])) for way, line in zip(self.ways, lines)
        }
        for kind, listener in self.listeners.items():
            self.crowd.accompany(self.accepting(listener, self.targets[kind]))
        return self.through["echo"]

    def run(self, clients):
        super().run(clients)
        self.crowd.run([self.until_the_targets_are_alone()], 1)

    def until_the_targets_are_alone(self):
        """One that neither reads nor closes yet would keep a relay."""
        deadline = time.monotonic() + PATIENCE
        while len(self.crowd.background) > len(self.listeners):
            assert time.monotonic() < deadline, "a target has not seen the end of its client"
            yield 0.05

    def close(self):
        super().close()
        self.crowd.dismiss()
        for listener in [*self.listeners.values(), self.deaf, *self.fillers]:
            listener.close()
        self.target.stop()

    # ---- The targets.

    def accepting(self, listener, target):
        listener.setblocking(False)
        while True:
            yield listener, READ
            with contextlib.suppress(BlockingIOError):
                while True:
                    client, _ = listener.accept()
                    client.setblocking(False)
                    self.crowd.accompany(hostile(target(self, client)))

    def resetting(self, client):
        reset(client)
        yield 0

    def resetting_later(self, client):
        yield client, READ
        reset(client)

    def half_closing(self, client):
        """Has nothing to say, and hears what there is."""
        with client:
            client.shutdown(socket.SHUT_WR)
            while (yield from receiving(client)):
                pass

    def mute(self, client):
        """Neither reads nor speaks."""
        with client:
            yield self.hold

    def endless(self, client):
        """Speaks as long as somebody listens, and does not listen itself."""
        with client:
            for _ in range(100):
                yield from sending(client, b"encore\n" * 1000)

    targets = {
        kind.__name__: kind for kind in (resetting, resetting_later, half_closing, mute, endless)
    }

    # ---- Those who go to them.

    def visiting(self):
        """Says something to any target but the good one, and stays for a while."""
        way = self.random.choice(self.ways[1:])
        client = yield from connected(
            self.through[way], receive_buffer=self.random.choice((None, 4096))
        )
        try:
            for _ in range(self.random.randrange(0, 30)):
                try:
                    client.send(b"x" * 10_000)
                except BlockingIOError:
                    yield 0.01
            if self.random.random() < 0.3:
                client.shutdown(socket.SHUT_WR)
            leave_at = time.monotonic() + self.random.random() * self.hold
            while time.monotonic() < leave_at:
                with contextlib.suppress(BlockingIOError):
                    if client.recv(4096) == b"":
                        break
                yield 0.02
        finally:
            # That it has closed, its half-close does not tell: the relay would wait for the deaf,
            # two minutes.
            (reset if way == "deaf" else leave)(client)

    mix = {**clients.MIX, clients.well_behaved: 190, visiting: 100}


class Datagrams(Place):
    """No connections: a client is a socket with an address. All answers that nobody has read yet
    wait in the server's send buffer, which no program may make larger than net.core.wmem_max: what
    does not fit there is lost. So there are fewer at once, and they say less, than would fill
    it."""

    at_once = 30

    def start(self):
        return super().start(self.directory / "socket")

    def find(self):
        self.server.logged("listening on ")
        return str(self.directory / "socket")

    def talk(self):
        return self.random.randbytes(self.random.choice((0, 1, 10, 100, 1000, 5000)))

    def socket(self, bind=True):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.setblocking(False)
        if bind:
            client.bind("")  # an address of the kernel's choice (autobind, unix(7))
        client.connect(self.address)
        return client

    def sending(self, client, datagram):
        while True:
            try:
                return client.send(datagram)
            except BlockingIOError:
                yield client, WRITE

    def asking(self, client, datagram):
        yield from self.sending(client, datagram)
        answer = yield from receiving(client, 1 << 20)
        assert answer == PREFIX + datagram, f"{answer[:60]!r} for {datagram[:60]!r}"

    def reside(self, residents):
        self.connections += 1
        residents.append(self.socket())
        yield 0

    def speak_at_last(self, client):
        with client:
            yield from self.asking(client, self.talk())

    # ---- The clients.

    def well_behaved(self):
        began = time.monotonic()
        with self.socket() as client:
            for _ in range(self.random.randrange(1, 4)):
                yield from self.asking(client, self.talk())
        self.answered(time.monotonic() - began)

    def flooding(self):
        """Does not wait for one answer before it sends the next, but reads them."""
        with self.socket() as client:
            for first in range(0, 500, 5):
                for number in range(first, first + 5):
                    yield from self.sending(client, b"%d" % number)
                for number in range(first, first + 5):
                    assert (yield from receiving(client)) == PREFIX + b"%d" % number

    def gone_before_the_answer(self):
        with self.socket() as client:
            yield from self.sending(client, self.talk())

    def nameless(self):
        """Has no address to be answered to."""
        with self.socket(bind=False) as client:
            yield from self.sending(client, self.talk())

    def never_reading(self):
        with self.socket() as client:
            for _ in range(30):
                yield from self.sending(client, b"x")
            yield self.hold

    def too_long(self):
        with self.socket() as client:
            so_sndbufforce = 32  # for root: past the system's limit (socket(7))
            with contextlib.suppress(PermissionError):
                client.setsockopt(socket.SOL_SOCKET, so_sndbufforce, 3 << 20)
            yield from self.sending(
                client, bytes(self.random.choice((60_000, (1 << 20) - 1, (1 << 20) + 1)))
            )

    mix = {
        well_behaved: 520,
        flooding: 10,
        gone_before_the_answer: 300,
        nameless: 150,
        never_reading: 10,
        too_long: 10,
    }
    checked = {well_behaved, flooding}


class Broadcast(Place):
    """All that is said is heard by all: witnesses, who stay, check that it is the same for each of
    them."""

    residents = 5
    at_once = 60
    bound = 10  # the room waits for five seconds for one that does not read, before it drops it
    starving = 10
    mix = {
        **clients.MIX,
        clients.flooding: 10,
        clients.never_reading: 1,
        clients.resetting_while_it_is_owed_much: 5,
        clients.well_behaved: 324,
    }

    def soak(self, rounds):
        self.said = []
        self.logs = []
        sockets = []
        names = []
        for _ in range(self.residents):
            self.crowd.run([self.enter(names, sockets)], 1)
        for witness in sockets:
            self.logs.append(bytearray())
            self.crowd.accompany(self.listening(witness, self.logs[-1]))
        self.crowd.run(self.clients(rounds), self.at_once)
        hungry = [self.starve() for _ in range(self.starving)]
        self.connections += 300 + self.starving
        self.crowd.run([*hungry, *(clients.flooding(self) for _ in range(300))], self.at_once)
        self.crowd.run([self.silence()], 1)
        self.judge(names)
        self.crowd.dismiss()

    def enter(self, names, sockets):
        self.connections += 1
        client = yield from connected(self.address)
        sockets.append(client)
        names.append((yield from self.name_of(client)))

    def name_of(self, client):
        greeting = yield from exchanging(client, b"", 14)
        assert re.fullmatch(rb"je suis : [A-Za-z0-9]{3}\n", greeting), greeting
        return greeting[10:13]

    def listening(self, client, log):
        with client:
            while piece := (yield from receiving(client)):
                log += piece

    def starve(self):
        """Reads its name and nothing more: it is dropped, and that is announced."""
        with (yield from connected(self.address, receive_buffer=4096)) as client:
            gone = (yield from self.name_of(client)) + " est déconnecté\n".encode()
            start = max(0, len(self.logs[0]) - 1000)
            deadline = time.monotonic() + PATIENCE
            while self.logs[0].find(gone, start) == -1:
                assert time.monotonic() < deadline, "one that never reads is still there"
                yield 0.1

    def silence(self):
        """Waits until all that was said has been heard, and all have left but the witnesses."""
        deadline = time.monotonic() + PATIENCE
        last = None
        while last != (last := [bytes(log[-50:]) for log in self.logs]) or not self.left():
            assert time.monotonic() < deadline, "not all that have left were announced"
            yield 0.2

    def left(self):
        log = self.logs[-1]
        return log.count(" est connecté\n".encode()) <= log.count(" est déconnecté\n".encode())

    def judge(self, names):
        """The log of the last witness to come is the end of everybody's, and tells a story that is
        possible."""
        log = bytes(self.logs[-1])
        wrong = self.crowd.failures.append
        for other in self.logs:
            if not other.endswith(log):
                wrong("two witnesses have not heard the same")
        present = set(names)
        heard = []
        for line in log.split(b"\n")[:-1]:
            name = line[11:14] if line.startswith(b"Message de ") else line[:3]
            if line == name + " est connecté".encode():
                if name in present:
                    wrong(f"{name} came twice")
                present.add(name)
            elif name not in present:
                wrong(f"from nobody who is here: {line}")
            elif line == name + " est déconnecté".encode():
                present.remove(name)
            elif not line.startswith(b"Message de " + name + b" : "):
                wrong(f"not a message: {line}")
            elif line[17:].startswith(b"bon "):
                heard.append(line)
        if present != set(names):
            wrong("not all that have left were announced")
        expected = set(self.said)
        if sorted(line for line in heard if line in expected) != sorted(self.said):
            wrong("what was said was not heard by all, or more than once")

    # ---- What is said.

    def lines(self, count):
        return (
            b"".join(
                b"bon " + self.random.randbytes(16).hex().encode() + b"\n" for _ in range(count)
            ),
            b"",
        )

    def talk(self):
        return self.lines(self.random.randrange(1, 4))

    def flood(self):
        return self.lines(100)

    def converse(self, client, said, half_close=False, **reading):
        me = yield from self.name_of(client)
        messages = [b"Message de " + me + b" : " + line for line in said[0].split(b"\n")[:-1]]
        yield from sending(client, said[0])
        if half_close:
            client.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := (yield from receiving(client, reading.get("piece", 1 << 16))):
            heard += piece
            yield reading.get("pause", 0)
            if messages[-1] in heard and not half_close:
                client.shutdown(socket.SHUT_WR)
                half_close = True
        mine = [line for line in heard.split(b"\n") if line.startswith(b"Message de " + me)]
        assert (
            heard.endswith(b"\n") and mine == messages
        ), f"{len(mine)} of {len(messages)} messages came back"
        self.said += messages


PLACES = {
    "echo/iterative": OneAtATime,
    "echo/fork": Forking,
    "echo/thread": Echo,
    "echo/select": Echo,
    "echo/poll": Echo,
    "echo/generations": Generations,
    "broadcast/server": Broadcast,
    "tcp/netcat": Netcat,
    "tcp/forward": Forward,
    "tcp/commands": Commands,
    "tcp/web": Web,
    "unix_domain/stream_server": UnixEcho,
    "unix_domain/datagram_server": Datagrams,
    "unix_domain/fd_server": FdServer,
}
