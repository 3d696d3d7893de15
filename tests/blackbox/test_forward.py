"""tcp/forward: what one end says the other hears, its end and its death included."""

import contextlib
import itertools
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest
from harness import (
    PATIENCE,
    assert_half_closes,
    connect,
    eventually,
    free_port,
    needs_plain_build,
    peer,
    readable,
    receive,
    receive_all,
    reset,
    run,
    sanitized,
    strace,
)
from names import NameServer, with_a_name_server
from networks import ONE_PORT, has_keepalive, unacknowledged, with_one_port
from preload import DETACH, library
from wants import memory, needs_descriptors, needs_hosts, needs_ipv6, proc, threads

FORWARD = "tcp/forward"
OPENS = "?open,openat"  # how a libc opens a file: musl calls open where there is one
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}  # where strace joins: LeakSanitizer wants ptrace too


@pytest.fixture
def target():
    """A listening socket on loopback."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.settimeout(30)
        yield listener


def accept(listener):
    connection, _ = listener.accept()
    connection.settimeout(30)
    return connection


def to(listener):
    """The redirection of a free port to a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"0:[{host}]:{port}" if ":" in host else f"0:{host}:{port}"


def through(server, listener, **options):
    """A connection through the server: (the client's end, the target's end)."""
    client = server.connect(**options)
    return client, accept(listener)


def listeners(server, count):
    """The addresses that the server said it listens on."""
    said = lambda: [line for line in server.log if line.startswith("listening on ")]  # noqa: E731
    eventually(lambda: len(said()) == count)
    return [line.removeprefix("listening on ") for line in said()]


def addresses(server, count):
    """The same, to connect to."""
    return [
        (host, int(port))
        for host, port in (address.rsplit(":", 1) for address in listeners(server, count))
    ]


def no_connection_left(server, before):
    """Waits until the server has as many descriptors open as it had."""
    eventually(lambda: server.descriptors() == before)


def echo_for_ever(listener):
    """A target that says back what it hears, to each client in turn."""

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(ConnectionError):
                while piece := connection.recv(65536):
                    connection.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()


# ---- The redirection -----------------------------------------------------------------------------


def test_what_one_end_says_the_other_hears(start, target):
    client, far = through(start(FORWARD, to(target)), target)
    every = bytes(range(256)) + b"\r\n\0 la fin"
    client.sendall(every)
    assert receive(far, len(every)) == every
    far.sendall(every[::-1])
    assert receive(client, len(every)) == every[::-1]


def test_the_target_may_speak_first(start, target):
    client, far = through(start(FORWARD, to(target)), target)
    far.sendall(b"220 bonjour\r\n")
    assert receive(client, 13) == b"220 bonjour\r\n"


