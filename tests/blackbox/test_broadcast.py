"""broadcast/server: everyone hears everyone, in one order, whole, and nothing is lost."""

import hashlib
import os
import re
import selectors
import signal
import socket
import subprocess
import threading
import time

import pytest
from harness import (
    PATIENCE,
    connect,
    eventually,
    needs_plain_build,
    peer,
    receive,
    receive_all,
    reset,
    run,
    sanitized,
    strace,
)
from wants import memory, needs_descriptors, needs_hosts, needs_ipv6

SERVER = "broadcast/server"
FD_SETSIZE = 1024
LONGEST = 65_536
TOO_LONG = "erreur : ligne trop longue"
FULL = b"serveur complet\n"


class Guest:
    """A client that has been greeted."""

    def __init__(self, server, socket=None, **options):
        self.socket = socket or connect(server.address, **options)
        self.unheard = b""  # received, and not looked at yet
        greeting = self.reads(len("je suis : ABC\n"))
        assert re.fullmatch(rb"je suis : [A-Za-z0-9]{3}\n", greeting), greeting
        self.name = greeting[10:13].decode()

    def sends(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def says(self, *lines):
        self.sends(in_lines(lines))

    def leaves(self):
        """Half-closes: it will still hear what it is owed."""
        self.socket.shutdown(socket.SHUT_WR)

    def closes(self):
        self.socket.close()

    def resets(self):
        reset(self.socket)

    def reads(self, count):
        """The next `count` bytes; fewer if the server closes."""
        while len(self.unheard) < count and (piece := self.socket.recv(1 << 20)):
            self.unheard += piece
        read, self.unheard = self.unheard[:count], self.unheard[count:]
        return read

    def hears(self, *lines):
        expected = in_lines(lines)
        assert self.reads(len(expected)) == expected

    def hears_up_to(self, line):
        """What it hears before this line, as one text."""
        end = b"\n" + in_lines([line])
        heard = b"\n" + self.unheard
        searched = 0
        while (at := heard.find(end, searched)) == -1:
            searched = max(len(heard) - len(end), 0)
            piece = self.socket.recv(1 << 20)
            assert piece, f"closed after {heard[-300:]}"
            heard += piece
        self.unheard = heard[at + len(end) :]
        return heard[1 : at + 1].decode()

    def hears_the_end(self):
        assert self.unheard + receive_all(self.socket) == b""
        self.socket.close()


def in_lines(lines):
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)


def messages(guest, *lines):
    """What everyone hears when `guest` says these."""
    return [
        f"Message de {guest.name} : ".encode()
        + (line if isinstance(line, bytes) else line.encode())
        for line in lines
    ]


def room(server, count, **options):
    """`count` guests, each of whom has heard the others come."""
    guests = []
    for _ in range(count):
        newcomer = Guest(server, **options)
        for guest in guests:
            guest.hears(f"{newcomer.name} est connecté")
        guests.append(newcomer)
    return guests


def converse(*guests):
    """Each says a line, and all hear it."""
    for number, speaker in enumerate(guests):
        speaker.says(f"ici {number}")
        for guest in guests:
            guest.hears(*messages(speaker, f"ici {number}"))


# ---- The conversation ----------------------------------------------------------------------------


def test_a_newcomer_hears_nothing_of_what_was_said_before(start):
    server = start(SERVER)
    alice = Guest(server)
    alice.says("il n'y a personne")
    alice.hears(*messages(alice, "il n'y a personne"))
    bob = Guest(server)
    bob.says("si")
    bob.hears(*messages(bob, "si"))


