"""tcp/server and tcp/client, the two that are read first: short, and yet they lose no byte."""

import os
import re
import resource
import signal
import socket
import subprocess
import threading
from subprocess import DEVNULL, PIPE

import pytest
from harness import (
    PATIENCE,
    Program,
    binary,
    connect,
    converse,
    eventually,
    free_port,
    needs_plain_build,
    peer,
    receive,
    receive_all,
    reset,
    run,
    strace,
)
from preload import NO_MEMORY, library
from wants import full_disk, proc

SERVER = "tcp/server"
CLIENT = "tcp/client"
EVERY = bytes(range(256)) + b"\r\n\0 sans fin"
BIG = os.urandom(5_000_000)


# ---- The server ----------------------------------------------------------------------------------


def test_the_log_has_a_line_for_each_client(start):
    server = start(SERVER)
    expected = [f"listening on 127.0.0.1:{server.port}"]
    for _ in range(3):
        with server.connect() as client:
            expected.append("client %s:%d" % client.getsockname())
            assert converse(client, b"salut") == b"salut"
    eventually(lambda: server.log == expected)


def test_the_log_may_be_a_file_to_which_a_script_writes_too(tmp_path):
    log = tmp_path / "log"
    script = 'echo avant >&2; "$@" & read -r _; kill $!; wait; echo après >&2'
    with log.open("wb") as file:
        words = ["sh", "-c", script, "sh", binary(SERVER), "0"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=file) as shell:
            eventually(lambda: "listening on" in log.read_text())
            shell.communicate(b"\n", timeout=PATIENCE)
    avant, listening, après = log.read_text().splitlines()
    assert (avant, après) == ("avant", "après") and listening.startswith("listening on 127.0.0.1:")


def test_one_client_after_the_other(start):
    server = start(SERVER)
    with server.connect() as first, server.connect() as second:
        second.sendall(b"second")
        first.sendall(b"premier")
        assert receive(first, 7) == b"premier"
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.recv(1)
        second.settimeout(30)
        first.close()
        assert receive(second, 6) == b"second"


def leave(client):
    client.sendall(b"sans lire")
    client.close()


@pytest.mark.parametrize("goes", [reset, leave, socket.socket.close])
def test_who_goes_ends_no_connection_but_its_own(start, goes):
    server = start(SERVER)
    server.logged("listening on ")  # all is open by now
    before = server.descriptors()
    for _ in range(5):
        goes(server.connect())
        assert converse(server.connect(), b"le suivant") == b"le suivant"
    eventually(lambda: server.descriptors() == before)


def test_who_resets_in_the_midst_of_an_answer_ends_no_connection_but_its_own(start):
    server = start(SERVER)
    client = server.connect(receive_buffer=4096)
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.sendall(bytes(50 << 20))  # until it waits in send
    reset(client)
    assert converse(server.connect(), b"le suivant") == b"le suivant"


@pytest.mark.parametrize(
    "fault",
    ["recvfrom,sendto:error=EINTR:when=1+2", "recvfrom,sendto:error=EINTR:when=2+2",
     "?accept,accept4:error=ECONNABORTED:when=1", "?accept,accept4:error=EMFILE:when=1"],
)  # fmt: skip
def test_what_passes_costs_nothing(start, fault):
    server = start(SERVER, under=strace("?accept,accept4,recvfrom,sendto", fault))
    for _ in range(3):
        assert converse(server.connect(), b"un\ndeux\n") == b"un\ndeux\n"


@pytest.mark.parametrize("fault", ["recvfrom:error=ETIMEDOUT:when=1", "sendto:error=EPIPE:when=1"])
def test_what_does_not_pass_costs_one_connection(start, fault):
    server = start(SERVER, under=strace("recvfrom,sendto", fault))
    with server.connect() as first:
        try:
            first.sendall(b"sacrifie")
            assert receive_all(first) == b""
        except ConnectionResetError:
            pass
    assert converse(server.connect(), b"salut") == b"salut"


def interrupt(pid, trace, call):
    """Stops a process that waits in `call`, and lets it go on, until `call` has done a part only."""

    def has_done_a_part():
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: re.search(r"State:\s+[Tt]", proc(pid, "status").read_text()))
        os.kill(pid, signal.SIGCONT)
        done = re.findall(rf'{call}\(\d+, ""\.*, (\d+)[^)]*\) += (\d+)$', trace(), re.MULTILINE)
        return any(int(part) < int(all_of_it) for all_of_it, part in done)

    eventually(has_done_a_part)


def traced(tmp_path, calls):
    """(words to put before a program, a function that returns what it has called)"""
    trace = tmp_path / "trace"
    return [peer("strace"), "-D", "-f", "-s0", "-o", trace, "-e", f"trace={calls}"], trace.read_text


def test_a_send_that_takes_a_part_only_loses_nothing(start, tmp_path):
    words, trace = traced(tmp_path, "sendto")
    server = start(SERVER, under=words)
    with server.connect(receive_buffer=4096) as client:
        sender = threading.Thread(target=client.sendall, args=(BIG,))
        sender.start()
        interrupt(server.pid, trace, "sendto")
        assert receive(client, len(BIG)) == BIG
        sender.join(30)


