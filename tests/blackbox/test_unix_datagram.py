"""unix_domain/datagram_server and datagram_client: one datagram there, one back."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest
from harness import PATIENCE, Program, binary, eventually, needs_plain_build, peer, run, strace
from preload import NO_MEMORY, library
from unix_sockets import NO_LEAK_CHECK, bound
from wants import full_disk, kernel_log

SERVER, CLIENT = "unix_domain/datagram_server", "unix_domain/datagram_client"
PREFIX = "le serveur répond : ".encode()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ordinary:
    # Unix_dgram_sendmsg, in the kernel.
    LARGEST = ordinary.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 32


@pytest.fixture
def server(start, place):
    """A server at place/s."""
    return start(SERVER, place / "s")


@pytest.fixture
def client(place):
    """A socket of ours at place/c, connected to nobody."""
    with bound(place / "c", socket.SOCK_DGRAM) as client:
        yield client


def ask(client, place, question):
    client.sendto(question, str(place / "s"))
    answer, sender = client.recvfrom(1 << 21)
    assert sender == str(place / "s")
    return answer


def server_buffer():
    """The size of the server's send buffer: what an unread answer takes of it is over 512 bytes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as like_it:
        like_it.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        return like_it.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


# ---- The server ----------------------------------------------------------------------------------


QUESTIONS = [b"salut", b"", b"\n", b"a\nb\n", b"\0\xff\r\n", b"x" * 100_000]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: repr(question[:9]))
def test_a_datagram_is_answered_with_its_bytes(server, place, client, question):
    assert ask(client, place, question) == PREFIX + question


def test_two_sends_are_two_receives(server, place, client):
    for question in (b"un", b"", b"deux"):
        client.sendto(question, str(place / "s"))
    assert [client.recv(100) for _ in range(3)] == [PREFIX + b"un", PREFIX, PREFIX + b"deux"]


def test_the_largest_datagram_of_an_ordinary_client_is_answered(server, place, client):
    question = os.urandom(LARGEST)
    with pytest.raises(OSError, match="Message too long"):
        client.sendto(question + b"x", str(place / "s"))
    assert ask(client, place, question) == PREFIX + question


def test_a_datagram_too_long_to_be_held_gets_no_half_answer(server, place, client):
    SO_SNDBUFFORCE = 32  # past net.core.wmem_max, for root
    try:
        client.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
    except PermissionError:
        pytest.skip("a larger buffer than the system's maximum takes CAP_NET_ADMIN")
    client.sendto(b"x" * ((1 << 20) + 1), str(place / "s"))
    assert ask(client, place, b"next") == PREFIX + b"next"


def test_each_client_gets_its_own_answers(server, place):
    clients = [bound(place / f"c{i}", socket.SOCK_DGRAM) for i in range(50)]
    for i, client in enumerate(clients):
        client.sendto(b"%d" % i, str(place / "s"))
    for i, client in enumerate(clients):
        assert client.recv(100) == PREFIX + b"%d" % i
        client.close()


def test_an_abstract_address_is_answered(server, place):
    with bound(b"\0socklab \0 " + str(place).encode(), socket.SOCK_DGRAM) as client:
        assert ask(client, place, b"salut") == PREFIX + b"salut"
    with bound("", socket.SOCK_DGRAM) as client:  # autobind
        assert ask(client, place, b"salut") == PREFIX + b"salut"


def test_a_sender_without_an_address_is_passed_over(server, place, client):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
        nameless.sendto(b"who am I", str(place / "s"))
    assert ask(client, place, b"salut") == PREFIX + b"salut"


@pytest.mark.parametrize("unlinked", [True, False], ids=["ENOENT", "ECONNREFUSED"])
def test_a_sender_that_has_gone_is_passed_over(server, place, client, unlinked):
    server.process.send_signal(signal.SIGSTOP)
    gone = bound(place / "gone", socket.SOCK_DGRAM)
    gone.sendto(b"goodbye", str(place / "s"))
    gone.close()
    if unlinked:
        (place / "gone").unlink()
    server.process.send_signal(signal.SIGCONT)
    assert ask(client, place, b"salut") == PREFIX + b"salut"