@pytest.mark.parametrize(
    "client",
    [
        ["nc", "-N", "127.0.0.1", "PORT"],
        ["ncat", "127.0.0.1", "PORT"],
        ["socat", "-", "TCP4:localhost:PORT"],
    ],
    ids=lambda words: words[0],
)
def test_a_real_client_hears_its_own_message_before_the_close(start, client):
    server = start(SERVER)
    alice = Guest(server)
    needs_hosts(*client)
    command = [peer(client[0])] + [word.replace("PORT", str(server.port)) for word in client[1:]]
    shown = subprocess.run(
        command, input="salut\n".encode(), capture_output=True, timeout=PATIENCE
    ).stdout.decode()
    match = re.fullmatch(r"je suis : (...)\nMessage de \1 : salut\n", shown)
    assert match, shown
    alice.hears(
        f"{match[1]} est connecté", f"Message de {match[1]} : salut", f"{match[1]} est déconnecté"
    )


@pytest.mark.parametrize("address, client", [("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")])
def test_it_listens_where_it_is_told_to(start, address, client):
    needs_ipv6(address, client)
    server = start(SERVER, "-b", address, 0)
    assert receive(connect((client, server.port)), 10) == b"je suis : "


# ---- Long lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["newline", "half-close"])
def test_a_line_of_64_kib_is_a_message(start, end):
    server = start(SERVER)
    alice, bob = room(server, 2)
    bob.sends("x" * LONGEST)
    bob.sends("\n") if end == "newline" else bob.leaves()
    for guest in (alice, bob):
        guest.hears(*messages(bob, "x" * LONGEST))


@pytest.mark.parametrize(
    "rest",
    ["x", "x\n", "x" * LONGEST, "x\nUn message de plus\n"],
    ids=["+1", "+1 and newline", "twice", "+1 and a line"],
)
def test_a_line_over_64_kib_is_refused_and_its_sender_with_it(start, rest):
    server = start(SERVER)
    alice, bob = room(server, 2)
    bob.says("avant")
    bob.sends("x" * LONGEST + rest)
    bob.hears(*messages(bob, "avant"), TOO_LONG)
    bob.hears_the_end()
    alice.hears(*messages(bob, "avant"), f"{bob.name} est déconnecté")
    converse(alice)


def test_who_was_refused_and_does_not_close_is_closed(start):
    server = start(SERVER)
    alice, bob = room(server, 2)
    before = server.descriptors()
    bob.sends(b"x" * (LONGEST + 1))
    bob.hears(TOO_LONG)
    assert bob.reads(1) == b""
    eventually(lambda: server.descriptors() == before - 1)
    alice.hears(f"{bob.name} est déconnecté")
    converse(alice)


@pytest.mark.waits
def test_a_slow_reader_that_was_refused_hears_all_that_it_is_owed(start):
    """Others go on, and would wait for it if it were still in the room."""
    server = start(SERVER)
    alice = Guest(server)
    slow = Guest(server, receive_buffer=32 * 1024)
    alice.hears(f"{slow.name} est connecté")
    said = ["x" * 1000] * 360  # more than the sockets between them hold
    alice.says(*said)
    alice.hears(*messages(alice, *said))
    slow.sends("x" * 70_000)
    alice.hears(f"{slow.name} est déconnecté")
    more = ["y" * 1000] * 300
    others = threading.Thread(target=lambda: alice.hears(*messages(alice, *more)))
    others.start()
    alice.says(*more)
    expected = in_lines(messages(alice, *said)) + in_lines([TOO_LONG])
    heard = bytearray()
    begun = time.monotonic()
    while len(heard) < len(expected):
        if len(heard) < (time.monotonic() - begun) * 25 * 1024:
            piece = slow.socket.recv(4096)
            assert piece, f"closed after {len(heard)} of {len(expected)} bytes"
            heard += piece
        else:
            slow.sends("z" * 10)  # what is unread makes a close a reset
            time.sleep(0.05)
    assert heard == expected
    others.join()


# ---- Leaving -------------------------------------------------------------------------------------


def test_a_last_line_without_its_newline_is_a_message(start):
    server = start(SERVER)
    alice, bob = room(server, 2)
    bob.sends("un\nadieu")
    bob.leaves()
    bob.hears(*messages(bob, "un", "adieu"))
    bob.hears_the_end()
    alice.hears(*messages(bob, "un", "adieu"), f"{bob.name} est déconnecté")


