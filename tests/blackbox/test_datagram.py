"""echo/datagram: the echo server without a connection (UDP). One datagram there, one back."""

import errno
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from harness import (
    PATIENCE,
    ROOT,
    Program,
    binary,
    eventually,
    needs_plain_build,
    peer,
    run,
    sanitized,
    strace,
)
from networks import named
from wants import needs_ipv6, needs_namespace

SERVER = "echo/datagram"
PREFIX = "le serveur répond : ".encode()
LARGEST = 65_507  # bytes in a datagram over IPv4: 65,535 less the two heads, 20 and 8 (RFC 768)
TOO_LONG = "sendto: an answer is too long for a datagram"
USAGE = f"usage: {SERVER} [-b ADDR] [PORT]\n"


class Client:
    """A UDP socket that knows its server, and sees the ICMP errors that come back (connected)."""

    def __init__(self, address, connected=False):
        self.address = address
        self.socket = socket.socket(
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM
        )
        self.socket.settimeout(PATIENCE)
        if connected:
            self.socket.connect(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, question):
        self.socket.sendto(question, self.address)

    def receive(self):
        answer, sender = self.socket.recvfrom(1 << 17)
        assert sender[:2] == self.address
        return answer

    def ask(self, question):
        self.send(question)
        return self.receive()

    def has_nothing(self):
        """Nothing more is there: to be asked when what came last was the answer to a later
        question."""
        return not select.select([self.socket], [], [], 0)[0]


@pytest.fixture
def server(start):
    return start(SERVER)


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


# ---- What it answers -----------------------------------------------------------------------------


def test_a_client_may_come_from_any_address_of_the_machine(start):
    server = start(SERVER, "-b", "0.0.0.0", 0)
    for host in ("127.0.0.1", "127.0.0.2", "127.7.7.7"):
        with Client((host, server.port)) as client:
            client.socket.bind((host, 0))
            client.send(b"moi")
            assert client.socket.recv(100) == PREFIX + b"moi"


# ---- Its address ---------------------------------------------------------------------------------


def test_only_this_machine_gets_in_unless_told_otherwise(server):
    assert server.log == [f"listening on 127.0.0.1:{server.port}"]
    assert server.port != 0


def test_the_port_is_9090_unless_told_otherwise():
    words = [*needs_namespace("--net"), "sh", "-c", 'ip link set lo up; exec "$0"', binary(SERVER)]
    peer("ip")
    program = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert program.stderr.readline() == "listening on 127.0.0.1:9090\n"
    finally:
        program.terminate()
        assert program.wait(PATIENCE) == 0


def test_ipv6(start):
    needs_ipv6()
    server = start(SERVER, "-b", "::1", 0)
    assert server.logged("listening on ") == f"listening on [::1]:{server.port}"
    with Client(("::1", server.port)) as client:
        assert client.ask(b"six") == PREFIX + b"six"
        # No IPv4: 20 bytes more than over IPv4, whose own head counts.
        question = b"x" * (65_527 - len(PREFIX))
        assert client.ask(question) == PREFIX + question


def test_every_interface_is_ipv6_and_ipv4(start):
    needs_ipv6()
    server = start(SERVER, "-b", "::", 0)
    assert server.logged("listening on ") == f"listening on [::]:{server.port}"
    for host in ("::1", "127.0.0.1"):
        with Client((host, server.port)) as client:
            assert client.ask(b"salut") == PREFIX + b"salut"


def test_a_name_is_resolved(start):
    server = start(SERVER, "-b", "localhost", 0)
    with Client(server.address) as client:
        assert client.ask(b"salut") == PREFIX + b"salut"


def test_a_taken_port_is_not_looked_for_at_another_address(start, tmp_path):
    under = named(tmp_path, "127.0.0.1", "127.0.0.2")
    server = start(SERVER, "-b", "many.addresses", 0, under=under)
    ended = run(SERVER, "-b", "many.addresses", server.port, under=under)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{SERVER}: bind %s:%d: Address already in use\n" % server.address


