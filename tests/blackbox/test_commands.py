"""tcp/commands: hello, the time, a file, the end."""

import datetime
import hashlib
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import time

import pytest
from harness import (
    PATIENCE,
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
)
from wants import needs_descriptors, needs_hosts, needs_ipv6

PROGRAM = "tcp/commands"
# Descriptors with no client: the standard three, the stop pipe, the directory, the listener.
BASE = 7
MIB = 1 << 20
# Bytes of a file that does not fit the buffers on the way, with no period that 64 KiB has.
BIG = 251 * 64 * 1024


def unknown(line):
    return b"erreur : commande inconnue : " + line + b"\n"


def missing(name):
    return b"erreur : " + name + b" : fichier introuvable\n"


@pytest.fixture
def directory(tmp_path):
    """A directory to serve, with things planted in it and outside it."""
    (tmp_path / "secret").write_text("SECRET")
    root = tmp_path / "root"
    (root / "sous dossier" / "bas").mkdir(parents=True)
    (root / "salut").write_text("bonjour\n")
    (root / "vide").touch()
    (root / "un nom avec des blancs").write_bytes(b"\0\r\n\xff")
    (root / "sous dossier" / "bas" / "b").write_text("en bas")
    (root / "interdit").mkdir(mode=0)
    (root / "lien").symlink_to("salut")
    (root / "dehors").symlink_to(tmp_path)
    (root / "sous dossier" / "haut").symlink_to("..")
    os.mkfifo(root / "tube")
    (root / "grand").write_bytes(bytes(range(251)) * (BIG // 251))
    yield root
    (root / "interdit").rmdir()  # pytest, without rights, could not, and would say so each time


@pytest.fixture
def server(start, directory):
    return start(PROGRAM, "-d", directory, 0)


def ask(server, sent):
    return converse(server.connect(), sent)


def assert_serves(server):
    assert ask(server, b"hello\n") == b"hello\n"


# ---- The wire


@pytest.mark.parametrize(
    "zone, offset", [("UTC0", "+00:00"), ("CET-1", "+01:00"), ("NST3:30", "-03:30")]
)
def test_the_time_is_now_with_the_offset_of_the_zone(start, zone, offset):
    server = start(PROGRAM, env={"TZ": zone})
    before = int(time.time()) + 1
    # A second has just begun: a clock that lags by some ms is in the one before.
    time.sleep(before - time.time())
    got = ask(server, b"heure\n").decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" + re.escape(offset) + "\n", got)
    assert before <= datetime.datetime.fromisoformat(got.strip()).timestamp() <= time.time()


def test_the_zone_is_known_though_no_descriptor_is_left_when_it_is_first_asked(start, tmp_path):
    """A zone that is a file (tzfile(5)), not a rule in TZ: here five hours and 45 minutes."""
    kind = struct.pack(">iBB", (5 * 60 + 45) * 60, 0, 0) + b"NPT\0"
    block = b"TZif2" + bytes(15) + struct.pack(">6I", 0, 0, 0, 0, 1, 4) + kind
    zone = tmp_path / "zone"
    zone.write_bytes(block + block + b"\n<NPT>-5:45\n")
    server = start(PROGRAM, env={"TZ": str(zone)})
    with server.connect() as client:
        client.sendall(b"hello\n")
        assert receive(client, 6) == b"hello\n"
        before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (BASE, before[1]))
        client.sendall(b"heure\n")
        assert receive_until(client, b"\n").endswith(b"+05:45\n")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
    assert ask(server, b"heure\n").endswith(b"+05:45\n")


@pytest.mark.parametrize(
    "name, content",
    [
        (b"salut", b"bonjour\n"),
        (b"vide", b""),
        (b"un nom avec des blancs", b"\0\r\n\xff"),
        (b"sous dossier/bas/b", b"en bas"),
        (b"sous dossier//bas///b", b"en bas"),
    ],
)
def test_a_file(server, name, content):
    assert ask(server, b"fichier " + name + b"\n") == b"%s %d\n%s" % (name, len(content), content)


def test_a_name_may_be_as_long_as_open_takes_one(server):
    name = b"sous dossier" + b"/" * 4078 + b"bas/b"
    assert len(name) == 4095  # and the NUL after it: PATH_MAX
    assert ask(server, b"fichier " + name + b"\n") == name + b" 6\nen bas"


def test_a_large_file_arrives_whole(server, directory):
    got = ask(server, b"fichier grand\nhello\n")
    content = (directory / "grand").read_bytes()
    assert (
        hashlib.sha256(got).digest()
        == hashlib.sha256(b"grand %d\n%shello\n" % (BIG, content)).digest()
    )


# fmt: off
NO_FILES = [
    b"absent", b"", b" salut", b"salut ", b"salut\r", b"salut/", b".", b"/", b"..", b"../secret",
    b"./../secret", b"sous dossier/../salut", b"sous dossier/../../secret", b"sous dossier/..",
    b"SECRET/../../secret", b"/etc/passwd", b"//etc/passwd", b"/salut", b"lien", b"dehors/secret",
    b"dehors", b"sous dossier/haut/salut", b"sous dossier", b"tube", b"interdit/x", b"salut\0",
    b"salut\0.txt", b"\0", b"x" * 300, b"a/" * 3000 + b"b", b"..\\secret", b"..%2fsecret",
    b"\xff\xfe", b"\xc0\xae\xc0\xae/secret",

]
# fmt: on


def test_no_other_name_is_a_file(server):
    client = server.connect()
    for name in NO_FILES:
        client.sendall(b"fichier " + name + b"\n")
        assert receive_until(client, b"\n") == missing(name)


def test_the_directory_itself_may_be_a_link(start, directory, tmp_path):
    (tmp_path / "link").symlink_to(directory)
    assert ask(start(PROGRAM, "-d", tmp_path / "link", 0), b"fichier vide\n") == b"vide 0\n"


def test_the_directory_is_the_current_one_by_default(start, directory):
    assert ask(start(PROGRAM, cwd=directory), b"fichier vide\n") == b"vide 0\n"


def test_a_device_is_no_file(start):
    assert ask(start(PROGRAM, "-d", "/dev", 0), b"fichier zero\n") == missing(b"zero")


def test_anything_else_is_unknown_and_comes_back_as_it_went(server):
    # fmt: off
    lines = [b"", b"Hello", b"hello ", b" hello", b"hello\r", b"bonjour", b"fichier",
             b"fichier\tsalut", b"FICHIER salut", b"heure\0", b"\0", b"\xff\xfe \xc3",
             b"quitter tout", b"helloheure", b"\x1b[31m\\n"]
    # fmt: on
    assert ask(server, b"".join(line + b"\n" for line in lines)) == b"".join(map(unknown, lines))


def test_many_pipelined_commands(server):
    assert (
        ask(server, b"hello\n\nfichier salut\n" * 20_000)
        == (b"hello\n" + unknown(b"") + b"salut 8\nbonjour\n") * 20_000
    )


def test_after_a_half_close_all_that_is_owed_is_delivered(server, directory):
    client = server.connect(receive_buffer=4096)
    client.sendall(b"fichier grand\nhello")
    client.shutdown(socket.SHUT_WR)
    assert readable([client])
    assert (
        receive_all(client) == b"grand %d\n" % BIG + (directory / "grand").read_bytes() + b"hello\n"
    )


def test_where_a_long_line_is_cut_makes_no_difference(server):
    """The file is there, but so many slashes stand before its name that the line is not kept."""
    line = b"fichier sous dossier" + b"/" * 4200 + b"bas/b\n"
    in_one = ask(server, line)
    client = server.connect()
    client.sendall(line[:4150])
    begun = receive(client, 4000)
    client.sendall(line[4150:])
    client.shutdown(socket.SHUT_WR)
    assert begun + receive_all(client) == in_one


def test_quitter_does_not_cut_the_answers_short_whatever_comes_after_it(server):
    client = server.connect(receive_buffer=4096)
    client.sendall(b"fichier grand\nquitter\n" + b"hello\n" * 100_000)
    assert len(receive_all(client)) == len(b"grand %d\n" % BIG) + BIG


def test_a_client_that_quit_and_left_leaves_nothing_behind(server):
    for _ in range(20):
        client = server.connect()
        client.sendall(b"quitter\n")
        assert receive_all(client) == b""
        client.close()
    eventually(lambda: server.descriptors() == BASE)


@pytest.mark.parametrize(
    "before, around",
    [
        (b"", (b"erreur : commande inconnue : ", b"\n")),
        (b"fichier ", (b"erreur : ", missing(b"")[9:])),
    ],
    ids=["inconnue", "fichier"],
)
def test_a_line_of_50_megabytes_in_little_memory(server, before, around):
    line = bytes(range(11, 256)) * (50_000_000 // 245)
    assert ask(server, before + line + b"\nhello\n") == around[0] + line + around[1] + b"hello\n"
    if not sanitized(PROGRAM):
        assert server.rss() < 16 * MIB


# ---- The command line


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option):
    result = run(PROGRAM, option)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: {PROGRAM} [-b ADDR] [-d DIR] [PORT]\n")
    assert "default 9090" in result.stdout


@pytest.mark.parametrize(
    "arguments, wrong",
    [
        (["65536"], "bad port: 65536"),
        (["9090", "9091"], "too many arguments"),
        (["-x"], "unknown option -x"),
        (["-b"], "-b wants a value"),
        (["-d"], "-d wants a value"),
    ],
)
def test_bad_usage(arguments, wrong):
    result = run(PROGRAM, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{PROGRAM}: {wrong}\nusage: {PROGRAM} ")


@pytest.mark.parametrize(
    "name, why", [("absent", "No such file or directory"), ("salut", "Not a directory")]
)
def test_a_directory_that_is_none(directory, name, why):
    result = run(PROGRAM, "-d", directory / name, 0)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"{PROGRAM}: open {directory / name}: {why}\n"


def test_a_port_that_is_taken(server):
    result = run(PROGRAM, server.port)
    assert result.returncode == 1
    assert result.stderr == f"{PROGRAM}: bind 127.0.0.1:{server.port}: Address already in use\n"


@pytest.mark.parametrize("bind, host", [("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")])
def test_ipv4_and_ipv6(start, bind, host):
    needs_ipv6(bind, host)
    server = start(PROGRAM, "-b", bind, 0)
    assert converse(connect((host, server.port)), b"hello\n") == b"hello\n"


def test_it_says_one_line_on_stderr_and_nothing_on_stdout(start):
    server = start(PROGRAM, stdout=subprocess.PIPE)
    ask(server, b"hello\nx\nfichier absent\nquitter\n")
    server.stop()
    assert server.log == [f"listening on 127.0.0.1:{server.port}"]
    assert server.process.stdout.read() == b""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_with_a_file_under_way(server, how):
    client = server.connect(receive_buffer=4096)
    client.sendall(b"fichier grand\n")
    receive(client, 100)
    server.stop(how)


# ---- Clients that misbehave


@pytest.mark.parametrize("sent", [b"\n", b"hello\n", b"x", b"fichier grand\n"], ids=repr)
def test_clients_that_never_read_cost_little_memory_and_hold_nobody_up(server, sent):
    needs_plain_build(PROGRAM)
    before = server.rss()
    deaf = [server.connect() for _ in range(5)]
    for client in deaf:
        fill(client, sent * (65536 // len(sent)))
    assert_serves(server)
    assert server.rss() < before + 8 * MIB


def test_a_thousand_clients_that_never_read_a_large_file(server):
    needs_descriptors(1000)
    needs_plain_build(PROGRAM)
    deaf = [server.connect(receive_buffer=4096) for _ in range(1000)]
    for client in deaf:
        client.sendall(b"fichier grand\n")
    for client in deaf:
        receive(client, 15)
    assert_serves(server)
    assert server.rss() < 16 * MIB


def test_one_that_never_reads_may_change_its_mind(server):
    client = server.connect()
    went = fill(client, b"0123456\n" * 8192)
    client.settimeout(PATIENCE)
    client.shutdown(socket.SHUT_WR)
    last = went % 8
    assert receive_all(client) == unknown(b"0123456") * (went // 8) + (
        unknown(b"0123456"[:last]) if last else b""
    )


@pytest.mark.parametrize(
    "sent",
    [b"hello\nhel", b"fichier grand\n", b"quitter\n", b"\n" * 100_000],
    ids=lambda sent: repr(sent)[:20],
)
def test_a_reset(server, sent):
    for _ in range(5):
        client = server.connect(receive_buffer=4096)
        client.sendall(sent)
        reset(client)
    assert_serves(server)
    eventually(lambda: server.descriptors() == BASE)


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(server, directory):
    client = server.connect(receive_buffer=4096)
    client.sendall(b"fichier grand\nhello\n")
    receive_until(client, b"\n")
    os.truncate(directory / "grand", BIG // 2)
    got = receive_all(client)
    assert len(got) < BIG
    # What had not been read when it shrank is not there; nothing stands in its place.
    content = (directory / "grand").read_bytes()
    assert got[: len(content)] == content[: len(got)]
    assert not got.endswith(b"hello\n")
    assert_serves(server)


def test_a_file_that_grows_while_it_is_sent_has_the_size_that_was_said(server, directory):
    client = server.connect(receive_buffer=4096)
    client.sendall(b"fichier grand\nhello\n")
    receive_until(client, b"\n")
    with open(directory / "grand", "ab") as file:
        file.write(b"plus" * 1000)
    receive(client, BIG)
    assert receive(client, 6) == b"hello\n"


def test_a_file_that_is_replaced_while_it_is_sent_is_the_one_that_was_asked_for(server, directory):
    content = (directory / "grand").read_bytes()
    client = server.connect(receive_buffer=4096)
    client.sendall(b"fichier grand\n")
    receive_until(client, b"\n")
    (directory / "grand").unlink()
    (directory / "grand").write_bytes(b"autre")
    assert receive(client, BIG) == content


# ---- When something runs out


def test_out_of_descriptors_it_says_so_once_and_rests_and_serves_again(start):
    server = start(PROGRAM, nofile=40)
    clients = [server.connect() for _ in range(60)]
    for client in clients:
        client.sendall(b"hello\n")
    server.logged("accept: Too many open files")
    room = 40 - BASE - 2  # for files
    served = eventually(lambda: (ready := readable(clients, 0)) and len(ready) == room and ready)
    if not sanitized(PROGRAM):
        before, start_time = server.cpu(), time.monotonic()
        time.sleep(1)  # the measure is of a time
        assert server.cpu() - before < 0.05 * (time.monotonic() - start_time) + 0.01
    for client in served:  # each that leaves lets another in
        client.close()
    for client in set(clients) - set(served):
        assert receive(client, 6) == b"hello\n"
    assert len([line for line in server.log if "accept" in line]) == 1


def test_those_who_come_leave_two_descriptors_for_files(start, directory):
    server = start(PROGRAM, "-d", directory, 0, nofile=40)
    clients = [server.connect() for _ in range(60)]
    server.logged("accept: Too many open files")
    for _ in range(3):
        clients[0].sendall(b"fichier salut\nfichier sous dossier/bas/b\n")
        answer = b"salut 8\nbonjour\nsous dossier/bas/b 6\nen bas"
        assert receive(clients[0], len(answer)) == answer


def test_the_only_client_may_have_the_last_descriptor(start):
    server = start(PROGRAM, nofile=BASE + 1)
    for _ in range(2):
        with server.connect() as client:
            client.sendall(b"hello\n")
            assert receive(client, 6) == b"hello\n"


def holders(start, directory):
    """A server with as many clients as it takes, all but the last of whom do not read `grand`."""
    server = start(PROGRAM, "-d", directory, 0, nofile=40)
    clients = [server.connect(receive_buffer=4096) for _ in range(40 - BASE - 2)]
    eventually(lambda: server.descriptors() == BASE + len(clients))  # files would keep them out
    for client in clients[:-1]:
        client.sendall(b"fichier grand\n")
        receive_until(client, b"\n")
    return clients


def test_who_does_not_read_keeps_no_descriptor_that_a_file_wants(start, directory):
    *deaf, client = holders(start, directory)
    for name, holds in [(b"salut", b"bonjour\n"), (b"sous dossier/bas/b", b"en bas")] * 2:
        client.sendall(b"fichier %s\n" % name)
        assert receive(client, len(name) + 3 + len(holds)) == b"%s %d\n%s" % (
            name, len(holds), holds
        )  # fmt: skip
    content = (directory / "grand").read_bytes()
    for reader in deaf[0], deaf[10], deaf[-1]:  # their files were put aside, or were not
        assert receive(reader, BIG) == content


def test_readers_of_more_files_than_there_are_descriptors_have_theirs(start, directory):
    clients = holders(start, directory)
    clients[-1].sendall(b"fichier grand\n")
    receive_until(clients[-1], b"\n")
    content = (directory / "grand").read_bytes()
    got = [bytearray() for _ in clients]
    while clients_left := [i for i in range(len(clients)) if len(got[i]) < BIG]:
        for i in clients_left:
            got[i] += receive(clients[i], min(BIG // 4, BIG - len(got[i])))
    assert all(each == content for each in got)


def test_a_file_that_is_another_one_when_it_is_opened_again_ends_its_connection(start, directory):
    *deaf, client = holders(start, directory)
    (directory / "grand").rename(directory / "ancien")
    (directory / "grand").write_bytes(b"z" * BIG)
    client.sendall(b"fichier salut\n")
    assert receive(client, 16) == b"salut 8\nbonjour\n"
    content = (directory / "ancien").read_bytes()
    for reader in deaf:
        reader.shutdown(socket.SHUT_WR)
    got = [receive_all(reader) for reader in deaf]
    assert all(content.startswith(each) for each in got)
    assert {len(each) == BIG for each in got} == {True, False}


def test_without_any_descriptor_for_the_file_it_cannot_be_found(start, directory):
    server = start(PROGRAM, "-d", directory, 0, nofile=BASE + 1)
    with server.connect() as client:
        client.sendall(b"fichier salut\nhello\n")
        assert receive_until(client, b"hello\n") == missing(b"salut") + b"hello\n"


def test_a_thousand_clients_leave_nothing_behind(server):
    for i in range(1000):
        client = server.connect()
        client.sendall(b"fichier grand\n" if i % 3 else b"hel")
        reset(client) if i % 2 else client.close()
    assert_serves(server)
    eventually(lambda: server.descriptors() == BASE)


def test_five_thousand_clients_at_once(server):
    needs_descriptors(5000)
    clients = [server.connect() for _ in range(5000)]
    for client in clients:
        client.sendall(b"fichier salut\n")
    for client in clients:
        assert receive(client, 16) == b"salut 8\nbonjour\n"


# ---- Faults of the system calls (test_errors.py has the others)


@pytest.fixture
def faulty(start, directory):
    """A server for Program.inject: LeakSanitizer, if any, does not work under ptrace."""
    return start(PROGRAM, "-d", directory, 0, env={"ASAN_OPTIONS": "detect_leaks=0"})


@pytest.mark.parametrize("error", ["EIO", "ENOMEM"])
def test_a_file_that_cannot_be_looked_at_is_not_found(faulty, error):
    faulty.inject("newfstatat", f"newfstatat:error={error}:when=1")
    asked = b"hello\nfichier salut\nquitter\n"
    assert ask(faulty, asked) == b"hello\n" + missing(b"salut")
    assert ask(faulty, asked) == b"hello\nsalut 8\nbonjour\n"


def test_a_client_that_is_gone_when_its_end_is_sent_is_no_trouble(faulty):
    faulty.inject("shutdown", "shutdown:error=ENOTCONN:when=1")
    for _ in range(2):
        assert ask(faulty, b"hello\nquitter\n") == b"hello\n"


def test_a_disk_that_fails_in_mid_file_ends_that_connection(faulty):
    faulty.inject("pread64", "pread64:error=EIO:when=20")
    assert 0 < len(ask(faulty, b"fichier grand\n")) < BIG
    assert_serves(faulty)


# ---- Real clients


@pytest.mark.parametrize(
    "command",
    [
        ["nc", "-N", "127.0.0.1", "PORT"],
        ["ncat", "127.0.0.1", "PORT"],
        ["socat", "-", "TCP4:localhost:PORT"],
    ],
)
def test_a_real_client_holds_the_conversation(server, command):
    peer(command[0])
    needs_hosts(*command)
    words = [word.replace("PORT", str(server.port)) for word in command]
    result = subprocess.run(
        words, input=b"hello\nfichier salut\nquitter\n", capture_output=True, timeout=PATIENCE
    )
    assert result.stdout == b"hello\nsalut 8\nbonjour\n"