def test_a_sender_that_is_connected_to_another_is_passed_over(server, place, client):
    with bound(place / "other", socket.SOCK_DGRAM), bound(
        place / "fickle", socket.SOCK_DGRAM
    ) as fickle:
        server.process.send_signal(signal.SIGSTOP)
        fickle.sendto(b"question", str(place / "s"))
        fickle.connect(str(place / "other"))
        server.process.send_signal(signal.SIGCONT)
        assert ask(client, place, b"salut") == PREFIX + b"salut"


def test_an_answer_that_comes_back_to_the_server_is_not_answered(server, place, client):
    """The name of a client that has become a link to the server's own socket."""
    needs_plain_build(SERVER)
    with bound(place / "link", socket.SOCK_DGRAM) as link:
        (place / "link").unlink()
        (place / "link").hardlink_to(place / "s")
        for _ in range(10):
            link.sendto(b"x", str(place / "s"))
            assert ask(client, place, b"salut") == PREFIX + b"salut"
        spent = server.cpu()
        time.sleep(0.5)  # the measure is of a time
        assert server.cpu() < spent + 0.05


def test_an_address_of_the_whole_length_is_answered(server, place):
    """108 bytes, and no NUL at their end: recvfrom says a length that is one more (unix(7), BUGS)."""
    path = str(place / "x").encode().ljust(108, b"x")
    address = socket.AF_UNIX.to_bytes(2, sys.byteorder) + path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        if ctypes.CDLL(None).bind(client.fileno(), address, len(address)) == -1:
            pytest.skip("this system's paths are shorter")
        client.sendto(b"salut", str(place / "s"))
        assert client.recv(100) == PREFIX + b"salut"


@pytest.mark.parametrize("size", [1000, 50_000, LARGEST])
def test_a_client_that_never_reads_stops_nobody(server, place, client, size):
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf:
        for _ in range(100):  # its queue is full after 10 or so answers (net.unix.max_dgram_qlen)
            deaf.sendto(b"x" * size, str(place / "s"))
            assert ask(client, place, b"salut") == PREFIX + b"salut"