def test_a_port_that_is_taken_is_one_line(server):
    ended = run(SERVER, server.port)
    where = f"127.0.0.1:{server.port}"
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{SERVER}: bind {where}: Address already in use\n"


def test_a_tcp_server_may_have_the_same_port(start):
    # The TCP port first: whatever other tests connect to has such ports of the kernel's too.
    port = start("echo/poll").port
    assert start(SERVER, port).port == port


@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid"])
def test_an_address_that_is_not_ours_is_one_line(host):
    ended = run(SERVER, "-b", host, "0")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(f"{SERVER}: ") and host in ended.stderr


@pytest.mark.parametrize(
    "words, wrong",
    [
        (["abc"], "bad port: abc"),
        (["65536"], "bad port: 65536"),
        (["-1"], "unknown option -1"),
        (["9090 "], "bad port: 9090 "),
        (["1", "2"], "too many arguments"),
        (["-b"], "-b wants a value"),
        (["-x"], "unknown option -x"),
    ],
)
def test_bad_usage(words, wrong):
    ended = run(SERVER, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{SERVER}: {wrong}\n{USAGE}")


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help(word):
    ended = run(SERVER, word)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(USAGE)


# ---- Strange datagrams ---------------------------------------------------------------------------


def test_an_answer_too_long_for_a_datagram_is_not_sent_and_that_is_said_once(server, client):
    for size in (LARGEST, LARGEST - len(PREFIX) + 1, LARGEST):
        client.send(b"x" * size)
        assert client.ask(b"et maintenant ?") == PREFIX + b"et maintenant ?"
    assert client.has_nothing()
    assert server.logged(TOO_LONG)
    assert server.log == [f"listening on 127.0.0.1:{server.port}", TOO_LONG]


def test_thousands_at_once_stop_nobody_and_none_is_answered_wrongly(server, client):
    """The kernel drops what finds no room in a buffer, on the way there or back; the rest has its
    own answer, and once only."""
    asked = set()
    with Client(server.address) as other:
        for i in range(20_000):
            client.send(b"%d" % i)
            asked.add(PREFIX + b"%d" % i)
        eventually(lambda: answers(other))
    got = drain(client)
    assert len(got) == len(set(got)) > 100
    assert set(got) <= asked
    assert client.ask(b"fin") == PREFIX + b"fin"


def answers(client):
    """Whether a question is answered soon: where all crowd in, a datagram is lost."""
    client.send(b"encore")
    client.socket.settimeout(0.2)
    try:
        return client.receive() == PREFIX + b"encore"
    except TimeoutError:
        return False


def drain(client):
    """All that has come: the server has no question left, as it answered a later one."""
    got = []
    while not client.has_nothing():
        got.append(client.receive())
    return got


def test_a_client_that_never_reads_costs_nothing(server, client):
    needs_plain_build(SERVER)
    assert client.ask(b"x" * 60_000)  # what an answer takes, once
    before = server.rss()
    with Client(server.address) as deaf:
        for _ in range(2000):
            deaf.send(b"x" * 60_000)
        eventually(lambda: answers(client))
    assert server.rss() < before + (1 << 20)
    assert server.descriptors() <= 8


def test_icmp_errors_that_come_back_end_nothing(server, client):
    """Who asks and is gone: its machine answers the answer with an ICMP error, port unreachable."""
    for _ in range(100):
        with Client(server.address) as gone:
            gone.send(b"adieu")
        assert client.ask(b"toujours ?") == PREFIX + b"toujours ?"
    assert server.log == [f"listening on 127.0.0.1:{server.port}"]


def test_while_the_server_is_silent_its_client_may_go(server, client):
    server.process.send_signal(signal.SIGSTOP)
    for i in range(50):
        with Client(server.address) as gone:
            gone.send(b"%d" % i)
    client.send(b"moi")
    server.process.send_signal(signal.SIGCONT)
    assert client.receive() == PREFIX + b"moi"


def test_datagrams_from_nowhere_are_passed_over(start):
    """Port 0 is nobody's: what comes from it cannot be answered (EINVAL). Only root can forge
    it."""
    if os.geteuid() != 0:
        pytest.skip("takes root")
    server = start(SERVER)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        head = b"\0\0" + server.port.to_bytes(2, "big") + (8 + 3).to_bytes(2, "big") + b"\0\0"
        for _ in range(10):
            raw.sendto(head + b"moi", ("127.0.0.1", 0))
    with Client(server.address) as client:
        assert client.ask(b"salut") == PREFIX + b"salut"
    assert server.log == [f"listening on 127.0.0.1:{server.port}"]


def test_while_nobody_asks_it_does_nothing(server, client):
    needs_plain_build(SERVER)
    client.send(b"x" * LARGEST)
    assert client.ask(b"") == PREFIX
    spent = server.cpu()
    time.sleep(0.5)  # the measure is of a time
    assert server.cpu() < spent + 0.05


# ---- Faults --------------------------------------------------------------------------------------

LOST = ["EAGAIN", "ENOBUFS", "ENOMEM", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EPERM",
        "EACCES", "EMSGSIZE", "EINVAL", "EPIPE"]  # fmt: skip
FAULTS = {
    "recvfrom": ["EINTR", "EAGAIN", "ECONNREFUSED", "ENOMEM", "ENOBUFS", "EHOSTUNREACH"],
    "sendto": ["EINTR", *LOST],
    "poll": ["EINTR", "EAGAIN", "ENOMEM", "EINVAL"],
}


@pytest.mark.parametrize(
    "call, error", [(call, error) for call, errors in FAULTS.items() for error in errors]
)
def test_each_fault_costs_at_most_one_answer(start, call, error):
    """A question is asked again until it is answered, as over UDP it has to be."""
    server = start(SERVER, under=strace(call, f"{call}:error={error}:when=1+2"))
    with Client(server.address) as client:
        client.socket.settimeout(0.5 if call == "sendto" and error in LOST else PATIENCE)
        missed = 0
        for i in range(4):
            while True:
                try:
                    assert client.ask(b"%d" % i) == PREFIX + b"%d" % i
                    break
                except TimeoutError:
                    missed += 1
        assert missed == (4 if call == "sendto" and error in LOST else 0)
    said = [line for line in server.log if not line.startswith("listening on ")]
    assert said == ([TOO_LONG] if error == "EMSGSIZE" else [])


@pytest.mark.parametrize("error", ["ENOMEM", "ENOBUFS"])
def test_a_shortage_that_goes_on_is_not_a_spin_and_a_signal_ends_it(start, tmp_path, error):
    """The datagram stays in the queue, so poll says at once that it is there."""
    server = start(SERVER)
    trace = tmp_path / "trace"
    server.inject("recvfrom", f"recvfrom:error={error}", trace)
    with Client(server.address) as client:
        client.send(b"x")
        eventually(lambda: trace.read_text().count("INJECTED") >= 2)
        began = time.monotonic()
        eventually(lambda: trace.read_text().count("INJECTED") >= 5)
        assert time.monotonic() - began > 0.1
        server.stop()


@pytest.mark.parametrize(
    "call, error",
    [
        ("socket", "EMFILE"),
        ("socket", "EAFNOSUPPORT"),
        ("bind", "EACCES"),
        ("bind", "EADDRNOTAVAIL"),
        ("fcntl", "EINVAL"),
        ("pipe2", "EMFILE"),
        ("getsockname", "ENOBUFS"),
    ],
)
def test_what_fails_before_it_is_ready_is_one_line_and_status_1(call, error):
    calls = "pipe,pipe2" if call == "pipe2" else call
    # The first three look whether the standard descriptors are open.
    when = 4 if call == "fcntl" else 1
    program = Program(SERVER, 0, under=strace(calls, f"{calls}:error={error}:when={when}"))
    assert program.wait() == 1
    (line,) = program.log
    assert line.startswith(f"{SERVER}: {call.rstrip('2')}")
    assert line.endswith(": " + os.strerror(getattr(errno, error)))


# ---- Signals, and its log ------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_it_within_a_second(server, client, how):
    assert client.ask(b"salut") == PREFIX + b"salut"
    server.stop(how)
    assert server.log == [f"listening on 127.0.0.1:{server.port}"]


def test_a_signal_ends_it_also_while_all_ask_at_once(server):
    """In a process of its own, which does not share our interpreter."""
    flood = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "print(flush=True)\n"
        "while True: s.sendto(b'x', ('127.0.0.1', int(sys.argv[1])))\n"
    )
    words = [sys.executable, "-c", flood, str(server.port)]
    floods = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for one in floods:
            one.stdout.readline()
        server.stop()
    finally:
        for one in floods:
            one.kill()
            one.wait()