def test_without_a_free_descriptor_it_waits_and_does_not_spin(start):
    server = start(SERVER)
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (server.descriptors(), limits[1]))
    before = server.cpu()
    with server.connect() as client:
        client.sendall(b"salut")
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(1.5)
        assert server.cpu() - before < 0.2
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        assert receive(client, 5) == b"salut"


def test_without_memory_it_serves_and_logs(start, tmp_path):
    needs_plain_build(SERVER)
    server = start(SERVER, env={"LD_PRELOAD": str(library(NO_MEMORY, tmp_path))})
    server.process.send_signal(signal.SIGUSR1)
    for host in ("127.0.0.1", "127.100.100.100"):
        with socket.socket() as client:
            client.bind((host, 0))
            client.connect(server.address)
            client.settimeout(30)
            server.logged("client %s:%d" % client.getsockname())
            assert converse(client, b"salut") == b"salut"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_client_gets_the_number_of_a_standard_descriptor(closed):
    port = free_port()
    words = ["sh", "-c", f'exec "$0" {port} {closed}', binary(SERVER)]
    server = subprocess.Popen(words, stderr=DEVNULL if "2>" not in closed else None)

    def is_there():
        try:
            return connect(("127.0.0.1", port))
        except ConnectionRefusedError:
            return None

    try:
        assert converse(eventually(is_there), EVERY) == EVERY
        assert converse(is_there(), EVERY) == EVERY
    finally:
        server.terminate()
        assert server.wait(5) == -signal.SIGTERM


def test_a_port_that_is_taken_is_one_line_and_status_1(start):
    server = start(SERVER)
    result = run(SERVER, server.port)
    taken = f"tcp/server: bind 127.0.0.1:{server.port}: Address already in use\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", taken)


# ---- The client ----------------------------------------------------------------------------------


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield listening


@pytest.fixture
def client(listener):
    """client() runs one, with pipes: (the program, the server's end of its connection)."""
    running = []

    def client(**options):
        pipes = {"stdin": PIPE, "stdout": PIPE, "bufsize": 0}
        running.append(Program(CLIENT, *listener.getsockname(), **{**pipes, **options}))
        connection, _ = listener.accept()
        connection.settimeout(30)
        return running[-1], connection

    yield client
    for program in running:
        program.process.kill()
        program.wait()


def test_the_end_of_input_is_a_half_close(client):
    program, server = client()
    program.process.stdin.write(b"la question")
    program.process.stdin.close()
    assert receive_all(server) == b"la question"
    server.sendall(b"la reponse")
    server.close()
    assert program.process.stdout.read() == b"la reponse"
    assert (program.wait(), program.log) == (0, [])


def test_it_ends_when_the_server_closes_though_input_has_not_ended(client):
    program, server = client()
    server.sendall(b"au revoir")
    server.close()
    assert program.process.stdout.read() == b"au revoir"
    assert (program.wait(), program.log) == (0, [])


def test_the_servers_half_close_is_its_close(client):
    program, server = client()
    server.shutdown(socket.SHUT_WR)
    assert (program.wait(), program.log) == (0, [])


def test_five_megabytes_in_each_direction_at_once(client, tmp_path):
    (tmp_path / "big").write_bytes(BIG)
    with open(tmp_path / "big", "rb") as file:
        program, server = client(stdin=file)
    sender = threading.Thread(target=lambda: (server.sendall(BIG), server.shutdown(1)))
    heard = []
    reader = threading.Thread(target=lambda: heard.append(receive_all(server)))
    sender.start(), reader.start()
    shown = b"".join(iter(lambda: program.process.stdout.read(1 << 16), b""))
    sender.join(30), reader.join(30)
    assert shown == BIG and BIG.startswith(heard[0])  # it ends with the server's direction
    assert program.wait() == 0


def test_its_speaking_does_not_wait_for_its_hearing(client):
    program, server = client()
    server.setblocking(False)
    with pytest.raises(BlockingIOError):  # nobody reads what it shows
        while True:
            server.send(bytes(1 << 20))
    server.settimeout(30)
    program.process.stdin.write(b"toujours la")
    assert receive(server, 11) == b"toujours la"


@pytest.mark.parametrize("when", ["1+2", "2+2"])
def test_an_interrupted_call_is_made_again(client, when):
    program, server = client(env={"ASAN_OPTIONS": "detect_leaks=0"})
    # From now on: while it starts, the loader reads, and does not read again.
    program.inject("read,write", f"read,write:error=EINTR:when={when}")
    for word in (b"aller", b"encore"):
        program.process.stdin.write(word)
        assert receive(server, len(word)) == word
        server.sendall(word)
        assert program.process.stdout.read(len(word)) == word


def test_a_write_that_takes_a_part_only_loses_nothing(client, tmp_path):
    sent = 4 * BIG
    (tmp_path / "big").write_bytes(sent)
    words, trace = traced(tmp_path, "write")
    with open(tmp_path / "big", "rb") as file:
        program, server = client(stdin=file, under=words)
    # It is more than all that lies between can hold: ten megabytes or so.
    interrupt(program.pid, trace, "write")
    assert receive_all(server) == sent