def test_after_a_half_close_comes_all_that_is_owed_and_nothing_that_is_said_later(start):
    server = start(SERVER)
    alice = Guest(server)
    bob = Guest(server, receive_buffer=4096)
    alice.hears(f"{bob.name} est connecté")
    lines = ["x" * 1000] * 200
    reader = threading.Thread(
        target=alice.hears, args=[*messages(bob, *lines), f"{bob.name} est déconnecté"]
    )
    reader.start()
    bob.says(*lines)
    bob.leaves()
    reader.join()
    alice.says("il est parti")
    alice.hears(*messages(alice, "il est parti"))
    bob.hears(*messages(bob, *lines))
    bob.hears_the_end()


def test_a_reset_in_mid_line_is_no_message(start):
    server = start(SERVER)
    alice, bob = room(server, 2)
    bob.sends("entier\ncoupé")
    for guest in (alice, bob):
        guest.hears(*messages(bob, "entier"))
    bob.resets()
    alice.hears(f"{bob.name} est déconnecté")
    converse(alice)


def test_the_last_words_of_those_who_close_without_reading_are_heard(start):
    """What they have not read makes of their close a reset, and our next send to them fails. Their
    last messages are in the socket then, and must still be read from it."""
    server = start(SERVER)
    alice, bob = room(server, 2)
    for i in range(200):
        guest = Guest(server)
        alice.says(*["bla"] * 10)
        guest.says(*[f"adieu {i}"] * 100)
        guest.closes()
        alice.says(*["bla"] * 10)
        bob.hears_up_to(f"{guest.name} est connecté")
        assert (
            bob.hears_up_to(f"{guest.name} est déconnecté").count(
                f"Message de {guest.name} : adieu {i}\n"
            )
            == 100
        )
        alice.hears_up_to(f"{guest.name} est déconnecté")


def test_a_last_line_is_a_message_even_if_a_send_to_who_closed_has_failed_before_it_was_heard(
    start,
):
    """It closes, and its end has come. While the room is too full to hear it, two sends to it fail:
    the first brings a reset from its kernel, the second is told of it. It has still ended its line
    by closing, and not by a reset.
    """
    server = start(SERVER)
    alice, bob = room(server, 2)
    guest = Guest(server)
    for one in (alice, bob):
        one.hears(f"{guest.name} est connecté")
    server.process.send_signal(signal.SIGSTOP)
    os.waitpid(server.pid, os.WUNTRACED)
    for one in (alice, bob):  # 288 KiB of messages each: whoever is heard first, the guest is not
        one.sends(b"\n" * 16_384)
    guest.sends("dernier")
    guest.closes()
    server.process.send_signal(signal.SIGCONT)
    listener = threading.Thread(target=bob.hears_up_to, args=[f"{guest.name} est déconnecté"])
    listener.start()
    heard = alice.hears_up_to(f"{guest.name} est déconnecté")
    listener.join(PATIENCE)
    assert heard.endswith(f"Message de {guest.name} : dernier\n"), heard[-100:]


def test_a_line_cut_by_a_reset_that_a_send_is_told_of_is_no_message(start):
    server = start(SERVER)
    alice, bob = room(server, 2)
    server.process.send_signal(signal.SIGSTOP)
    os.waitpid(server.pid, os.WUNTRACED)
    alice.sends(b"\n" * 16_384)
    bob.sends("\n" * 16_384 + "coupé")
    bob.resets()
    server.process.send_signal(signal.SIGCONT)
    assert "coupé" not in alice.hears_up_to(f"{bob.name} est déconnecté")


# ---- Many ----------------------------------------------------------------------------------------