@pytest.mark.parametrize("kind", ["terminal", "pipe", "closed pipe"])
def test_a_log_that_nobody_reads_holds_nobody_up_and_ends_nothing(kind):
    """It is full before the program has anything to say after its first line."""
    read_end, write_end = pty.openpty() if kind == "terminal" else os.pipe()
    server = subprocess.Popen([binary(SERVER), "0"], stderr=write_end, cwd=ROOT)
    try:
        first = b""
        while not first.endswith(b"\n"):
            first += os.read(read_end, 1)
        if kind == "closed pipe":
            os.close(read_end)
        else:
            os.set_blocking(write_end, False)
            try:
                while os.write(write_end, b"x" * 1000):
                    pass
            except BlockingIOError:
                pass
        with Client(("127.0.0.1", int(first.rpartition(b":")[2]))) as client:
            client.send(b"x" * LARGEST)  # EMSGSIZE: a line for the log
            for _ in range(100):
                assert client.ask(b"salut") == PREFIX + b"salut"
        server.terminate()
        assert server.wait(10 if sanitized(SERVER) else 1) == 0
    finally:
        server.kill()
        server.wait()
        os.close(write_end)
        if kind != "closed pipe":
            os.close(read_end)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_a_standard_descriptor_that_is_closed_is_not_taken_for_the_socket(closed):
    shell = ["sh", "-c", f'exec "$0" 0 {closed}', binary(SERVER)]
    server = subprocess.Popen(shell, stderr=subprocess.PIPE, text=True)
    try:
        port = int(server.stderr.readline().rpartition(":")[2])
        with Client(("127.0.0.1", port)) as client:
            assert client.ask(b"salut") == PREFIX + b"salut"
        files = {os.readlink(f"/proc/{server.pid}/fd/{fd}")[:6] for fd in range(3)}
        assert "socket" not in files
    finally:
        server.terminate()
        assert server.wait(PATIENCE) == 0


