"""The echo family: one protocol, five programs, the same promises."""

import os
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
    binary,
    connect,
    converse,
    eventually,
    fill,
    needs_plain_build,
    peer,
    readable,
    receive,
    receive_all,
    receive_until,
    reset,
    run,
    sanitized,
    strace,
    writable,
)
from networks import named
from preload import DETACH, library
from wants import children, has_ipv6, needs_descriptors, needs_hosts, needs_ipv6, needs_namespace

BLOCKING = ["echo/iterative", "echo/fork", "echo/thread"]
LOOPS = ["echo/select", "echo/poll", "echo/generations"]
ALL = BLOCKING + LOOPS
CONCURRENT = ALL[1:]

# Descriptors with no client: the standard three and the listener; a stop pipe; the pipe of the
# parked.
BASE = dict.fromkeys(BLOCKING, 4) | dict.fromkeys(LOOPS, 6) | {"echo/generations": 8}

GREETING = "Le serveur écoute.\n".encode()
PREFIX = "le serveur répond : ".encode()
FULL = b"serveur complet\n"
MIB = 1 << 20


NO_LEAK_CHECK = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # it does not work under ptrace


def answer(sent):
    """What the server owes for `sent`, greeting included."""
    return GREETING + b"".join(PREFIX + line for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", sent))


def assert_serves(server, line=b"encore\n"):
    assert converse(server.connect(), line) == answer(line)


@pytest.fixture(params=ALL)
def program(request):
    return request.param


# ---- The wire


def test_the_answer_to_a_line_starts_before_the_line_has_ended(start, program):
    client = start(program).connect()
    client.sendall(b"d\xc3\xa9but")
    assert receive(client, len(GREETING + PREFIX) + 6) == GREETING + PREFIX + "début".encode()


def test_a_line_of_50_megabytes_in_little_memory(start, program):
    server = start(program)
    sent = bytes(range(11, 256)) * (50_000_000 // 245) + b"\n"
    got = converse(server.connect(), sent)
    assert got == GREETING + PREFIX + sent
    if not sanitized(program):
        assert server.rss() < 16 * MIB


def test_after_a_half_close_all_that_is_owed_is_delivered(start, program):
    server = start(program)
    client = server.connect(receive_buffer=4096)
    # The answer does not fit the buffers on the way.
    sent = b"".join(b"ligne %d\n" % i for i in range(20_000))
    threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR))).start()
    assert readable([client])
    got = b"".join(iter(lambda: client.recv(5000), b""))
    assert got == answer(sent)


# ---- Addresses and the command line