def test_100_clients_with_1000_lines_each_hear_all_of_them_in_one_order(start):
    server = start(SERVER)
    guests = room(server, 100)
    speeches = [
        b"".join(b"%s dit %d\n" % (guest.name.encode(), i) for i in range(1000)) for guest in guests
    ]
    total = sum(len(speech) for speech in speeches) + 100 * 1000 * len("Message de ABC : ")
    unsent = {guest: memoryview(speech) for guest, speech in zip(guests, speeches)}
    received, digest, first = (
        dict.fromkeys(guests, 0),
        {guest: hashlib.sha1() for guest in guests},
        [],
    )
    with selectors.DefaultSelector() as selector:
        for guest in guests:
            guest.socket.setblocking(False)
            selector.register(guest.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, guest)
        while any(count < total for count in received.values()):
            ready = selector.select(PATIENCE)
            assert ready, "nothing comes any more"
            for key, events in ready:
                guest = key.data
                if events & selectors.EVENT_READ:
                    piece = guest.socket.recv(1 << 20)
                    assert piece, "closed"
                    received[guest] += len(piece)
                    digest[guest].update(piece)
                    if guest is guests[0]:
                        first.append(piece)
                if events & selectors.EVENT_WRITE:
                    unsent[guest] = unsent[guest][guest.socket.send(unsent[guest][:8192]) :]
                    if not unsent[guest]:
                        selector.modify(guest.socket, selectors.EVENT_READ, guest)
    assert set(received.values()) == {total}
    assert len({d.digest() for d in digest.values()}) == 1
    said = {guest.name: [] for guest in guests}
    for line in b"".join(first).decode().splitlines():
        match = re.fullmatch(r"Message de (...) : (.*)", line)
        said[match[1]].append(match[2])
    assert said == {guest.name: [f"{guest.name} dit {i}" for i in range(1000)] for guest in guests}


def assert_full(server):
    """Three who come in vain are told so, though they have spoken already: a close with that unread
    is a reset."""
    server.process.send_signal(signal.SIGSTOP)
    late = [connect(server.address) for _ in range(3)]
    for client in late:
        client.sendall(b"il y a de la place ?")
    server.process.send_signal(signal.SIGCONT)
    for client in late:
        assert receive_all(client) == FULL


def test_the_clients_past_fd_setsize_are_told_and_when_one_leaves_the_next_gets_in(start):
    needs_descriptors(FD_SETSIZE)
    server = start(SERVER)
    clients = [connect(server.address) for _ in range(FD_SETSIZE + 10)]
    peek = socket.MSG_PEEK | socket.MSG_WAITALL
    refused = [client for client in clients if client.recv(14, peek) == FULL[:14]]
    assert 10 < len(refused) < 24  # a few descriptors are the server's own
    assert {receive_all(client) for client in refused} == {FULL}
    guests = [Guest(server, client) for client in clients if client not in refused]
    assert len({guest.name for guest in guests}) == len(guests)
    assert_full(server)
    guests[500].leaves()
    guests[0].hears_up_to(f"{guests.pop(500).name} est déconnecté")
    newcomer = Guest(server)
    newcomer.says("enfin")
    for guest in (newcomer, *guests):
        guest.hears_up_to(f"Message de {newcomer.name} : enfin")


def test_it_needs_no_file_to_let_somebody_in(start):
    """A bare chroot has no /dev/null."""
    server = start(SERVER, under=[*strace("openat", "openat:error=ENOENT"), "-P", "/dev/null"])
    with server.connect() as client:
        assert receive(client, 13).startswith(b"je suis : ")


def test_the_client_past_our_limit_of_descriptors_is_told_and_when_one_leaves_the_next_gets_in(
    start,
):
    server = start(SERVER, nofile=16)
    guests = room(server, 16 - server.descriptors())
    assert_full(server)
    converse(*guests)
    leaver = guests.pop()
    leaver.leaves()
    leaver.hears_the_end()
    for guest in guests:
        guest.hears(f"{leaver.name} est déconnecté")
    newcomer = Guest(server)
    for guest in guests:
        guest.hears(f"{newcomer.name} est connecté")
    assert_full(server)
    converse(*guests, newcomer)