# ---- Real clients --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_nc_asks(start, host):
    needs_ipv6(host)
    server = start(SERVER, "-b", host, 0)
    words = [peer("nc"), "-u", host, str(server.port)]
    nc = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for line in (b"bonjour\n", b"\n", "à bientôt\n".encode()):
            nc.stdin.write(line)
            nc.stdin.flush()
            assert nc.stdout.read1(100) == PREFIX + line  # nc leaves the newline in the datagram
    finally:
        nc.kill()
        nc.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_socat_asks(start, host):
    needs_ipv6(host)
    server = start(SERVER, "-b", host.strip("[]"), 0)
    words = [peer("socat"), f"-t{PATIENCE:g}", "-", f"UDP:{host}:{server.port}"]
    socat = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for text in (b"bonjour", b"sans fin de ligne"):
            socat.stdin.write(text)
            socat.stdin.flush()
            assert socat.stdout.read1(100) == PREFIX + text
    finally:
        socat.kill()
        socat.wait()


def test_two_programs_ask_at_the_same_time(server):
    """Neither waits for the other: each question has its answer, whoever else asks."""
    results = []

    def ask(name):
        with Client(server.address) as client:
            wanted = [name + b"%d" % i for i in range(500)]
            results.append([client.ask(text) for text in wanted] == [PREFIX + w for w in wanted])

    threads = [threading.Thread(target=ask, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 3