@pytest.mark.parametrize("words", [["SPEC"], ["-L", "SPEC"], ["-LSPEC"], ["--", "SPEC"]])
def test_the_redirection_is_given_as_to_ssh_or_bare(start, target, words):
    server = start(FORWARD, *[word.replace("SPEC", to(target)) for word in words])
    assert server.address[0] == "127.0.0.1"
    client, far = through(server, target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"


@pytest.mark.parametrize(
    "bind, listens",
    [("localhost:", "127.0.0.1"), ("127.0.0.2:", "127.0.0.2"), ("[::1]:", "[::1]"),
     ("*:", "[::]"), (":", "[::]"), ("0.0.0.0:", "0.0.0.0")],
)  # fmt: skip
def test_it_listens_where_it_is_told(start, target, bind, listens):
    needs_ipv6(listens)
    needs_hosts(bind)
    server = start(FORWARD, bind + to(target))
    assert listeners(server, 1)[0].rpartition(":")[0] == listens
    client, far = through(server, target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"


def test_every_interface_is_ipv4_too(start, target):
    server = start(FORWARD, "*:" + to(target))
    with connect(("127.0.0.1", server.port)) as client:
        far = accept(target)
        client.sendall(b"salut")
        assert receive(far, 5) == b"salut"


def test_every_interface_is_ipv4_on_a_system_without_ipv6(start, target):
    server = start(
        FORWARD, "*:" + to(target), under=strace("socket", "socket:error=EAFNOSUPPORT:when=1")
    )
    assert listeners(server, 1)[0].startswith("0.0.0.0:")


def test_from_ipv4_to_ipv6(start):
    needs_ipv6()
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as target:
        target.settimeout(30)
        client, far = through(start(FORWARD, to(target)), target)
        client.sendall(b"salut")
        assert receive(far, 5) == b"salut"


def test_several_redirections_at_once_each_said_in_the_order_given(start, target):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(30)
        ports = [free_port(), free_port(), free_port()]
        specs = [
            to(listener).replace("0:", f"{port}:", 1)
            for listener, port in zip((target, other, target), ports)
        ]
        server = start(FORWARD, specs[0], "-L", specs[1], "-L" + specs[2])
        assert listeners(server, 3) == [f"127.0.0.1:{port}" for port in ports]
        for port, listener in zip(ports, (target, other, target)):
            with connect(("127.0.0.1", port)) as client:
                far = accept(listener)
                client.sendall(b"salut")
                assert receive(far, 5) == b"salut"


def test_two_hops(start, target):
    first = start(FORWARD, to(target))
    second = start(FORWARD, f"0:127.0.0.1:{first.port}")
    client, far = through(second, target)
    assert_half_closes(far, client)


# ---- A lot ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mebibytes", [128, pytest.param(1024, marks=pytest.mark.thorough)])
def test_much_in_each_direction_at_once(start, target, mebibytes):
    count = min(mebibytes, 1024 if not sanitized(FORWARD) else 64) << 20
    client, far = through(start(FORWARD, to(target)), target)
    pattern = b"".join(b"%d " % number for number in range(200_000))
    right = {}

    def write(end):
        left = count
        while left > 0:
            end.sendall(pattern[:left])
            left -= len(pattern)
        end.shutdown(socket.SHUT_WR)

    def read(end):
        buffer, twice, at = bytearray(1 << 20), memoryview(pattern * 2), 0
        view = memoryview(buffer)
        while got := end.recv_into(buffer):
            start = at % len(pattern)
            if view[:got] != twice[start : start + got]:
                return
            at += got
        right[end] = at == count

    threads = [
        threading.Thread(target=work, args=(end,))
        for work in (write, read)
        for end in (client, far)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert right == {client: True, far: True}


def test_five_hundred_connections_at_once(start, target):
    needs_descriptors(1000)
    server = start(FORWARD, to(target))
    before = server.descriptors()
    pairs = [through(server, target) for _ in range(500)]
    for number, (client, _) in enumerate(pairs):
        client.sendall(b"aller %d\n" % number)
    for number, (client, far) in enumerate(pairs):
        # accept may have given us another client's target
        heard = int(receive(far, len(b"aller %d\n" % number)).split()[1])
        far.sendall(b"retour %d\n" % heard)
    for number, (client, _) in enumerate(pairs):
        assert receive(client, len(b"retour %d\n" % number)) == b"retour %d\n" % number
    for client, far in pairs:
        client.close(), far.close()
    no_connection_left(server, before)


def test_a_thousand_idle_connections_take_less_than_20_mib(start, target):
    needs_descriptors(2000)
    needs_plain_build(FORWARD)
    server = start(FORWARD, to(target))
    pairs = [through(server, target) for _ in range(1000)]
    for client, far in pairs:  # each of them has been of use
        client.sendall(bytes(3000))
        receive(far, 3000)
    assert server.rss() < 20 << 20
    for client, far in pairs:
        client.close(), far.close()


# ---- Someone who does not read -------------------------------------------------------------------


def fill(end):
    """Sends until nothing more is taken for a while. How many bytes were."""
    end.settimeout(0.5)
    sent, piece = 0, b"0123456789abcdef" * 65536
    try:
        while True:
            sent += end.send(piece[sent % 16 :])
    except TimeoutError:
        pass
    end.settimeout(30)
    return sent


@pytest.mark.parametrize("who", ["client", "target"])
def test_who_does_not_read_makes_the_other_wait_and_nobody_else(start, target, who):
    server = start(FORWARD, to(target))
    small = server.rss()
    ends = through(server, target)
    writer, reader = ends if who == "target" else ends[::-1]
    sent = fill(writer)
    if not sanitized(FORWARD):
        assert server.rss() - small < 4 << 20  # of what came, the kernel's buffers hold the rest
        before = server.cpu()
    client, far = through(server, target)
    for _ in range(100):
        client.sendall(b"aller")
        assert receive(far, 5) == b"aller"
    reader.sendall(b"dans l'autre sens")  # that direction goes on
    assert receive(writer, 17) == b"dans l'autre sens"
    if not sanitized(FORWARD):
        assert server.cpu() - before < 0.2
    writer.shutdown(socket.SHUT_WR)
    everything = receive_all(reader)
    assert len(everything) == sent and everything == (b"0123456789abcdef" * (sent // 16 + 1))[:sent]


def test_memory_is_given_back_when_all_has_been_sent(start, target):
    needs_descriptors(1000)
    needs_plain_build(FORWARD)
    # Each first send of a piece fails, so the piece has to be kept for a while.
    server = start(FORWARD, to(target), under=strace("sendto", "sendto:error=EAGAIN:when=1+2"))
    before, pairs = server.descriptors(), []
    for _ in range(500):
        pairs.append(through(server, target))
        client, far = pairs[-1]
        client.sendall(bytes(60_000))
        assert len(receive(far, 60_000)) == 60_000
    assert server.rss() < 20 << 20  # and not 30 MB more
    for client, far in pairs:
        client.close(), far.close()
    no_connection_left(server, before)


def fill_quickly(end):
    """Sends until nothing more is taken at once."""
    end.setblocking(False)
    sent = 0
    try:
        while True:
            sent += end.send(bytes(1 << 20))
    except BlockingIOError:
        pass
    end.settimeout(30)
    return sent


# ---- The ends ------------------------------------------------------------------------------------


def test_the_clients_half_close_is_passed_on_and_the_answer_comes(start, target):
    client, far = through(start(FORWARD, to(target)), target)
    client.sendall(b"la question")
    client.shutdown(socket.SHUT_WR)
    assert receive_all(far) == b"la question"
    for _ in range(3):
        far.sendall(b"la reponse")
        assert receive(client, 10) == b"la reponse"
    far.close()
    assert receive_all(client) == b""


def test_the_targets_half_close_is_passed_on_and_the_client_may_go_on(start, target):
    client, far = through(start(FORWARD, to(target)), target)
    far.sendall(b"c'est tout")
    far.shutdown(socket.SHUT_WR)
    assert receive_all(client) == b"c'est tout"
    for _ in range(3):
        client.sendall(b"encore")
        assert receive(far, 6) == b"encore"
    client.close()
    assert receive_all(far) == b""


def test_both_half_close_and_all_that_was_said_arrives(start, target):
    server = start(FORWARD, to(target))
    before = server.descriptors()
    client, far = through(server, target)
    big = bytes(range(256)) * 20_000  # more than sockets hold
    ends = [(client, far), (far, client)]

    def speak(end):
        end.sendall(big)
        end.shutdown(socket.SHUT_WR)

    threads = [threading.Thread(target=speak, args=(end,)) for end, _ in ends]
    for thread in threads:
        thread.start()
    assert receive_all(far) == big
    assert receive_all(client) == big
    for thread in threads:
        thread.join()
    no_connection_left(server, before)  # though neither end has closed


def test_a_half_close_behind_much_that_is_unread_comes_after_it(start, target):
    server = start(FORWARD, to(target))
    client, far = through(server, target)
    sent = fill(client)
    client.shutdown(socket.SHUT_WR)
    far.sendall(b"je n'ai pas encore lu")
    assert receive(client, 21) == b"je n'ai pas encore lu"
    far.shutdown(socket.SHUT_WR)
    assert receive_all(client) == b""
    assert len(receive_all(far)) == sent


@pytest.mark.parametrize("who", ["client", "target"])
@pytest.mark.parametrize("after_a_half_close", [False, True])
def test_a_reset_is_passed_on_as_a_reset(start, target, who, after_a_half_close):
    server = start(FORWARD, to(target))
    before = server.descriptors()
    client, far = through(server, target)
    one, other = (client, far) if who == "client" else (far, client)
    if after_a_half_close:
        one.shutdown(socket.SHUT_WR)
        assert receive_all(other) == b""
    reset(one)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:  # a recv alone, after a half-close, has had its end already
            other.sendall(b"?")
            if not after_a_half_close:
                other.recv(1)
    no_connection_left(server, before)


@pytest.mark.parametrize("who", ["client", "target"])
def test_a_reset_is_noticed_while_the_other_end_does_not_read(start, target, who):
    server = start(FORWARD, to(target))
    before = server.descriptors()
    ends = through(server, target)
    one, other = ends if who == "client" else ends[::-1]
    fill(one)
    reset(one)
    no_connection_left(server, before)
    with pytest.raises(ConnectionResetError):
        receive_all(other)


@pytest.mark.parametrize("other_half_closes", [False, True])
@pytest.mark.parametrize("who", ["client", "target"])
def test_what_an_end_said_before_its_close_is_delivered_though_its_system_has_forgotten_it(
    start, target, who, other_half_closes
):
    """Within a minute of its close(2) it answers a keepalive's question with a RST."""
    server = start(FORWARD, to(target))
    before = server.descriptors()
    ends = through(server, target)
    one, other = ends if who == "client" else ends[::-1]
    sent, read = fill(one), 0
    one.shutdown(socket.SHUT_WR)
    while unacknowledged(one) > 0:
        read += len(other.recv(1 << 16))
    reset(one)
    if other_half_closes:
        other.shutdown(socket.SHUT_WR)
    assert read + len(receive_all(other)) == sent
    other.close()
    no_connection_left(server, before)


@pytest.mark.parametrize("who", ["client", "target"])
def test_a_reset_is_passed_on_though_the_target_has_only_just_been_reached(start, target, who):
    server = start(FORWARD, to(target), under=strace("connect", "connect:delay_exit=300000"))
    client, far = through(server, target)
    one, other = (client, far) if who == "client" else (far, client)
    reset(one)
    with pytest.raises(ConnectionResetError):
        receive_all(other)


def test_what_the_target_said_before_its_end_is_delivered_though_it_has_reset_at_once(start, target):
    server = start(FORWARD, to(target), under=strace("connect", "connect:delay_exit=300000"))
    client, far = through(server, target)
    far.sendall(b"au revoir")
    far.shutdown(socket.SHUT_WR)
    reset(far)
    assert receive_all(client) == b"au revoir"
    assert not [line for line in server.log if "connect" in line]


def test_what_the_target_said_before_it_reset_at_once_is_delivered(start, target):
    server = start(FORWARD, to(target), under=strace("poll", "poll:delay_enter=300000"))
    client = server.connect()
    far = accept(target)
    far.sendall(b"complet\n")
    reset(far)
    assert receive(client, 8) == b"complet\n"
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_reset_ends_that_connection_only(start, target):
    server = start(FORWARD, to(target))
    client, far = through(server, target)
    for _ in range(20):
        one, other = through(server, target)
        reset(one)
        with pytest.raises(ConnectionResetError):
            receive_all(other)
    client.sendall(b"toujours la")
    assert receive(far, 11) == b"toujours la"


def test_an_answer_that_has_come_before_a_reset_is_passed_on(start, target):
    """An early refusal: the target closes with input unread, a reset, while more is being sent."""
    server = start(FORWARD, to(target))
    for _ in range(5):
        client, far = through(server, target)
        client.sendall(b"trop")
        eventually(lambda: far.recv(4, socket.MSG_PEEK) == b"trop")  # noqa: B023
        with server.held():  # it finds all of this at once
            far.sendall(b"413")
            far.close()
            client.sendall(b"encore")
        assert receive(client, 3) == b"413"
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def sleeps(server):
    """How often it has waited so far: in poll(2), for the most part."""
    return re.findall(r"(?m)^voluntary_ctxt_switches.*", proc(server.pid, "status").read_text())


def get_stuck(server, client):
    """Sends until the server reads no more, and not much more: an end sent after it arrives. How
    many bytes."""
    for pieces in itertools.count(1):
        before = sleeps(server)
        client.sendall(bytes(65536))
        try:
            eventually(lambda: sleeps(server) != before, 0.5)  # noqa: B023
        except AssertionError:
            return pieces * 65536


@pytest.mark.parametrize("ended", ["client", "target", "both, one of them unread"])
def test_it_does_not_spin_whatever_has_ended(start, target, ended):
    needs_plain_build(FORWARD)
    target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # it is full the sooner
    server = start(FORWARD, to(target))
    client, far = through(server, target)
    sent = get_stuck(server, client) if "unread" in ended else 0
    if ended != "client":
        far.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""
    if ended != "target":
        client.shutdown(socket.SHUT_WR)
    before = server.cpu()
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(0.5)
    assert server.cpu() - before < 0.05
    if ended != "target":
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert len(receive_all(far)) == sent


# ---- The target ----------------------------------------------------------------------------------


def test_a_refused_target_closes_that_client_and_the_target_may_come_later(start):
    port = free_port()
    server = start(FORWARD, f"0:127.0.0.1:{port}")
    before = server.descriptors()
    with server.connect() as client:
        client.sendall(b"personne ?")
        assert receive_all(client) == b""
    server.logged(f"connect 127.0.0.1:{port}: Connection refused")
    no_connection_left(server, before)
    with socket.create_server(("127.0.0.1", port)) as target:
        target.settimeout(30)
        client, far = through(server, target)
        client.sendall(b"ah")
        assert receive(far, 2) == b"ah"


def test_a_target_that_does_not_answer_keeps_nobody_else_waiting(start, target, deaf):
    server = start(FORWARD, f"0:{deaf[0]}:{deaf[1]}", to(target))
    silent, answering = addresses(server, 2)
    before = server.descriptors()
    waiting = connect(silent)
    waiting.sendall(b"avant")
    eventually(lambda: server.descriptors() == before + 2)
    client, far = connect(answering), accept(target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"
    reset(waiting)  # noticed, though its target has not answered
    eventually(lambda: server.descriptors() == before + 2)


def test_what_was_sent_before_the_target_answered_is_not_lost(start):
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen(0)
        slow.settimeout(30)
        fillers = [socket.create_connection(slow.getsockname())]
        server = start(FORWARD, to(slow))
        before = server.descriptors()
        client = server.connect()
        client.sendall(b"avant la reponse")
        client.shutdown(socket.SHUT_WR)
        eventually(lambda: server.descriptors() == before + 2)
        accepted = [accept(slow), accept(slow)]  # the second SYN is answered when it is sent again
        assert receive_all(accepted[1]) == b"avant la reponse"
        accepted[1].sendall(b"la reponse")
        accepted[1].close()
        assert receive_all(client) == b"la reponse"
        fillers[0].close()


def test_an_unresolvable_target_closes_that_client_and_not_the_program(start, target):
    server = start(FORWARD, "0:nowhere.invalid:9090", to(target))
    nowhere, somewhere = addresses(server, 2)
    for _ in range(2):
        with connect(nowhere) as client:
            assert receive_all(client) == b""
    server.logged("nowhere.invalid: ")
    with connect(somewhere) as client:
        client.sendall(b"salut")
        assert receive(accept(target), 5) == b"salut"


def test_a_signal_does_not_wait_for_the_turns_of_all_who_are_ready(start, target):
    server = start(FORWARD, to(target), env=NO_LEAKS)
    clients, fars = zip(*[through(server, target) for _ in range(30)])
    server.stop_amid_a_round(clients, b"x\n", answered=fars)


def test_a_target_can_be_named(start, target):
    needs_hosts()
    client, far = through(start(FORWARD, f"0:localhost:{target.getsockname()[1]}"), target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"


def test_a_pipe_without_memory_delays_the_answer_of_a_look_up_and_no_more(start, target):
    """It may find no page for what is written (ENOMEM). The answer must not be lost: nobody would
    ever ask again."""
    needs_hosts()
    nobody = f"0:127.0.0.1:{free_port()}"
    server = start(FORWARD, f"0:localhost:{target.getsockname()[1]}", nobody, env=NO_LEAKS)
    server.inject("write", "write:error=ENOMEM:when=1")  # the first of each thread
    with connect(addresses(server, 2)[1]) as client:
        assert receive_all(client) == b""  # the first of the main one was a line of the log
    client, far = through(server, target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"


# ---- What may go wrong ---------------------------------------------------------------------------


def test_short_of_descriptors_it_serves_whom_it_can_and_the_others_later(start, target):
    server = start(FORWARD, to(target), nofile=40)
    clients = [server.connect() for _ in range(30)]
    for number, client in enumerate(clients):
        client.sendall(b"%2d" % number)
    server.logged("accept: Too many open files, resting")
    served = {}

    def take(count):
        while len(served) < count:
            far = accept(target)
            served[int(receive(far, 2))] = far

    room = (40 - server_descriptors_alone(server, target)) // 2
    take(room)
    if not sanitized(FORWARD):
        before = server.cpu()
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        assert server.cpu() - before < 0.025  # under 5 % of a core
    gone = sorted(served)[:5]
    for number in gone:
        clients[number].close()
        served[number].close()
    take(room + 5)
    for number in set(served) - set(gone):
        served[number].sendall(b"oui")
        assert receive(clients[number], 3) == b"oui"
    assert len([line for line in server.log if "resting" in line]) <= 2


def server_descriptors_alone(server, target):
    """What the server has open beside its connections: the standard three, the stop pipe, the
    listener."""
    return 3 + 2 + 1


def test_a_storm_leaves_nothing_behind(start, target):
    server = start(FORWARD, to(target))
    before = server.descriptors()
    for number in range(600):
        client, far = through(server, target)
        first, second = (client, far) if number % 2 else (far, client)
        first.sendall(b"un mot")
        [reset, lambda end: end.close(), lambda end: end.shutdown(socket.SHUT_RDWR)][number % 3](
            first
        )
        second.close()
        first.close()
    no_connection_left(server, before)


@pytest.mark.parametrize("busy", [False, True])
def test_sigint_ends_it(start, target, busy):
    server = start(FORWARD, to(target))
    if busy:
        client, _far = through(server, target)
        fill_quickly(client)
    server.stop(signal.SIGINT)


def test_a_port_that_is_taken_is_one_line_and_status_1(target):
    host, port = target.getsockname()
    result = run(FORWARD, f"{port}:{host}:9")
    assert (result.returncode, result.stderr) == (
        1,
        f"tcp/forward: bind {host}:{port}: Address already in use\n",
    )


def test_an_address_that_is_not_ours_is_one_line_and_status_1():
    result = run(FORWARD, "192.0.2.1:0:127.0.0.1:9")
    assert result.returncode == 1
    assert re.fullmatch(
        r"tcp/forward: bind 192\.0\.2\.1:0: Cannot assign requested address\n", result.stderr
    )


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "no redirection"),
        (["9090"], "9090: not [bind_address:]port:host:hostport"),
        (["9090:host"], "9090:host: not [bind_address:]port:host:hostport"),
        (["-L", "9090:host:http"], "9090:host:http: bad port: http"),
        (["9090:a:1", "-L", "9091:a:0"], "9091:a:0: bad port: 0"),
        (
            ["::1:9090:a:1"],
            "::1:9090:a:1: not [bind_address:]port:host:hostport, with IPv6 addresses in brackets",
        ),
        (["[::1]a:9090:a:1"], "[::1]a:9090:a:1: brackets go around a whole address"),
        (["-L"], "-L wants a value"),
        (["-g", "9090:a:1"], "unknown option -g"),
        (["-L9090:a:1", "-zq"], "unknown option -z"),
        (["-L", "9090:a:1", "--x"], "unknown option --x"),
        (["-L", "--x", "-zq"], "unknown option -z"),
        (["9090:a:1", "--help=oui"], "unknown option --help=oui"),
    ],
)
def test_bad_usage_says_what_is_wrong_and_the_usage(words, complaint):
    result = run(FORWARD, *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr.startswith(f"tcp/forward: {complaint}")
        and "\nusage: tcp/forward " in result.stderr
    )


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_the_usage_on_standard_output(word):
    result = run(FORWARD, word)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: tcp/forward ")


CALLS = "poll,ppoll,recvfrom,sendto,connect,accept,accept4,socket,dup,getsockopt,shutdown"
PASSING = [
    *[f"poll,ppoll:error={error}:when=1+2" for error in ("EINTR", "EAGAIN", "ENOMEM")],
    *[f"recvfrom:error={error}:when=1+2" for error in ("EINTR", "EAGAIN")],
    *[f"sendto:error={error}:when=1+2" for error in ("EINTR", "EAGAIN")],
    *[f"accept,accept4:error={error}:when=1" for error in
      ("EINTR", "EAGAIN", "ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPERM",
       "EPROTO")],
    "dup:error=EMFILE:when=1",
    "connect:error=EINTR:when=1",
]  # fmt: skip


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_costs_nothing(start, target, fault):
    server = start(FORWARD, to(target), under=strace(CALLS, fault))
    for _ in range(3):
        client, far = through(server, target)
        for _ in range(3):
            client.sendall(b"aller")
            assert receive(far, 5) == b"aller"
            far.sendall(b"retour")
            assert receive(client, 6) == b"retour"
        client.close()
        assert receive_all(far) == b""


@pytest.mark.parametrize(
    "fault",
    [
        *[f"recvfrom:error={error}:when=1" for error in
          ("ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENOBUFS", "ENOMEM")],
        *[f"sendto:error={error}:when=1" for error in
          ("ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOBUFS", "ENOMEM")],
        *[f"connect:error={error}:when=1" for error in
          ("ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "ENOBUFS", "EAGAIN", "EACCES")],
        *[f"socket:error={error}:when=2" for error in
          ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EAFNOSUPPORT")],
        "getsockopt:error=ENOBUFS:when=1",
        "shutdown:error=ENOTCONN:when=1",
    ],
)  # fmt: skip
def test_what_does_not_pass_costs_one_connection(start, target, fault):
    echo_for_ever(target)
    server = start(FORWARD, to(target), under=strace(CALLS, fault))
    with server.connect() as first:
        try:
            first.sendall(b"sacrifie")
            first.shutdown(socket.SHUT_WR)
            receive_all(first)
        except OSError:
            pass
    with server.connect() as second:
        for _ in range(3):
            second.sendall(b"salut")
            assert receive(second, 5) == b"salut"


def test_a_socket_option_that_is_refused_costs_one_connection(start, target):
    server = start(FORWARD, to(target), env=NO_LEAKS)
    server.inject("setsockopt", "setsockopt:error=ENOBUFS:when=1")
    with server.connect() as first:
        assert receive_all(first) == b""
    server.logged(f"connect {target.getsockname()[0]}:{target.getsockname()[1]}: No buffer space")
    client, far = through(server, target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"


def test_short_of_memory_it_loses_those_it_must_keep_something_for_and_no_other(start, target):
    """Two hundred targets that do not read, and an address space that has no room for what is to
    be kept for them."""
    needs_plain_build(FORWARD)
    server = start(FORWARD, to(target))
    polite = through(server, target)
    pairs = [through(server, target) for _ in range(200)]
    size = memory(server.pid, "VmSize")
    resource.prlimit(server.pid, resource.RLIMIT_AS, (size + (4 << 20), size + (4 << 20)))
    lost = set()
    while len(lost) < 5:  # until there is a shortage
        for number, (client, _) in enumerate(pairs):
            try:
                fill_quickly(client)
            except ConnectionError:
                lost.add(number)
        polite[0].sendall(b"salut")
        assert receive(polite[1], 5) == b"salut"
    for client, far in pairs:
        client.close(), far.close()
    for _ in range(20):
        client, far = through(server, target)
        client.sendall(b"de nouveau")
        assert receive(far, 10) == b"de nouveau"


def test_both_ends_have_keepalive(start, target):
    server = start(FORWARD, to(target))
    client, far = through(server, target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"
    eventually(lambda: has_keepalive(server.port, client.getsockname()[1]))
    eventually(lambda: has_keepalive(far.getpeername()[1], target.getsockname()[1]))


# ---- Names ---------------------------------------------------------------------------------------


def test_when_there_can_be_no_thread_that_client_is_closed_and_the_next_is_served(start, target):
    server = start(FORWARD, f"0:localhost:{target.getsockname()[1]}", env=NO_LEAKS)
    before = server.descriptors()
    server.inject("clone,clone3", "clone,clone3:error=EAGAIN:when=1")
    with server.connect() as first:
        assert receive_all(first) == b""
    assert server.logged("localhost: ").endswith("Resource temporarily unavailable")
    client, far = through(server, target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"
    client.close(), far.close()
    no_connection_left(server, before)


def test_a_look_up_that_finds_no_memory_does_not_end_the_program(start, target):
    """There is address space for the thread's stack and a few pages: the C library finds none at
    one place or another of its first look-ups."""
    needs_hosts()
    needs_plain_build(FORWARD)
    nobody = f"0:localhost:{free_port()}"
    for pages in range(1, 7):
        server = start(FORWARD, f"0:localhost:{target.getsockname()[1]}", nobody)
        stack, _ = resource.prlimit(server.pid, resource.RLIMIT_STACK)
        stack = 2 << 20 if stack == resource.RLIM_INFINITY else stack
        limit = memory(server.pid, "VmSize") + stack + pages * resource.getpagesize()
        before = resource.prlimit(server.pid, resource.RLIMIT_AS)
        resource.prlimit(server.pid, resource.RLIMIT_AS, (limit, before[1]))
        for _ in range(2):
            with connect(addresses(server, 2)[1]) as client:
                assert receive_all(client) == b""
        resource.prlimit(server.pid, resource.RLIMIT_AS, before)
        client, far = through(server, target)
        client.sendall(b"salut")
        assert receive(far, 5) == b"salut"


def test_digits_take_no_thread(start, target, tmp_path):
    trace = tmp_path / "trace"
    words = [peer("strace"), "-D", "-f", "-qq", "-o", trace, "-e", "trace=clone,clone3,pipe,pipe2"]
    server = start(FORWARD, to(target), under=words)
    client, far = through(server, target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"
    assert len(re.findall(r"pipe2?\(", trace.read_text())) == 1  # the stop pipe
    assert "clone" not in trace.read_text()


@with_a_name_server
def test_a_mute_name_server_holds_up_nobody_but_those_who_asked(start, target):
    names = NameServer()
    server = start(FORWARD, to(target), "0:un.example:80", "0:deux.example:80")
    _, one, other = addresses(server, 3)
    client, far = through(server, target)
    before = server.descriptors()
    waiting = [connect(address) for address in (one, other)]
    asked = {names.heard.get(timeout=PATIENCE)[0] for _ in range(4)}
    assert asked == {"un.example", "deux.example"}
    looking_up = threads(server.pid)
    waiting += [connect(address) for address in [one, other] * 5]
    eventually(lambda: server.descriptors() >= before + 24)  # they are all in
    for end in (client, far):
        end.settimeout(5)  # the name server is given 30 s
    for _ in range(100):
        client.sendall(b"aller")
        assert receive(far, 5) == b"aller"
        far.sendall(b"retour")
        assert receive(client, 6) == b"retour"
    newcomer, far = through(server, target)
    newcomer.sendall(b"salut")
    assert receive(far, 5) == b"salut"
    assert names.heard.empty()  # a name is asked for once, however many wait for it
    assert threads(server.pid) == looking_up
    for end in waiting:
        end.setblocking(False)
        with pytest.raises(BlockingIOError):
            end.recv(1)
    server.stop()  # within a second, though both are still looked up


@with_a_name_server
def test_a_look_up_waits_for_the_descriptor_that_another_has(start, target):
    """It is the last, and glibc does not say that it is this which it lacks (EAI_SYSTEM)."""
    names = NameServer()
    name = f"0:name.example:{target.getsockname()[1]}"
    server = start(FORWARD, name, to(target), env=NO_LEAKS)
    named, digits = addresses(server, 2)
    server.inject("socket", "socket:error=EMFILE:when=1..3")  # the first three of each thread
    for _ in range(3):
        assert receive_all(connect(digits)) == b""
    client = connect(named)
    names.answer_next("name.example", "127.0.0.1")
    client.sendall(b"salut")
    assert receive(accept(target), 5) == b"salut"


@with_a_name_server
def test_those_who_come_during_a_look_up_share_the_next(start, target):
    names = NameServer()
    server = start(FORWARD, f"0:name.example:{target.getsockname()[1]}")
    before = server.descriptors()
    first = server.connect()
    questions = [names.question("name.example") for _ in range(2)]
    clients = [server.connect() for _ in range(5)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
        client.shutdown(socket.SHUT_WR)
    eventually(lambda: server.descriptors() >= before + 12)
    in_wait = server.descriptors()
    reset(clients.pop(2))  # noticed at once
    eventually(lambda: server.descriptors() == in_wait - 2)
    for question in questions:
        names.answer(question, "127.0.0.1")
    with accept(target) as far:
        first.sendall(b"le premier")
        assert receive(far, 10) == b"le premier"
    first.close()
    names.answer_next("name.example", "127.0.0.1")
    heard = {}
    for _ in clients:
        far = accept(target)
        heard[receive_all(far)] = far
    assert sorted(heard) == [b"0", b"1", b"3", b"4"]
    for said, client in zip([b"0", b"1", b"3", b"4"], clients):
        heard[said].sendall(b"bonjour " + said)
        heard[said].close()
        assert receive_all(client) == b"bonjour " + said
    assert names.heard.empty()
    no_connection_left(server, before)


@with_a_name_server
def test_a_name_is_looked_up_at_each_connection(start, target):
    names = NameServer()
    server = start(FORWARD, f"0:name.example:{target.getsockname()[1]}")
    before = server.descriptors()
    first = server.connect()
    questions = [names.question("name.example") for _ in range(2)]
    second = server.connect()
    eventually(lambda: server.descriptors() >= before + 4)
    for question in questions:
        names.answer(question)
    assert receive_all(first) == b""
    server.logged("name.example: ")
    for come in (lambda: second, server.connect):  # who came later has a look-up of its own, too
        client = come()
        names.answer_next("name.example", "127.0.0.1")
        far = accept(target)
        client.sendall(b"salut")
        assert receive(far, 5) == b"salut"
        client.close(), far.close()
    no_connection_left(server, before)


@with_a_name_server
def test_the_next_address_is_tried_with_the_descriptors_of_the_last(start, target):
    """The name has two addresses, the first refuses, and not one descriptor more is free."""
    names = NameServer()
    server = start(FORWARD, f"0:name.example:{target.getsockname()[1]}")
    before = server.descriptors()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (before + 2, before + 2))
    for _ in range(20):
        client = server.connect()
        names.answer_next("name.example", "::1", "127.0.0.1")
        far = accept(target)
        client.sendall(b"salut")
        assert receive(far, 5) == b"salut"
        client.close(), far.close()
        no_connection_left(server, before)
    assert not [line for line in server.log if line.startswith(("connect ", "name.example: "))]


def test_a_newcomer_does_not_take_the_descriptor_of_a_look_up(start, target):
    """It is let in when there is one for it beside: the others are not sent away for it."""
    needs_hosts()
    server = start(FORWARD, f"0:localhost:{target.getsockname()[1]}", env=NO_LEAKS)
    most = server.descriptors() + 3  # for a relay, and half of one
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, most))
    server.inject(OPENS, f"{OPENS}:delay_enter=500000")  # the look-up takes its time
    first = server.connect()
    eventually(lambda: threads(server.pid) == 2)
    second = server.connect()
    server.logged("accept: Too many open files, resting")
    far = accept(target)
    first.sendall(b"salut")
    assert receive(far, 5) == b"salut"
    first.close(), far.close()
    far = accept(target)
    second.sendall(b"salut")
    assert receive(far, 5) == b"salut"


def test_the_number_of_an_interface_is_found_with_the_last_descriptor(start):
    """The kernel is asked for it through a socket, and the relay has all others."""
    server = start(FORWARD, "0:[fe80::1%lo]:9")
    most = server.descriptors() + 2
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, most))
    assert receive_all(server.connect()) == b""  # nobody has that address
    server.logged("connect [fe80::1%")


def test_two_look_ups_share_the_last_descriptor(start, target):
    needs_hosts()
    name = f"0:localhost:{target.getsockname()[1]}"
    server = start(FORWARD, name, name, env=NO_LEAKS)
    most = server.descriptors() + 4  # two relays; the spare one is for both look-ups
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, most))
    server.inject(OPENS, f"{OPENS}:delay_exit=500000")  # each has its file open for a while
    clients = [connect(address) for address in addresses(server, 2)]
    for client in clients:
        client.sendall(b"salut")
    for far in [accept(target) for _ in clients]:
        assert receive(far, 5) == b"salut"


def test_a_shortage_is_said_once_however_many_redirections_there_are(start, target):
    """The backlog of one never empties; that of the other does, again and again."""
    server = start(FORWARD, to(target), to(target))
    most = server.descriptors() + 8  # four relays
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, most))
    quiet, busy = addresses(server, 2)
    clients = [connect(busy) for _ in range(20)]
    others = [accept(target) for _ in range(4)]
    server.logged("accept: Too many open files, resting")
    for _ in range(3):
        with server.held():
            client = connect(quiet)
            for _ in range(3):
                reset(clients.pop(0))
        client.sendall(b"le calme")
        others += [accept(target) for _ in range(3)]
        (heard,) = readable(others[-3:])
        assert receive(heard, 8) == b"le calme"
        reset(client)
        others.append(accept(target))  # one of the busy redirection has its place
    assert len([line for line in server.log if line.startswith("accept: ")]) == 1


# Ends the program if the thread has ended, and only this one is left.
COUNT_THREADS = r"""
static void after(pthread_t thread) {
    usleep(200 * 1000);  // it ends now, if it does
    DIR* threads = opendir("/proc/self/task");
    int count = -2;  // "." and ".."
    while (readdir(threads)) ++count;
    closedir(threads);
    if (count == 1) abort();
}
"""


def test_a_look_up_does_not_end_before_its_thread_is_detached(start, target, tmp_path):
    """As with echo/thread."""
    needs_hosts()
    needs_plain_build(FORWARD)
    detach = library(DETACH + COUNT_THREADS, tmp_path)
    name = f"0:localhost:{target.getsockname()[1]}"
    client, far = through(start(FORWARD, name, env={"LD_PRELOAD": str(detach)}), target)
    client.sendall(b"salut")
    assert receive(far, 5) == b"salut"


# The name "nombreux" has 3,000 addresses, of the family FAMILY, none of which can be reached, once
# the file GATE is there.
MANY_ADDRESSES = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
enum { count = 3000 };
static struct addrinfo list[count];
static struct sockaddr_in addresses[count];
int getaddrinfo(const char* name, const char* port, const struct addrinfo* hints,
                struct addrinfo** found) {
    typedef int (*Call)(const char*, const char*, const struct addrinfo*, struct addrinfo**);
    if (!name || strcmp(name, "nombreux") != 0 || (hints && hints->ai_flags & AI_NUMERICHOST))
        return ((Call)dlsym(RTLD_NEXT, "getaddrinfo"))(name, port, hints, found);
    while (access(getenv("GATE"), F_OK) == -1) usleep(1000);
    for (int i = 0; i < count; ++i) {
        addresses[i].sin_family = AF_INET;
        addresses[i].sin_port = htons(9);
        addresses[i].sin_addr.s_addr = htonl(0xE0000000 + i);  // multicast: no TCP goes there
        list[i].ai_family = atoi(getenv("FAMILY"));
        list[i].ai_socktype = SOCK_STREAM;
        list[i].ai_addr = (struct sockaddr*)&addresses[i];
        list[i].ai_addrlen = sizeof addresses[i];
        list[i].ai_next = i + 1 < count ? &list[i + 1] : 0;
    }
    *found = list;
    return 0;
}
void freeaddrinfo(struct addrinfo* found) {
    if (found != list) ((void (*)(struct addrinfo*))dlsym(RTLD_NEXT, "freeaddrinfo"))(found);
}
"""


def test_a_name_with_thousands_of_addresses_holds_nobody_up(start, target, tmp_path):
    needs_plain_build(FORWARD)
    many, gate = library(MANY_ADDRESSES, tmp_path), tmp_path / "gate"
    env = {"LD_PRELOAD": str(many), "GATE": str(gate), "FAMILY": str(int(socket.AF_INET))}
    server = start(FORWARD, "0:nombreux:9", to(target), env=env)
    nowhere, somewhere = addresses(server, 2)
    with connect(somewhere) as client:
        far = accept(target)
        clients = [connect(nowhere) for _ in range(200)]
        eventually(lambda: server.descriptors() >= 2 * len(clients))  # two each: all have come
        used = server.cpu()
        gate.touch()
        eventually(lambda: server.cpu() > used + 0.1)
        client.sendall(b"salut")
        assert receive(far, 5) == b"salut"
        assert readable(clients, 0) == []  # they are being tried still
        server.stop()


def test_a_relay_keeps_its_place_while_the_kernel_has_no_socket_for_its_target(
    start, target, tmp_path
):
    """As where there is no IPv6 (EAFNOSUPPORT). A newcomer that took the place would be one more
    for poll than it takes."""
    needs_plain_build(FORWARD)
    many, gate = library(MANY_ADDRESSES, tmp_path), tmp_path / "gate"
    env = {"LD_PRELOAD": str(many), "GATE": str(gate), "FAMILY": "200"}
    server = start(FORWARD, "0:nombreux:9", to(target), env=env)
    most = server.descriptors() + 60
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, most))
    nowhere, somewhere = addresses(server, 2)
    with connect(somewhere) as client:
        far = accept(target)
        clients = [connect(nowhere) for _ in range(200)]
        server.logged("accept: Too many open files, resting")
        gate.touch()
        assert [receive_all(each) for each in clients] == [b""] * len(clients)
        client.sendall(b"salut")
        assert receive(far, 5) == b"salut"


@with_one_port
def test_a_target_that_is_nobody_but_the_relay_itself_is_refused(start):
    """The relay connects from the port that it connects to, and nobody listens there."""
    server = start(FORWARD, f"{ONE_PORT + 1}:127.0.0.1:{ONE_PORT}")
    with server.connect() as client:
        client.sendall(b"y a-t-il quelqu'un ?")
        assert receive_all(client) == b""
    assert server.logged("connect ") == f"connect 127.0.0.1:{ONE_PORT}: Connection refused"