def test_no_descriptor_below_fd_setsize_is_one_line_and_status_1():
    needs_descriptors(FD_SETSIZE)

    def inherit_a_thousand():
        for fd in range(3, FD_SETSIZE + 1):
            os.dup2(2, fd)

    ended = run(SERVER, 0, preexec_fn=inherit_a_thousand, close_fds=False)
    assert ended.returncode == 1
    assert re.fullmatch(r"broadcast/server: .*FD_SETSIZE\n", ended.stderr)


def test_a_storm_of_2000_short_lived_clients_leaves_nothing_behind(start):
    server = start(SERVER)
    alice, bob = room(server, 2)
    descriptors = server.descriptors()
    names = []

    def come_and_go(first):
        for i in range(first, first + 500):
            guest = Guest(server)
            names.append(guest.name)
            guest.sends(f"bonjour {i}\n" if i % 2 else f"bonjour {i}")
            if i % 4 == 0:
                guest.resets()
            elif i % 4 == 1:
                guest.closes()
            else:
                guest.leaves()
                assert f"Message de {guest.name} : bonjour {i}\n".encode() in guest.reads(1 << 30)
                guest.closes()

    def talk(until):
        while not until.is_set():
            alice.says("bla")
            for who, text in heard.items():
                text.append(who.hears_up_to(f"Message de {alice.name} : bla"))

    def storm():
        the_end = threading.Event()
        talker = threading.Thread(target=talk, args=[the_end])
        talker.start()
        visitors = [
            threading.Thread(target=come_and_go, args=[first]) for first in range(0, 1000, 500)
        ]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        eventually(lambda: server.descriptors() == descriptors)
        the_end.set()
        talker.join()

    heard = {alice: [], bob: []}
    storm()
    memory = server.rss()
    storm()
    assert sanitized(SERVER) or server.rss() < memory + 256 * 1024

    alice.says("fin")
    text, same = (
        "".join(before) + who.hears_up_to(f"Message de {alice.name} : fin")
        for who, before in heard.items()
    )
    assert text == same
    assert len(names) == 2000
    present = set()
    messages_heard = 0
    for line in text.splitlines():
        if match := re.fullmatch(r"(...) est connecté", line):
            assert match[1] not in present
            present.add(match[1])
        elif match := re.fullmatch(r"(...) est déconnecté", line):
            present.remove(match[1])
        else:
            match = re.fullmatch(r"Message de (...) : bonjour \d+", line)
            assert match[1] in present
            messages_heard += 1
    assert not present
    assert messages_heard == 1500  # all but those whose line was cut by a reset


# ---- Those who do not keep up --------------------------------------------------------------------


class Flood:
    """A guest's long speech: a block of 100 kB, many times over."""

    def __init__(self, speaker):
        self.speaker = speaker
        lines = [f"{i:099}" for i in range(1000)]
        self.block = in_lines(lines)
        self.heard = in_lines(messages(speaker, *lines))  # what everyone hears of a block

    def starts(self, blocks):
        def speak():
            try:
                for _ in range(blocks):
                    self.speaker.socket.sendall(self.block)
            except OSError:
                pass  # the speaker was dropped

        self.thread = threading.Thread(target=speak, daemon=True)
        self.thread.start()

    def is_heard_by(self, guests, blocks, news=()):
        """Reads until each of `guests` has heard all of it, every byte checked as it comes, and
        somewhere between two messages the `news`: one line, or none."""
        news = in_lines(news)
        heard = self.heard * 11  # any megabyte of it
        left = dict.fromkeys(guests, blocks * len(self.heard) + len(news))
        cut = dict.fromkeys(guests, b"")  # the beginning of a line that has not ended
        at = dict.fromkeys(guests, 0)
        with selectors.DefaultSelector() as selector:
            for guest in guests:
                selector.register(guest.socket, selectors.EVENT_READ, guest)
            while selector.get_map():
                ready = selector.select(PATIENCE)
                assert ready, "nothing comes any more"
                for guest in [key.data for key, _ in ready]:
                    piece = guest.socket.recv(min(left[guest], 1 << 19))
                    assert piece, "closed"
                    left[guest] -= len(piece)
                    if left[guest] == 0:
                        selector.unregister(guest.socket)
                    lines = cut[guest] + piece
                    end = lines.rfind(b"\n") + 1
                    lines, cut[guest] = lines[:end], lines[end:]
                    if not heard.startswith(lines, at[guest]):
                        assert news and news in lines
                        lines = lines.replace(news, b"", 1)
                        assert heard.startswith(lines, at[guest])
                    at[guest] = (at[guest] + len(lines)) % len(self.heard)