@pytest.mark.alone
def test_who_reads_all_the_time_has_all_answers_though_it_is_not_connected(server, place):
    """Its queue has ten places, and it is often full for a moment."""
    count = 2000
    with bound(place / "client", socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        asking = threading.Thread(
            target=lambda: [client.sendto(b"%d" % i, str(place / "s")) for i in range(count)]
        )
        asking.start()
        for i in range(count):
            assert client.recv(100) == PREFIX + b"%d" % i
        asking.join()


@pytest.mark.parametrize("size", [1, 1000])
def test_a_connected_client_that_never_reads_stops_nobody(server, place, client, size):
    """Its queue has no end: the kernel holds that who has connected to a socket wants its answers
    (unix_dgram_sendmsg). All that bounds them is the send buffer of the server."""
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf:
        deaf.connect(str(place / "s"))
        for _ in range(server_buffer() // 512):
            deaf.send(b"x" * size)
        for _ in range(100):
            deaf.send(b"x" * size)
            assert ask(client, place, b"salut") == PREFIX + b"salut"


@pytest.mark.parametrize("size", [1, 1000, 10_000, 100_000])
def test_the_long_answers_of_others_go_on_when_one_never_reads(server, place, client, size):
    question = b"x" * 20_000
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf:
        deaf.connect(str(place / "s"))
        for _ in range(server_buffer() // max(size, 512)):
            deaf.send(b"x" * size)
        for _ in range(20):
            deaf.send(b"x" * size)
            assert ask(client, place, question) == PREFIX + question


# As where net.core.wmem_max has its usual value.
SMALL_BUFFER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/socket.h>
int setsockopt(int fd, int level, int option, const void* value, socklen_t length) {
    int small = 212992;
    if (level == SOL_SOCKET && option == SO_SNDBUF && *(const int*)value > small) value = &small;
    return ((int (*)(int, int, int, const void*, socklen_t))dlsym(RTLD_NEXT, "setsockopt"))(
        fd, level, option, value, length);
}
"""


@pytest.fixture
def small_server(start, place, tmp_path):
    """A server at place/s whose buffer has the size that Linux gives by default."""
    needs_plain_build(SERVER)
    start(SERVER, place / "s", env={"LD_PRELOAD": str(library(SMALL_BUFFER, tmp_path))})


@pytest.mark.parametrize("sizes", [[100_000, 205_000], [205_000], [60_000, 200_000], [205_000] * 9])
def test_long_answers_that_nobody_reads_leave_room_for_short_ones(
    small_server, place, client, sizes
):
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf:
        for size in sizes:
            deaf.sendto(b"x" * size, str(place / "s"))
            for question in (b"salut", b"x" * 1000):
                assert ask(client, place, question) == PREFIX + question


def test_who_reads_a_little_late_has_all_answers_beside_one_who_never_reads(small_server, place):
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf, bound(
        place / "late", socket.SOCK_DGRAM
    ) as late:
        deaf.sendto(b"x" * 205_000, str(place / "s"))
        for i in range(10):
            late.sendto(b"%d" % i, str(place / "s"))
            time.sleep(0.05)  # late, more than the server waits
            assert late.recv(100) == PREFIX + b"%d" % i
        for i in range(8):
            late.sendto(b"%d" % i, str(place / "s"))
        assert [late.recv(100) for i in range(8)] == [PREFIX + b"%d" % i for i in range(8)]


def test_who_was_late_once_is_soon_answered_again(small_server, place, client):
    """Though somebody else goes on taking most of the room."""
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf, bound(
        place / "late", socket.SOCK_DGRAM
    ) as late:
        deaf.sendto(b"x" * 205_000, str(place / "s"))
        late.sendto(b"un", str(place / "s"))
        assert ask(client, place, b"salut") == PREFIX + b"salut"  # so that one is late
        assert late.recv(100) == PREFIX + b"un"
        late.settimeout(0.1)

        def is_answered():
            late.sendto(b"deux", str(place / "s"))
            with contextlib.suppress(TimeoutError):
                return late.recv(100) == PREFIX + b"deux"

        eventually(is_answered)


def test_who_reads_late_has_half_a_buffer_of_answers(server, place):
    count = server_buffer() // 2 // 1024  # an answer takes less, in the kernel's count
    with bound(place / "late", socket.SOCK_DGRAM) as late:
        late.connect(str(place / "s"))
        for _ in range(count):
            late.send(b"x")
        assert [late.recv(100) for _ in range(count)] == [PREFIX + b"x"] * count


def test_who_reads_again_is_answered_again(server, place, client):
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf:
        deaf.connect(str(place / "s"))
        for _ in range(server_buffer() // 512):
            deaf.send(b"x")
        assert ask(client, place, b"salut") == PREFIX + b"salut"  # all before it have had their turn
        deaf.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                deaf.recv(100)
        deaf.settimeout(PATIENCE)
        assert ask(deaf, place, b"salut") == PREFIX + b"salut"


def test_a_client_that_never_reads_costs_nothing(server, place, client):
    needs_plain_build(SERVER)
    client.sendto(b"x" * 50_000, str(place / "s"))  # what an answer takes, once
    client.recv(100_000)
    before = server.rss()
    with bound(place / "deaf", socket.SOCK_DGRAM) as deaf:
        for _ in range(2000):
            deaf.sendto(b"x" * 50_000, str(place / "s"))
        assert server.rss() < before + (1 << 20)
        spent = server.cpu()
        time.sleep(0.5)  # the measure is of a time
        assert server.cpu() < spent + 0.05


def test_descriptors_that_nobody_asked_for_are_closed(server, place, client):
    before = server.descriptors()
    for _ in range(10):
        client.sendmsg(
            [b"x"],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"\0\0\0\0\1\0\0\0")],
            0,
            str(place / "s"),
        )
        assert client.recv(100) == PREFIX + b"x"
    assert server.descriptors() == before


@pytest.mark.parametrize(
    "calls, injection",
    [
        (call, f"{call}:error={error}:when=1")
        for call, errors in [
            ("recvfrom", ["EINTR", "EAGAIN", "ENOMEM", "ENOBUFS", "ECONNRESET"]),
            (
                "sendto",
                [
                    "EINTR",
                    "EAGAIN",
                    "ENOBUFS",
                    "ENOMEM",
                    "ECONNREFUSED",
                    "ENOENT",
                    "EPERM",
                    "EMSGSIZE",
                ],
            ),
            ("poll", ["EINTR", "EAGAIN", "ENOMEM", "EINVAL"]),
        ]
        for error in errors
    ],
    ids=lambda x: x,
)
def test_a_fault_costs_at_most_one_answer(start, place, client, calls, injection):
    server = start(SERVER, place / "s", env=NO_LEAK_CHECK)
    server.inject(calls, injection)
    client.sendto(b"un", str(place / "s"))
    client.sendto(b"deux", str(place / "s"))
    lost = calls == "sendto" and not re.search("EINTR|EAGAIN", injection)
    assert client.recv(100) == PREFIX + (b"deux" if lost else b"un")


def test_without_memory_to_receive_it_does_not_spin(start, place, client):
    server = start(SERVER, place / "s", env=NO_LEAK_CHECK)
    server.inject("recvfrom", "recvfrom:error=ENOMEM:when=1..5")
    asked = time.monotonic()
    assert ask(client, place, b"salut") == PREFIX + b"salut"
    assert time.monotonic() - asked > 0.4  # five rests


def test_nc_asks(server, place):
    words = [peer("nc"), "-uU", str(place / "s")]
    nc = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in (b"un\n", b"deux\n"):
        nc.stdin.write(line)
        nc.stdin.flush()
        assert nc.stdout.read1(100) == PREFIX + line  # nc leaves the newline in the datagram
    nc.kill()
    nc.wait()


def test_socat_asks(server, place):
    address = f"UNIX-SENDTO:{place}/s,bind={place}/socat"
    words = [peer("socat"), "-t30", "-", address]
    socat = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    socat.stdin.write(b"salut")
    socat.stdin.flush()
    assert socat.stdout.read1(100) == PREFIX + b"salut"
    socat.kill()
    socat.wait()


# ---- The client ----------------------------------------------------------------------------------


def started(place, **options):
    """A client that has pipes for its standard two, and makes its directory in place/tmp."""
    (place / "tmp").mkdir(exist_ok=True)
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
    env = {"TMPDIR": str(place / "tmp"), **options.pop("env", {})}
    return Program(CLIENT, place / "s", env=env, **options)


def own_directory(place):
    """The client's directory, once its socket is there."""
    (own,) = eventually(lambda: list((place / "tmp").glob("*/socket")))
    return own.parent


def feed(program, text):
    """Types all of `text` and closes, however slowly or little the client takes of it."""

    def write():
        try:
            program.process.stdin.write(text)
            program.process.stdin.close()
        except BrokenPipeError:
            pass

    threading.Thread(target=write, daemon=True).start()


def asked(place, text, **options):
    """All that a client prints that is given `text`, which must end well and leave nothing
    behind."""
    program = started(place, **options)
    if text is not None:
        feed(program, text)
    out = program.process.stdout.read()
    assert program.wait() == 0, program.log
    assert program.log == []
    assert list((place / "tmp").iterdir()) == []
    return out


@pytest.mark.parametrize(
    "text, lines",
    [
        (b"", []),
        (b"\n", [b""]),
        (b"un\n\ndeux\n", [b"un", b"", b"deux"]),
        (b"un\nsans fin de ligne", [b"un", b"sans fin de ligne"]),
        (b"\r\n\0\n\xff\\n\n  x \n", [b"\r", b"\0", b"\xff\\n", b"  x "]),
        (b"x" * 100_000 + b"\ny\n", [b"x" * 100_000, b"y"]),
    ],
    ids=lambda x: None if isinstance(x, list) else repr(x[:20]),
)
def test_each_line_is_a_datagram_and_each_answer_a_line(server, place, text, lines):
    assert asked(place, text) == b"".join(PREFIX + line + b"\n" for line in lines)


def test_the_client_answers_as_the_user_types(server, place):
    program = started(place)
    for line in (b"un\n", b"deux\n"):
        program.process.stdin.write(line)
        program.process.stdin.flush()
        assert program.process.stdout.readline() == PREFIX + line
    program.process.stdin.close()
    assert program.wait() == 0


def test_no_newline_travels_and_an_empty_line_is_an_empty_datagram(place):
    with bound(place / "s", socket.SOCK_DGRAM) as ours:
        program = started(place)
        program.process.stdin.write(b"un\n\nfin")
        program.process.stdin.close()
        for question in (b"un", b"", b"fin"):
            got, address = ours.recvfrom(100)
            assert got == question
            ours.sendto(b"re: " + got, address)
        assert program.process.stdout.read() == b"re: un\nre: \nre: fin\n"
        assert program.wait() == 0


def test_without_memory_the_client_leaves_nothing_behind(place, tmp_path):
    needs_plain_build(CLIENT)
    with bound(place / "s", socket.SOCK_DGRAM) as ours:
        program = started(place, env={"LD_PRELOAD": str(library(NO_MEMORY, tmp_path))})
        program.process.stdin.write(b"un\n")
        program.process.stdin.flush()
        address = ours.recvfrom(100)[1]
        program.process.send_signal(signal.SIGUSR1)
        ours.sendto(b"re: " + b"x" * 1000, address)
        assert program.wait() == 1
    assert list((place / "tmp").iterdir()) == []


def test_an_empty_answer_is_an_empty_line(place):
    with bound(place / "s", socket.SOCK_DGRAM) as ours:
        program = started(place)
        program.process.stdin.write(b"un\n")
        program.process.stdin.close()
        ours.sendto(b"", ours.recvfrom(100)[1])
        assert program.process.stdout.read() == b"\n"
        assert program.wait() == 0


def test_the_answers_go_to_the_log_of_the_kernel(server, place):
    with kernel_log() as (kernel, records):
        program = started(place, stdout=kernel)
        question = f"client {program.process.pid}".encode()
        feed(program, question)
        assert program.wait() == 0
        assert question in records()


def test_the_largest_line(server, place):
    line = b"x" * LARGEST
    assert asked(place, line + b"\n") == PREFIX + line + b"\n"


@pytest.mark.parametrize("line", [b"x" * (LARGEST + 1), b"x" * 5_000_000], ids=["by one", "by far"])
def test_a_line_too_large_for_a_datagram_is_one_line_on_stderr(server, place, line):
    program = started(place)
    feed(program, b"first\n" + line + b"\n")
    assert program.process.stdout.read() == PREFIX + b"first\n"
    assert program.wait() == 1
    (said,) = program.log
    assert said.startswith(f"{CLIENT}: ") and said.endswith(": Message too long")
    assert list((place / "tmp").iterdir()) == []


def test_a_line_without_end_is_not_collected(server, place):
    needs_plain_build(CLIENT)
    program = started(place, stdin=open("/dev/zero", "rb"))
    assert program.wait() == 1
    assert program.log == [f"{CLIENT}: a line: Message too long"]


def test_its_address_is_in_a_directory_that_nobody_else_can_enter(server, place):
    program = started(place)
    directory = own_directory(place)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    program.process.stdin.close()
    assert program.wait() == 0
    assert list((place / "tmp").iterdir()) == []


def waits_for_input(place):
    return started(place)


def waits_for_the_answer(place):
    program = started(place)
    program.process.stdin.write(b"question\n")
    program.process.stdin.flush()
    return program


def waits_for_room_in_the_queue(place):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as crowd:
        crowd.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                crowd.sendto(b"x", str(place / "s"))
    return waits_for_the_answer(place)


def waits_for_its_reader(place):
    program = started(place)
    program.process.stdin.write(b"x" * 100_000 + b"\n")  # more than a pipe holds
    program.process.stdin.flush()
    return program


@pytest.mark.parametrize(
    "how",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT],
    ids=lambda how: how.name,
)
@pytest.mark.parametrize(
    "waiting",
    [waits_for_input, waits_for_the_answer, waits_for_room_in_the_queue, waits_for_its_reader],
    ids=lambda f: f.__name__,
)
def test_a_signal_leaves_nothing_behind(request, place, waiting, how):
    if waiting == waits_for_its_reader:
        request.getfixturevalue("start")(SERVER, place / "s")
        program = waiting(place)
        eventually(lambda: program.process.stdout.peek(1))
    else:
        with bound(place / "s", socket.SOCK_DGRAM) as ours:
            program = waiting(place)
            if waiting == waits_for_the_answer:
                assert ours.recv(100) == b"question"
            own_directory(place)
            program.stop(how)
    program.stop(how)
    assert program.log == []
    assert list((place / "tmp").iterdir()) == []


def test_a_signal_in_the_moment_of_mkdtemp_leaves_nothing_behind(server, place):
    calls = "?mkdir,mkdirat"
    program = started(place, under=strace(calls, f"{calls}:signal=SIGTERM"))
    assert program.wait() == 0
    assert list((place / "tmp").iterdir()) == []


def test_no_answer_is_an_error_after_a_while(place):
    with bound(place / "s", socket.SOCK_DGRAM):
        program = waits_for_the_answer(place)
        assert program.wait() == 1
        assert program.log == [f"{CLIENT}: no answer in 5 s"]
        assert list((place / "tmp").iterdir()) == []


# As for a program that is stopped (Control-Z) while it waits, and goes on six seconds after that: the
# answer has come meanwhile.
STOPPED_FOR_SIX_SECONDS = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static int later;
int clock_gettime(clockid_t which, struct timespec* time) {
    const int result = syscall(SYS_clock_gettime, which, time);
    time->tv_sec += later;
    return result;
}
int poll(struct pollfd* polled, nfds_t count, int timeout) {
    const struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000};
    const int ready = ppoll(polled, count, timeout < 0 ? NULL : &limit, NULL);
    if (ready <= 0 || timeout <= 0 || polled[1].events != POLLIN || later) return ready;
    later = 6;
    errno = EINTR;
    return -1;
}
"""


def test_an_answer_that_came_while_the_client_was_stopped_is_an_answer(place, tmp_path):
    needs_plain_build(CLIENT)
    preloaded = {"LD_PRELOAD": str(library(STOPPED_FOR_SIX_SECONDS, tmp_path))}
    with bound(place / "s", socket.SOCK_DGRAM) as ours:
        program = started(place, env=preloaded)
        feed(program, b"a question\n")
        _, address = ours.recvfrom(100)
        ours.sendto(b"the answer", address)
        assert program.process.stdout.read() == b"the answer\n"
        assert program.wait() == 0


def test_nobody_else_can_answer(place):
    with bound(place / "s", socket.SOCK_DGRAM) as ours, bound(
        place / "c", socket.SOCK_DGRAM
    ) as other:
        program = waits_for_the_answer(place)
        _, address = ours.recvfrom(100)
        with pytest.raises(PermissionError):
            other.sendto(b"a lie", address)
        ours.sendto(b"the truth", address)
        program.process.stdin.close()
        assert program.process.stdout.read() == b"the truth\n"
        assert program.wait() == 0


def test_a_server_that_has_gone_is_an_error(place):
    with bound(place / "s", socket.SOCK_DGRAM) as ours:
        program = waits_for_the_answer(place)
        ours.sendto(b"answer", ours.recvfrom(100)[1])
        assert program.process.stdout.readline() == b"answer\n"
    program.process.stdin.write(b"question\n")
    program.process.stdin.close()
    assert program.wait() == 1
    assert program.log == [f"{CLIENT}: send 8 bytes: Connection refused"]
    assert list((place / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "path, reason",
    [
        ("absent", "No such file or directory"),
        ("file", "Connection refused"),
        ("dead", "Connection refused"),
        ("stream", "Protocol wrong type for socket"),
        ("x" * 200, "too long for a socket"),
    ],
)
def test_no_server_there_is_one_line(place, path, reason):
    (place / "file").write_text("")
    bound(place / "dead", socket.SOCK_DGRAM).close()
    with bound(place / "stream"):
        ended = run(
            CLIENT, place / path, env={**os.environ, "TMPDIR": str(place)}, stdin=subprocess.DEVNULL
        )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"{CLIENT}: ") and reason in line
    assert not list(place.glob("socklab-*"))


def test_a_temporary_directory_too_deep_for_a_socket_is_one_line(server, place):
    deep = place / ("x" * 100)
    deep.mkdir()
    ended = run(
        CLIENT, place / "s", env={**os.environ, "TMPDIR": str(deep)}, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 1
    assert "too long for a socket" in ended.stderr
    assert list(deep.iterdir()) == []


def test_a_closed_standard_output_ends_the_client_quietly(server, place):
    program = started(place)
    own_directory(place)
    program.process.stdout.close()
    program.process.stdin.write(b"un\ndeux\n")
    program.process.stdin.close()
    assert program.wait() == 0
    assert program.log == []
    assert list((place / "tmp").iterdir()) == []


def test_standard_output_that_was_never_open_is_not_the_server(server, place):
    (place / "tmp").mkdir()
    command = f'echo un | TMPDIR={place}/tmp "$0" {place}/s >&-'
    assert subprocess.run(["bash", "-c", command, binary(CLIENT)], timeout=PATIENCE).returncode == 0
    assert list((place / "tmp").iterdir()) == []


def test_a_full_disk_is_one_line(server, place):
    program = started(place, stdout=full_disk())
    feed(program, b"un\n")
    assert program.wait() == 1
    assert program.log == [f"{CLIENT}: write: No space left on device"]
    assert list((place / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "calls, injection",
    [
        (call, f"{call}:error={error}:when={when}")
        for call, errors in [
            ("read", ["EINTR", "EAGAIN"]),
            ("recvfrom", ["EINTR", "EAGAIN", "ENOMEM"]),
            ("sendto", ["EINTR", "EAGAIN", "ENOBUFS"]),
            ("write", ["EINTR", "EAGAIN"]),
            ("poll", ["EINTR", "ENOMEM"]),
        ]
        for error in errors
        for when in (1, 2)
    ],
    ids=lambda x: x,
)
def test_a_fault_that_passes_costs_the_client_nothing(server, place, calls, injection):
    (place / "in").write_bytes(b"un\ndeux\n")
    # Not the loader's reads.
    under = strace(calls, injection) + (["-P", place / "in"] if calls == "read" else [])
    assert (
        asked(place, None, under=under, stdin=open(place / "in", "rb"))
        == PREFIX + b"un\n" + PREFIX + b"deux\n"
    )


def test_the_client_asks_nc(place):
    nc = subprocess.Popen(
        [peer("nc"), "-luU", place / "s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    eventually((place / "s").exists)
    program = waits_for_the_answer(place)
    assert nc.stdout.read1(100) == b"question"
    nc.stdin.write(b"answer")
    nc.stdin.flush()
    assert program.process.stdout.readline() == b"answer\n"
    program.process.stdin.close()
    assert program.wait() == 0
    nc.kill()
    nc.wait()


def test_the_client_asks_socat(place):
    words = [peer("socat"), f"UNIX-RECVFROM:{place}/s,fork", "EXEC:cat"]
    socat = subprocess.Popen(words)
    eventually((place / "s").exists)
    assert asked(place, b"salut\n") == b"salut\n"
    socat.kill()
    socat.wait()