@pytest.mark.parametrize(
    "bind, host", [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")]
)
def test_ipv4_and_ipv6(start, program, bind, host):
    needs_ipv6(bind, host)
    server = start(program, "-b", bind, 0)
    shown = f"[{bind}]" if ":" in bind else bind
    assert server.log[0] == f"listening on {shown}:{server.port}"
    assert converse(connect((host, server.port)), b"ici\n") == answer(b"ici\n")


def test_nobody_but_this_machine_gets_in_unless_asked(start, program):
    assert start(program).address[0] == "127.0.0.1"


def test_it_says_one_line_on_stderr_and_nothing_on_stdout(start, program):
    server = start(program, stdout=subprocess.PIPE)
    assert_serves(server)
    server.stop()
    assert server.log == [f"listening on 127.0.0.1:{server.port}"]
    assert server.process.stdout.read() == b""


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(program, option):
    result = run(program, option)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: {program} [-b ADDR] [PORT]\n")


@pytest.mark.parametrize(
    "arguments, wrong",
    [
        (["65536"], "bad port: 65536"),
        (["-1"], "unknown option -1"),
        (["http"], "bad port: http"),
        (["90x"], "bad port: 90x"),
        ([" 90"], "bad port:  90"),
        ([""], "bad port: "),
        (["-xz"], "unknown option -x"),
        (["--help=3"], "unknown option --help=3"),
        (["9090", "9091"], "too many arguments"),
        (["-x"], "unknown option -x"),
        (["--port"], "unknown option --port"),
        (["-b"], "-b wants a value"),
    ],
)
def test_bad_usage(program, arguments, wrong):
    result = run(program, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{program}: {wrong}\nusage: {program} ")


def test_bad_usage_that_nobody_reads(program):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb") as stderr:
        assert subprocess.run([binary(program), "-x"], stderr=stderr).returncode == 2


def test_a_port_that_is_taken(start, program):
    server = start(program)
    result = run(program, server.port)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"{program}: bind 127.0.0.1:{server.port}: Address already in use\n"


def test_a_taken_port_is_not_looked_for_at_another_address(start, program, tmp_path):
    under = named(tmp_path, "127.0.0.1", "127.0.0.2")
    server = start(program, "-b", "many.addresses", 0, under=under)
    ended = run(program, "-b", "many.addresses", server.port, under=under)
    taken = "%s:%d" % server.address
    assert ended.returncode == 1
    assert ended.stderr == f"{program}: bind {taken}: Address already in use\n"


def test_a_host_that_does_not_exist(program):
    result = run(program, "-b", "no.such.host.invalid", 0)
    assert result.returncode == 1
    assert re.fullmatch(rf"{program}: no\.such\.host\.invalid: .+\n", result.stderr)


def test_an_address_that_is_not_ours(program):
    result = run(program, "-b", "192.0.2.1", 0)
    assert result.returncode == 1
    assert result.stderr == f"{program}: bind 192.0.2.1:0: Cannot assign requested address\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_with_clients_connected(start, program, how):
    server = start(program)
    client = server.connect()
    receive(client, len(GREETING))
    server.stop(how)  # which asserts the exit status, and the second


@pytest.mark.parametrize("program", LOOPS)
def test_it_ends_at_a_signal_while_clients_keep_it_busy(start, program):
    server = start(program)
    clients = [server.connect() for _ in range(20)]
    over = threading.Event()

    def flood(client):
        client.setblocking(False)
        while not over.is_set():
            try:
                if readable([client], 0):
                    client.recv(MIB)
                if writable(client, 0.1):
                    client.send(b"x" * 1000 + b"\n")
            except OSError:
                return

    threads = [threading.Thread(target=flood, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    before = server.cpu()
    eventually(lambda: server.cpu() > before + 0.2)
    try:
        server.stop()
    finally:
        over.set()


@pytest.mark.parametrize("program", LOOPS)
def test_a_signal_does_not_wait_for_the_turns_of_all_who_are_ready(start, program):
    server = start(program, env=NO_LEAK_CHECK)
    clients = [server.connect() for _ in range(30)]
    for client in clients:
        receive(client, len(GREETING))
    server.stop_amid_a_round(clients, b"x\n")


# ---- Clients that misbehave


@pytest.mark.parametrize("program", CONCURRENT)
def test_a_silent_client_holds_nobody_up(start, program):
    server = start(program)
    silent = server.connect()
    receive(silent, len(GREETING))
    assert_serves(server)


def test_behind_iterative_the_second_client_waits_for_the_first(start):
    server = start("echo/iterative")
    first, second = server.connect(), server.connect()
    receive(first, len(GREETING))
    second.sendall(b"et moi\n")
    first.sendall(b"patience\n")
    assert receive_until(first, b"\n") == PREFIX + b"patience\n"
    assert readable([second], 0) == []
    first.close()
    assert receive(second, len(GREETING)) == GREETING
    assert receive_until(second, b"\n") == PREFIX + b"et moi\n"


@pytest.mark.parametrize("program", CONCURRENT)
def test_clients_that_never_read_cost_little_memory_and_hold_nobody_up(start, program):
    needs_plain_build(program)
    server = start(program)
    before = server.rss()
    deaf = [server.connect() for _ in range(5)]
    for client in deaf:
        fill(client, b"\n" * 65536)  # the worst case: 22 bytes are owed for each
    assert_serves(server)
    assert server.rss() < before + 8 * MIB
    for client in deaf:
        client.close()
    assert_serves(server)


@pytest.mark.parametrize("program", CONCURRENT)
def test_one_that_never_reads_may_change_its_mind(start, program):
    server = start(program)
    client = server.connect()
    went = fill(client, b"0123456\n" * 8192)
    client.setblocking(True)
    client.settimeout(PATIENCE)
    client.shutdown(socket.SHUT_WR)
    expected = answer(b"0123456\n" * (went // 8 + 1))[
        : len(GREETING) + went + len(PREFIX) * -(-went // 8)
    ]
    assert receive_all(client) == expected


def test_a_reset_while_the_server_is_sending(start, program):
    server = start(program)
    for _ in range(5):
        client = server.connect(receive_buffer=4096)
        client.settimeout(0.2)  # while a thread polls a socket, its close is put off
        threading.Thread(target=fill_ignoring_errors, args=[client]).start()
        assert readable([client])
        client.recv(10_000)
        reset(client)
    assert_serves(server)


def fill_ignoring_errors(client):
    try:
        client.sendall(b"salut\n" * 500_000)
    except OSError:
        pass  # the connection was reset under it, as the test wants


def test_a_client_that_gives_up_before_it_is_accepted(start, program):
    server = start(program)
    os.kill(server.pid, signal.SIGSTOP)
    for _ in range(20):
        reset(server.connect())
    os.kill(server.pid, signal.SIGCONT)
    assert_serves(server)


# ---- When something runs out


@pytest.mark.parametrize("program", ["echo/thread", *LOOPS])
def test_out_of_descriptors_it_says_so_once_and_rests_and_serves_again(start, program):
    server = start(program, nofile=40)
    clients = [server.connect() for _ in range(60)]
    server.logged("accept: Too many open files")
    room = 40 - BASE[program]
    served = eventually(lambda: len(ready := readable(clients, 0)) == room and ready)

    if not sanitized(program):
        before, start_time = server.cpu(), time.monotonic()
        time.sleep(1)  # the measure is of a time
        assert server.cpu() - before < 0.05 * (time.monotonic() - start_time) + 0.01

    waiting = [client for client in clients if client not in served]
    for client in served:  # each that leaves lets another in
        client.close()
    for client in waiting:
        assert receive(client, len(GREETING)) == GREETING
    assert [line for line in server.log if "accept" in line] == [server.log[1]]
    for client in waiting:
        client.close()
    assert_serves(server)


@pytest.mark.parametrize("program", ["echo/thread", *LOOPS])
def test_out_of_descriptors_it_still_answers_those_it_has(start, program):
    server = start(program, nofile=40)
    clients = [server.connect() for _ in range(60)]
    server.logged("accept: Too many open files")
    receive(clients[0], len(GREETING))
    clients[0].sendall(b"toujours l\xc3\xa0 ?\n")
    assert receive_until(clients[0], b"\n") == PREFIX + "toujours là ?\n".encode()


def test_select_refuses_a_descriptor_that_its_sets_cannot_hold(start):
    needs_descriptors(1200)
    server = start("echo/select", nofile=1200)
    clients = [server.connect() for _ in range(1024)]
    got = [receive_until(client, b"\n") for client in clients]
    held = got.index(FULL)
    assert (
        held == 1024 - BASE["echo/select"]
        and got[:held] == [GREETING] * held
        and set(got[held:]) == {FULL}
    )
    assert receive_all(clients[-1]) == b""
    server.connect().sendall(b"quelqu'un ?\n")  # told so whether it speaks or not
    clients[5].close()
    eventually(lambda: receive_until(server.connect(), b"\n") == GREETING)
    last = clients[held - 1]  # the highest descriptor
    last.sendall(b"haut\n")
    assert receive_until(last, b"\n") == PREFIX + b"haut\n"


def test_select_says_so_when_there_is_no_descriptor_for_its_listener():
    needs_descriptors(1100)

    def take_them_all():
        for fd in range(3, 1100):
            os.dup2(2, fd)

    result = run("echo/select", 0, preexec_fn=take_them_all, close_fds=False)
    assert (result.returncode, result.stderr) == (
        1,
        "echo/select: no descriptor below FD_SETSIZE\n",
    )


@pytest.mark.parametrize("program", ["echo/poll", "echo/generations"])
def test_five_thousand_clients_at_once(start, program):
    needs_descriptors(5000)
    server = start(program)
    clients = [server.connect() for _ in range(5000)]
    for i, client in enumerate(clients):
        client.sendall(b"%d\n" % i)
    for i, client in enumerate(clients):
        assert receive(client, len(GREETING)) == GREETING
        assert receive_until(client, b"\n") == PREFIX + b"%d\n" % i
    for client in clients[::2]:
        client.close()
    for i, client in [*enumerate(clients)][1::2]:
        client.sendall(b"%d\n" % -i)
        assert receive_until(client, b"\n") == PREFIX + b"%d\n" % -i
    eventually(lambda: server.descriptors() < 2600)


@pytest.mark.parametrize("program", ["echo/fork", "echo/thread"])
def test_when_no_process_or_thread_can_be_made_the_client_is_told(start, program):
    server = start(program)
    assert_serves(server)  # and ThreadSanitizer, if any, has made the thread of its own
    server.inject("clone,clone3,fork,vfork", "clone,clone3,fork,vfork:error=EAGAIN:when=1")
    assert receive_all(server.connect()) == FULL
    server.logged("Resource temporarily unavailable")
    assert_serves(server)


# The thirteenth waits for the file GATE, and looks at the thread then.
LOOK_ONCE_MORE = r"""
static void after(pthread_t thread) {
    static int calls;
    if (++calls != 13) return;
    while (access(getenv("GATE"), F_OK) == -1) usleep(1000);
    (void)*(volatile char*)thread;
}
"""


def test_a_thread_does_not_end_before_it_is_detached(start, tmp_path):
    """Its memory would be gone where pthread_detach still looks at it: once in many thousands of
    clients that have gone at once, and the program ends with them."""
    needs_plain_build("echo/thread")
    detach, gate = library(DETACH + LOOK_ONCE_MORE, tmp_path), tmp_path / "gate"
    server = start("echo/thread", env={"LD_PRELOAD": str(detach), "GATE": str(gate)})
    others = [server.connect() for _ in range(12)]
    for other in others:
        receive(other, len(GREETING))
    with server.connect() as client:
        receive(client, len(GREETING))
    eventually(lambda: server.descriptors() == BASE["echo/thread"] + len(others))
    for other in others:  # with their stacks there are more than the C library keeps for the next
        other.close()
    eventually(lambda: server.descriptors() == BASE["echo/thread"])
    time.sleep(0.1)  # the threads end now, if they do
    gate.touch()
    assert_serves(server)


def test_fork_leaves_no_zombie(start):
    server = start("echo/fork")
    for _ in range(1000):
        client = server.connect()
        client.close()
    assert_serves(server)

    eventually(lambda: not children(server.pid))


@pytest.mark.parametrize("program", CONCURRENT)
def test_a_thousand_clients_leave_nothing_behind(start, program):
    server = start(program)
    assert_serves(server)
    eventually(lambda: server.descriptors() == BASE[program])
    for i in range(1000):
        client = server.connect()
        client.sendall(b"bonjour")
        reset(client) if i % 2 else client.close()
    assert_serves(server)
    eventually(lambda: server.descriptors() == BASE[program])


@pytest.mark.parametrize("program", LOOPS)
def test_a_second_shortage_is_said_too(start, program):
    server = start(program, nofile=40)
    for shortage in (1, 2):
        clients = [server.connect() for _ in range(60)]
        eventually(lambda: sum("Too many open files" in line for line in server.log) == shortage)
        for client in clients:
            client.close()
        eventually(lambda: server.descriptors() == BASE[program])
        assert_serves(server)


def test_with_no_descriptor_for_any_client_it_does_not_spin(start, program):
    needs_plain_build(program)
    server = start(program, nofile=BASE[program])
    clients = [server.connect() for _ in range(3)]
    server.logged("Too many open files")
    before, start_time = server.cpu(), time.monotonic()
    assert readable(clients, 1) == []
    assert server.cpu() - before < 0.05 * (time.monotonic() - start_time) + 0.01


def test_a_client_that_is_refused_after_it_has_spoken_is_told_all_the_same(start):
    """Closing with its words unread would be a reset."""
    needs_descriptors(1200)
    server = start("echo/select", nofile=1200)
    held = [server.connect() for _ in range(1024)]
    receive_until(held[-1], b"\n")
    os.kill(server.pid, signal.SIGSTOP)
    late = server.connect()
    late.sendall(b"un mot\n" * 1000)
    os.kill(server.pid, signal.SIGCONT)
    assert receive_all(late) == FULL


def test_of_two_addresses_that_a_name_has_the_second_will_do(start, program, tmp_path):
    """Where the first cannot be had: without IPv6, say. (getaddrinfo calls bind, too: listen.)"""
    under = named(tmp_path, "127.0.0.1", "127.0.0.2")
    under += strace("listen", "listen:error=EADDRNOTAVAIL:when=1")
    server = start(program, "-b", "many.addresses", 0, under=under)
    assert converse(server.connect(), b"un\n") == answer(b"un\n")


def test_an_urgent_byte_is_a_byte(start, program):
    client = start(program).connect()
    client.sendall(b"ab")
    client.send(b"!", socket.MSG_OOB)
    client.sendall(b"cd\n")
    client.shutdown(socket.SHUT_WR)
    assert receive_all(client) == answer(b"ab!cd\n")


# ---- Faults of the system calls (test_errors.py has the others) ---------------------------------

@pytest.mark.parametrize("program", ["echo/fork"])
def test_fork_goes_on_after_every_failed_fork(start, program):
    under = strace("clone,clone3,fork", "clone,clone3,fork:error=ENOMEM:when=2+2")
    server = start(program, under=under)
    got = [converse_or_refused(server.connect()) for _ in range(6)]
    assert got == [answer(b"un\n"), FULL] * 3


def converse_or_refused(client):
    """Says nothing to a server that has refused it: that would be answered with a reset."""
    first = receive_until(client, b"\n")
    return first + (converse(client, b"un\n") if first == GREETING else receive_all(client))


def test_poll_makes_one_recv_and_one_send_a_turn(start, tmp_path):
    trace = tmp_path / "trace"
    words = [
        peer("strace"),
        "-D",
        "-qq",
        "-o",
        trace,
        "-e",
        "trace=recvfrom,sendto,poll,ppoll,accept,accept4",
    ]
    server = start("echo/poll", under=words)
    client = server.connect()
    receive(client, len(GREETING))
    for _ in range(10):
        client.sendall(b"salut\n")
        receive_until(client, b"\n")
    client.close()
    eventually(
        lambda: "recvfrom" in (lines := trace.read_text().splitlines())[-2]
        and lines[-2].endswith("= 0")
    )
    calls = re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE)
    assert [call.replace("ppoll", "poll") for call in calls] == (
        ["poll"]  # is there room for "listening on" in the log?
        + ["poll", "accept", "sendto", "accept"]
        + ["poll", "recvfrom", "sendto"] * 10
        + ["poll", "recvfrom", "poll"]
    )


# ---- The parked clients of echo/generations


@pytest.fixture
def parked(start):
    """A server and 700 clients in the middle of a line, all but a few of them parked, in two
    threads."""
    server = start("echo/generations")
    clients = [server.connect() for _ in range(700)]
    for client in clients:
        client.sendall(b"moi")
        assert receive(client, len(GREETING + PREFIX) + 3) == GREETING + PREFIX + b"moi"
    eventually(lambda: server.descriptors() == 708 + 2 * 2)  # two threads, and a pipe to each
    return server, clients


def test_the_silent_are_parked_and_come_back_where_they_were(parked):
    _, clients = parked
    for _ in range(2):
        for client in clients:
            client.sendall(b" aussi\net")
        expected = b" aussi\n" + PREFIX + b"et"
        assert [receive(client, len(expected)) for client in clients] == [expected] * 700


def test_parked_clients_that_leave_are_noticed(parked):
    server, clients = parked
    for i, client in enumerate(clients):
        reset(client) if i % 2 else client.close()
    eventually(lambda: server.descriptors() == 8 + 4)
    assert_serves(server)


def test_it_ends_with_clients_parked(parked):
    server, _ = parked
    server.stop()


def test_it_ends_at_once_though_no_thread_can_poll(start):
    """Each rests for a tenth of a second then (here the limit of descriptors is below what poll is
    given, EINVAL): they rest together, and not one after the other."""
    needs_descriptors(9100)
    server = start("echo/generations")
    clients = [server.connect() for _ in range(9000)]
    eventually(lambda: server.descriptors() >= 9000 + 8 + 2 * 18)  # 17 threads with 512
    most = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (400, most))
    some = clients[::200]  # two or three of each thread: the first of them ends its last good poll
    for client in some:
        receive(client, len(GREETING))
        client.sendall(b"x\n")
    eventually(lambda: len(readable(some)) >= 17)
    server.stop()


@pytest.mark.parametrize("nofile", [6, 7])
def test_without_its_pipes_it_does_not_say_that_it_listens(nofile):
    needs_plain_build("echo/generations")
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))}
    ended = run("echo/generations", 0, **limit)
    assert ended.returncode == 1
    assert ended.stderr == "echo/generations: pipe: Too many open files\n"


@pytest.mark.parametrize("call", ["clone,clone3", "pipe,pipe2"])
def test_those_who_cannot_be_parked_are_served_all_the_same(start, tmp_path, call):
    server = start("echo/generations", env=NO_LEAK_CHECK)
    trace = tmp_path / "trace"
    server.inject(call, f"{call}:error=EMFILE", trace)
    clients = [server.connect() for _ in range(100)]
    for client in clients:
        receive(client, len(GREETING))
    eventually(lambda: trace.read_text().count("INJECTED") > 1)
    for client in clients:
        client.sendall(b"salut\n")
        assert receive_until(client, b"\n") == PREFIX + b"salut\n"


# ---- Real clients


@pytest.mark.parametrize(
    "command",
    [
        ["nc", "-N", "127.0.0.1", "PORT"],
        ["ncat", "127.0.0.1", "PORT"],
        ["socat", "-", "TCP4:localhost:PORT"],
        ["socat", "-t30", "-", "TCP6:[::1]:PORT"],
        ["nc", "-N", "::1", "PORT"],
    ],
    ids=" ".join,
)
def test_a_real_client_holds_the_conversation(start, program, command):
    peer(command[0])
    needs_ipv6(*command)
    needs_hosts(*command)
    server = start(program, "-b", "::" if has_ipv6() else "127.0.0.1", 0)
    words = [word.replace("PORT", str(server.port)) for word in command]
    sent = b"bonjour\n\xc3\xa0 bient\xc3\xb4t\r\n\n"
    result = subprocess.run(words, input=sent, capture_output=True, timeout=PATIENCE)
    assert result.stdout == answer(sent)


@pytest.fixture
def course_page_server():
    """The echo server of the course page: a socat, and a shell for each client. Its port."""
    answering = (
        'echo "Le serveur écoute."; while read LINE; do echo "le serveur répond : $LINE"; done'
    )
    socat = subprocess.Popen(
        [peer("socat"), "-dd", "tcp-listen:0,bind=127.0.0.1,fork,reuseaddr", "system:" + answering],
        stderr=subprocess.PIPE,
        text=True,
    )
    port = next(
        match[1] for line in socat.stderr if (match := re.search(r"listening on .*:(\d+)", line))
    )
    threading.Thread(target=socat.stderr.read, daemon=True).start()
    yield int(port)
    socat.terminate()
    socat.wait()


def test_plain_lines_are_answered_as_the_course_page_answers_them(
    start, program, course_page_server
):
    # Plain: socat takes the double quotes off, so that the page's shell splits and globs what it
    # answers.
    sent = "salut\nune ligne plus longue, avec des accents : éàü\n42\n".encode()
    theirs = connect(("127.0.0.1", course_page_server))
    theirs.sendall(sent)
    expected = receive(theirs, len(answer(sent)))
    assert converse(start(program).connect(), sent) == expected


def test_a_log_that_nobody_reads_any_more_does_not_end_the_server(program):
    """`echo/poll 2>&1 | head -1`: the next line it logs is EPIPE, and SIGPIPE if it did not see to
    that."""
    words = strace("accept,accept4", "accept,accept4:error=EMFILE:when=2+3")
    server = subprocess.Popen(
        [*words, binary(program), "0"], stderr=subprocess.PIPE, env=NO_LEAK_CHECK
    )
    try:
        address = "127.0.0.1", int(server.stderr.readline().rpartition(b":")[2])
        server.stderr.close()
        for _ in range(3):
            assert converse(connect(address), b"un\n") == answer(b"un\n")
        server.terminate()
        assert server.wait(PATIENCE) == (-signal.SIGTERM if program in BLOCKING else 0)
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(
    "closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]
)
def test_a_standard_descriptor_that_is_closed_is_not_taken_for_a_socket(program, closed):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(["sh", "-c", f'exec "$0" "$1" {closed}', binary(program), str(port)])
    try:
        client = eventually(lambda: try_to_connect(port))
        assert converse(client, b"un\n") == answer(b"un\n")
    finally:
        server.kill()
        server.wait()


def test_without_dev_null_it_does_not_start_where_a_socket_would_be_its_standard_error(program):
    under = [*needs_namespace("--mount"), "sh", "-c", 'mount -t tmpfs dev /dev && exec "$0" 0 2>&-']
    assert run(program, under=under).returncode == 1


def try_to_connect(port):
    try:
        return connect(("127.0.0.1", port))
    except ConnectionRefusedError:
        return None  # it is not listening yet