def test_one_that_never_reads_is_dropped_and_the_others_lose_nothing_of_a_flood(start):
    server = start(SERVER)
    guests = room(server, 51)
    dead = guests.pop()
    blocks = 500
    flood = Flood(guests[0])
    flood.starts(blocks)
    flood.is_heard_by(guests, blocks, [f"{dead.name} est déconnecté"])
    assert sanitized(SERVER) or memory(server.pid, "VmHWM") < 16 << 20
    converse(*guests)


def test_one_that_sends_much_and_never_reads_is_stopped_and_dropped(start):
    server = start(SERVER)
    alice, deaf = room(server, 2)
    flood = Flood(deaf)
    flood.starts(10**9)
    heard = alice.hears_up_to(f"{deaf.name} est déconnecté")
    assert len(heard) < 1_500_000  # 256 KiB, and what is in two sockets
    flood.thread.join()
    converse(alice)


@pytest.mark.alone
def test_one_that_is_merely_slow_is_kept_and_loses_nothing(start):
    """It has the server wait for longer than the five seconds in which the dead are dropped."""
    server = start(SERVER)
    alice, bob = room(server, 2)
    slow = Guest(server, receive_buffer=4096)
    for guest in (alice, bob):
        guest.hears(f"{slow.name} est connecté")
    blocks = 80
    flood = Flood(alice)
    flood.starts(blocks)
    others = threading.Thread(target=flood.is_heard_by, args=[[alice, bob], blocks])
    others.start()
    begun = time.monotonic()
    heard = bytearray()
    while (elapsed := time.monotonic() - begun) < 8:
        if len(heard) < elapsed * 100 * 1024:
            heard += slow.socket.recv(4096)
        else:
            time.sleep(0.01)
    assert others.is_alive(), "nobody had to wait for it: the test shows nothing"
    heard += receive(slow.socket, blocks * len(flood.heard) - len(heard))
    assert heard == flood.heard * blocks
    others.join()
    converse(alice, bob, slow)


def test_one_that_says_a_word_does_not_wait_for_those_who_said_a_thousand(start):
    server = start(SERVER)
    *speakers, alice = guests = room(server, 30)
    unsent = dict.fromkeys(speakers, b"")
    for guest in speakers:
        guest.socket.setblocking(False)
    progress = True
    # Until the server stops reading, for nobody else does, and the sockets are full.
    while progress:
        progress = False
        for guest in speakers:
            unsent[guest] = unsent[guest] or b"x" * 9999 + b"\n"
            try:
                unsent[guest] = unsent[guest][guest.socket.send(unsent[guest]) :]
                progress = True
            except BlockingIOError:
                pass
    alice.says("coucou")
    heard = bytearray()
    with selectors.DefaultSelector() as selector:
        for guest in guests:
            selector.register(guest.socket, selectors.EVENT_READ, guest)
        while b"coucou" not in heard:
            for guest in [key.data for key, _ in selector.select(PATIENCE)]:
                piece = guest.socket.recv(1 << 20)
                heard += piece if guest is alice else b""
    # What was underway, and a turn for each: 5 MB; what the others sent: 80 MB.
    assert len(heard) < 20_000_000


def test_a_silent_server_uses_no_processor_time(start):
    needs_plain_build(SERVER)
    server = start(SERVER)
    alice, dead = room(server, 2)
    flood = Flood(alice)
    flood.starts(50)
    before = server.cpu()
    # Five seconds, in which the room waits.
    flood.is_heard_by([alice], 50, [f"{dead.name} est déconnecté"])
    assert server.cpu() - before < 0.25