def test_a_reset_is_one_line_and_status_1(client):
    program, server = client()
    reset(server)
    assert program.wait() == 1
    assert program.log == ["tcp/client: read: Connection reset by peer"]


def test_what_was_said_before_the_reset_is_shown(client):
    for _ in range(40):  # the reset is told to the write or to the read
        program, server = client(stdin=open("/dev/zero", "rb"))
        receive(server, 1)
        server.sendall(b"413 trop gros\n")
        server.close()  # with unread data: a reset
        assert program.process.stdout.read() == b"413 trop gros\n"
        assert program.wait() == 1


def test_it_ends_when_the_server_has_closed_and_then_resets_though_nothing_is_typed(client):
    """The end comes before the reset, and neither thread is told of that."""
    program, server = client()
    os.kill(program.pid, signal.SIGSTOP)  # it sees both at once
    server.sendall(b"au revoir")
    server.shutdown(socket.SHUT_WR)
    reset(server)
    os.kill(program.pid, signal.SIGCONT)
    assert (program.wait(), program.log) == (0, [])
    assert program.process.stdout.read() == b"au revoir"


def test_output_that_cannot_be_written_is_one_line_and_status_1(client):
    with full_disk() as full:
        program, server = client(stdout=full)
    server.sendall(b"salut")
    assert program.wait() == 1
    assert program.log == ["tcp/client: write: No space left on device"]


def test_output_that_nobody_reads_any_more_is_one_line_and_status_1(client):
    program, server = client()
    program.process.stdout.close()
    server.sendall(b"salut")
    assert program.wait() == 1
    assert program.log == ["tcp/client: write: Broken pipe"]


def test_input_that_cannot_be_read_is_one_line_and_status_1_when_all_is_shown(client):
    directory = os.open("/", os.O_RDONLY)
    program, server = client(stdin=directory)
    os.close(directory)
    assert receive_all(server) == b""
    server.sendall(b"salut")
    server.close()
    assert program.process.stdout.read() == b"salut"
    assert program.wait() == 1
    assert program.log == ["tcp/client: standard input: Is a directory"]


@pytest.mark.parametrize(
    "closed, status, log",
    [("<&-", 0, ""), (">&-", 1, "tcp/client: write: Bad file descriptor\n"), ("2>&-", 0, "")],
)
def test_its_socket_does_not_become_a_standard_descriptor(listener, closed, status, log):
    host, port = listener.getsockname()
    words = ["sh", "-c", f'exec "$0" {host} {port} {closed}', binary(CLIENT)]
    with subprocess.Popen(words, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, text=True) as program:
        connection, _ = listener.accept()
        connection.settimeout(30)
        assert receive_all(connection) == b""
        connection.sendall(b"salut")
        connection.close()
        assert (program.communicate(timeout=30)[1], program.returncode) == (log, status)


def test_a_refused_connection_is_one_line_and_status_1():
    port = free_port()
    result = run(CLIENT, "127.0.0.1", port)
    refused = f"tcp/client: connect 127.0.0.1:{port}: Connection refused\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", refused)


# ---- Both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program, words",
    [*[(SERVER, [port]) for port in ("http", "65536", "-1", "+1", " 1", "1 ", "9090x", "", "-z")],
     (SERVER, ["9090", "9091"]),
     *[(CLIENT, ["127.0.0.1", port]) for port in ("http", "65536", "-1", " 1", "9090x", "")],
     *[(CLIENT, [host, "9090"]) for host in ("localhost", "::1", "127.0.0", "256.0.0.1", "", "-z")],
     (CLIENT, []), (CLIENT, ["127.0.0.1"]), (CLIENT, ["127.0.0.1", "9090", "9091"])],
)  # fmt: skip
def test_bad_usage_says_what_is_wrong_and_the_usage(program, words):
    result = run(program, *words, stdin=DEVNULL)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{program}: ") and f"\nusage: {program} " in result.stderr


@pytest.mark.parametrize("words", [["localhost", "9090"], ["127.0.0.1:9090"], ["9090"]])
def test_who_types_a_name_or_a_colon_is_shown_an_address_and_a_port(words):
    """A first reader has just learnt that a name stands for an address, here too."""
    assert "127.0.0.1, PORT like 9090\n" in run(CLIENT, *words, stdin=DEVNULL).stderr


def test_one_port_too_many_is_not_called_a_bad_port():
    assert "one PORT, like 9090\n" in run(SERVER, "9090", "9091", stdin=DEVNULL).stderr


@pytest.mark.parametrize("program", [SERVER, CLIENT])
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_the_usage_on_standard_output(program, word):
    result = run(program, word)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: {program} ")


def test_the_one_talks_with_the_other(start):
    server = start(SERVER)
    result = subprocess.run(
        [binary(CLIENT), "127.0.0.1", str(server.port)], input=BIG, capture_output=True, timeout=30
    )
    assert (result.returncode, result.stdout == BIG, result.stderr) == (0, True, b"")