# ---- Faults --------------------------------------------------------------------------------------

PASSING = [
    (call, error)
    for call, errors in {
        "accept": "EINTR ECONNABORTED EAGAIN EMFILE ENFILE ENOBUFS ENOMEM",
        "recvfrom": "EINTR EAGAIN",
        "sendto": "EINTR EAGAIN",
        "select,pselect6": "EINTR ENOMEM EAGAIN",
    }.items()
    for error in errors.split()
]


@pytest.mark.parametrize("call, error", PASSING)
def test_faults_that_pass_change_nothing(start, call, error):
    server = start(SERVER, under=strace(call, f"{call}:error={error}:when=2..9"))
    alice, bob = Guest(server), Guest(server)
    alice.hears(f"{bob.name} est connecté")
    converse(alice, bob)
    bob.leaves()
    bob.hears_the_end()
    alice.hears(f"{bob.name} est déconnecté")


@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize(
    "call, error",
    [
        *[("sendto", error) for error in ("EPIPE", "ECONNRESET", "ENOBUFS", "ENOMEM")],
        *[("recvfrom", error) for error in ("ECONNRESET", "ENOBUFS", "ENOMEM")],
    ],
)
def test_a_connection_that_fails_ends_alone(start, call, error, number):
    server = start(SERVER, under=strace(call, f"{call}:error={error}:when={number}"))
    for _ in range(number):  # each makes the server call send and recv at least once
        client = connect(server.address)
        client.sendall(b"un\ndeux\n")
        try:
            client.shutdown(socket.SHUT_WR)
            receive_all(client)
        except OSError:
            pass  # this was the one
    alice, bob = Guest(server), Guest(server)
    alice.hears(f"{bob.name} est connecté")
    converse(alice, bob)


def test_who_is_lost_by_a_failed_send_is_announced(start):
    server = start(SERVER, under=strace("sendto", "sendto:error=ECONNRESET:when=4"))
    alice = Guest(server)  # the first send is its greeting,
    bob = Guest(server)
    alice.hears(f"{bob.name} est connecté")  # the second this, the third bob's greeting
    alice.says("perdu")
    bob.hears(*messages(alice, "perdu"), f"{alice.name} est déconnecté")
    alice.hears_the_end()
    converse(bob)


def test_a_shortage_of_descriptors_in_the_whole_system_is_said_once_and_waited_for(start):
    server = start(SERVER, under=strace("accept", "accept:error=ENFILE:when=1..10"))
    begun = time.monotonic()
    alice = Guest(server)
    assert time.monotonic() - begun > 0.9  # ten rests of a tenth of a second
    assert len([line for line in server.log if "resting" in line]) == 1
    converse(alice)


# ---- The command line, and the end ---------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_the_middle_of_a_flood(start, how):
    server = start(SERVER)
    guests = room(server, 3)
    flood = Flood(guests[0])
    flood.starts(10**9)
    guests[1].reads(100_000)
    server.stop(how)


def test_a_signal_ends_it_in_the_middle_of_a_round(start):
    """A full room sends a quarter of a gibibyte in one."""
    server = start(SERVER)
    clients = [guest.socket for guest in room(server, 30)]
    server.stop_amid_a_round(clients[:1], b"x\n", answered=clients, call="send")


def test_help():
    result = run(SERVER, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: broadcast/server [-b ADDR] [PORT]\n")


@pytest.mark.parametrize(
    "arguments", [["-x"], ["70000"], ["9090", "9091"], ["-b"], ["neuf"]], ids=" ".join
)
def test_bad_usage(arguments):
    result = run(SERVER, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "usage: broadcast/server" in result.stderr


def test_a_port_that_is_taken_is_one_line_and_status_1(start):
    server = start(SERVER)
    result = run(SERVER, server.port)
    assert result.returncode == 1
    assert (
        result.stderr == f"broadcast/server: bind 127.0.0.1:{server.port}: Address already in use\n"
    )
