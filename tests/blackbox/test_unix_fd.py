"""unix_domain/fd_server and fd_client: a descriptor in the mail."""

import contextlib
import fcntl
import os
import resource
import socket
import subprocess
import termios
import threading
import time

import pytest
from harness import (
    PATIENCE,
    Program,
    binary,
    eventually,
    needs_plain_build,
    peer,
    receive_all,
    receive_until,
    run,
    strace,
)
from unix_sockets import NO_LEAK_CHECK, as_nobody, bound, copy_for_all, dial, send_urgent
from wants import AS_NOBODY, NOBODY, full_disk, needs_root, open_files, proc

SERVER, CLIENT = "unix_domain/fd_server", "unix_domain/fd_client"
SECRET = b"only its owner can open this\n"


@pytest.fixture
def root(place):
    """The directory that is served, with what can stand in one; beside it, what must stay out of
    reach."""
    root = place / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "hello").write_bytes(b"hello\n")
    (root / "empty").write_bytes(b"")
    (root / "a name with  blanks").write_bytes(b"blanks\n")
    (root / "sub" / "deep" / "file").write_bytes(b"deep\n")
    (root / "private").write_bytes(SECRET)
    (root / "private").chmod(0o600)
    (place / "outside").write_bytes(b"outside\n")
    (root / "link").symlink_to("hello")
    (root / "link_out").symlink_to(place / "outside")
    (root / "sub" / "up").symlink_to("..")
    os.mkfifo(root / "fifo")
    bound(root / "socket").close()
    with contextlib.suppress(PermissionError):  # it takes root
        os.mknod(root / "device", 0o20666, os.makedev(1, 5))  # /dev/zero
    return root


@pytest.fixture
def server(start, place, root):
    """A server of root/ at place/s."""
    return start(SERVER, place / "s", root)


def no(name, why="fichier introuvable"):
    name = name if isinstance(name, bytes) else name.encode()
    return b"erreur : " + name + b" : " + why.encode() + b"\n"


def all_is_read(client):
    """Whether the other end has received all that was sent (SIOCOUTQ, unix(7))."""
    return not any(fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))


def ask(client, request):
    """Sends, half-closes, and returns what comes: (bytes, descriptors)."""
    if request:  # even an empty send is EPIPE when the server has answered and closed
        client.sendall(request)
    client.shutdown(socket.SHUT_WR)
    data, descriptors, flags, _ = socket.recv_fds(client, 1 << 16, 10)
    assert flags & socket.MSG_CTRUNC == 0
    return data + receive_all(client), descriptors


def answered(place, request):
    with dial(place / "s") as client:
        return ask(client, request)


def content(descriptors):
    """What is read from the one descriptor."""
    (descriptor,) = descriptors
    with open(descriptor, "rb") as file:
        return file.read()


# ---- The server ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, holds",
    [
        ("hello", b"hello\n"),
        ("sub//deep/file", b"deep\n"),
        ("empty", b""),
        ("a name with  blanks", b"blanks\n"),
        ("sub/deep/file", b"deep\n"),
        ("private", SECRET),
    ],
)
def test_a_file_is_passed_with_one_byte(server, place, name, holds):
    data, descriptors = answered(place, name.encode() + b"\n")
    assert len(data) == 1
    assert content(descriptors) == holds


def test_a_half_close_ends_the_name_too(server, place):
    data, descriptors = answered(place, b"hello")
    assert content(descriptors) == b"hello\n"


def test_the_newline_ends_the_name_while_the_client_stays(server, place):
    with dial(place / "s") as client:
        client.sendall(b"hello\n")
        _, descriptors, _, _ = socket.recv_fds(client, 100, 10)
        assert content(descriptors) == b"hello\n"
        assert client.recv(1) == b""  # one name a connection


def test_a_name_byte_by_byte(server, place):
    with dial(place / "s") as client:
        for byte in b"sub/deep/fil":
            client.sendall(bytes([byte]))
        data, descriptors = ask(client, b"e\n")
        assert content(descriptors) == b"deep\n"


def test_an_urgent_byte_of_a_name_is_a_byte(server, place):
    with dial(place / "s") as client:
        client.sendall(b"hel")
        send_urgent(client, b"l")
        data, descriptors = ask(client, b"o\n")
        assert data == b"\n"
        assert content(descriptors) == b"hello\n"


def test_what_is_passed_can_only_be_read_and_starts_at_the_start(server, place, root):
    first, second = (answered(place, b"hello\n")[1][0] for _ in range(2))
    assert os.read(first, 3) == b"hel"
    assert os.read(second, 3) == b"hel"  # each asked for, each opened: an offset of its own
    with pytest.raises(OSError):
        os.write(first, b"x")
    os.close(first)
    os.close(second)


def test_what_was_passed_outlives_the_server_and_the_name(server, place, root):
    _, descriptors = answered(place, b"hello\n")
    (root / "hello").unlink()
    server.stop()
    assert content(descriptors) == b"hello\n"


OUT_OF_REACH = [
    "",
    "absent",
    "..",
    "../outside",
    "sub/../hello",
    "./../outside",
    "link",
    "link_out",
    "sub/up/hello",
]
OUT_OF_REACH += [
    ".",
    "sub",
    "sub/",
    "hello/",
    "fifo",
    "socket",
    "device",
    "/etc/passwd",
    "/dev/zero",
    "x" * 300,
]


@pytest.mark.parametrize("name", OUT_OF_REACH, ids=lambda name: repr(name[:20]))
def test_nothing_else_is(server, place, name):
    before = server.descriptors()
    assert answered(place, name.encode() + b"\n") == (no(name), [])
    eventually(lambda: server.descriptors() == before)


def test_an_absolute_name_of_a_file_inside_is_refused(server, place, root):
    assert answered(place, f"{root}/hello\n".encode()) == (no(f"{root}/hello"), [])


@pytest.mark.parametrize(
    "name", [b"hello\0", b"\0", b"hello\r", b" hello", b"\xff\xfe", b"hel\\lo"], ids=repr
)
def test_a_name_is_taken_as_it_came(server, place, name):
    assert answered(place, name + b"\n") == (no(name), [])


def test_asking_for_nothing_is_answered_with_nothing(server, place):
    with dial(place / "s") as client:
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""


@pytest.mark.parametrize("size", [4096, 5000, 100_000])
@pytest.mark.parametrize("end", [b"", b"\n"], ids=["unended", "ended"])
def test_a_name_without_measure_is_refused_unread(server, place, size, end):
    with dial(place / "s") as client:
        client.sendall(b"a/" * (size // 2) + b"hello" + end)
        said = receive_all(client)  # and no ECONNRESET
    assert said.startswith(b"erreur : a/a/") and said.endswith(" : fichier introuvable\n".encode())
    assert len(said) < 2 * 4096 + 100


def test_a_name_without_measure_is_refused_alike_wherever_it_is_cut(server, place):
    with dial(place / "s") as whole, dial(place / "s") as cut:
        whole.sendall(b"n" * 5000 + b"\n")
        cut.sendall(b"n" * 4000)
        eventually(lambda: all_is_read(cut))
        cut.sendall(b"n" * 1000 + b"\n")
        assert receive_all(cut) == receive_all(whole) == no("n" * 4096)


def test_a_name_cut_short_is_not_opened(server, place):
    """The first 4,096 bytes of this name are those of a file."""
    name = b"sub" + b"/" * 4084 + b"deep/file"
    assert len(name) == 4096
    with dial(place / "s") as client:
        client.sendall(name + b".bak\n")
        data, descriptors, _, _ = socket.recv_fds(client, 1 << 16, 10)
        assert descriptors == []
        assert (data + receive_all(client)).endswith(" : fichier introuvable\n".encode())


def test_the_longest_name_is_not_cut(server, place):
    name = b"sub" + b"/" * 4083 + b"deep/file"
    assert content(answered(place, name + b"\n")[1]) == b"deep\n"


def test_what_comes_behind_the_name_is_ignored(server, place):
    with dial(place / "s") as client:
        client.sendall(b"hello\n" + b"absent\n" * 10_000)
        data, descriptors, _, _ = socket.recv_fds(client, 100, 10)
        assert content(descriptors) == b"hello\n"
        assert receive_all(client) == b""


def test_who_is_still_sending_when_it_is_answered_is_not_stopped_but_a_flood_is(server, place):
    before = server.descriptors()
    with dial(place / "s") as client:
        client.sendall(b"hello\n" + b"x" * 5000)  # more than one recv takes
        assert content(socket.recv_fds(client, 100, 10)[1]) == b"hello\n"
        assert receive_all(client) == b""
        client.sendall(b"x" * 100_000)
        with pytest.raises(ConnectionError):
            client.sendall(b"x" * 4_000_000)
        eventually(lambda: server.descriptors() == before)


def test_clients_at_once_each_get_their_own(server, place, root):
    at_once = 128  # as many as a backlog may hold anywhere (SOMAXCONN): dial() does not wait
    for i in range(at_once):
        (root / f"f{i}").write_text(f"file {i}")
    clients = [dial(place / "s") for i in range(at_once)]
    for i, client in enumerate(clients):
        client.sendall(b"f%d\n" % i)
    for i, client in enumerate(clients):
        assert content(socket.recv_fds(client, 100, 10)[1]) == b"file %d" % i
        client.close()


def test_silent_and_deaf_clients_cost_a_descriptor_each(server, place):
    before = server.descriptors()
    silent = [dial(place / "s") for _ in range(50)]
    deaf = [dial(place / "s") for _ in range(50)]
    for client in deaf:
        client.sendall(b"hello\n")
    assert content(answered(place, b"hello\n")[1]) == b"hello\n"
    # The deaf were answered, and closed.
    eventually(lambda: server.descriptors() == before + len(silent))
    for client in silent + deaf:
        client.close()
    eventually(lambda: server.descriptors() == before)


def test_no_descriptor_is_left_after_hundreds_of_answers(server, place):
    before = server.descriptors()
    for _ in range(300):
        for name in (b"hello\n", b"link\n", b"sub/deep/absent\n"):
            os.close(descriptors[0]) if (descriptors := answered(place, name)[1]) else None
        dial(place / "s").close()
        with dial(place / "s") as gone:
            gone.sendall(b"hello\n")
    eventually(lambda: server.descriptors() == before)


def test_descriptors_that_nobody_asked_for_are_closed(server, place):
    before = server.descriptors()
    ours, theirs = socket.socketpair()
    with dial(place / "s") as client:
        socket.send_fds(client, [b"hel"], [theirs.fileno()] * 20)
        theirs.close()
        assert ours.recv(1) == b""  # its other end is closed everywhere
        assert server.descriptors() <= before + 1
        assert content(ask(client, b"lo\n")[1]) == b"hello\n"
    eventually(lambda: server.descriptors() == before)


def test_short_of_descriptors_it_says_so_and_resumes(start, place, root):
    server = start(SERVER, place / "s", root, nofile=20)
    clients = [dial(place / "s") for _ in range(40)]
    server.logged("accept: Too many open files, resting")
    assert ask(clients[0], b"hello\n") == (no("hello", "serveur complet"), [])
    clients.pop(0).close()
    last = clients.pop()
    for client in clients:
        client.shutdown(socket.SHUT_WR)
    for client in clients:  # each has come in, and gone: there is room for the file
        assert receive_all(client) == b""
        client.close()
    assert content(ask(last, b"hello\n")[1]) == b"hello\n"
    last.close()
    assert sum("resting" in line for line in server.log) == 1


def test_short_of_descriptors_it_does_not_spin(start, place, root):
    needs_plain_build(SERVER)
    server = start(SERVER, place / "s", root, nofile=20)
    clients = [dial(place / "s") for _ in range(40)]
    server.logged("resting")
    before, since = server.cpu(), time.monotonic()
    time.sleep(1)  # the measure is of a time
    assert server.cpu() - before < 0.05 * (time.monotonic() - since)
    for client in clients:
        client.close()


def test_too_many_descriptors_that_nobody_receives_are_an_error_that_passes(start, place, root):
    """ETOOMANYREFS: the kernel counts a user's descriptors in flight, against RLIMIT_NOFILE, unless
    it is root."""
    needs_root()
    os.chown(place, NOBODY, NOBODY)
    os.chmod(root / "private", 0o644)
    server = subprocess.Popen(
        [copy_for_all(SERVER, place), place / "s", root],
        **AS_NOBODY,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30)),
    )
    assert server.stderr.readline().startswith(b"listening on ")
    deaf = []
    for _ in range(31):
        deaf.append(dial(place / "s"))
        deaf[-1].sendall(b"hello\n")
        eventually(lambda: deaf[-1].recv(1, socket.MSG_PEEK))
    assert answered(place, b"hello\n") == (no("hello", "serveur complet"), [])
    for client in deaf:
        client.close()
    eventually(lambda: answered_with_file(place))
    server.terminate()
    assert server.wait(PATIENCE) == 0


def answered_with_file(place):
    _, descriptors = answered(place, b"hello\n")
    return [os.close(descriptor) for descriptor in descriptors]


# Which faults the one connection that meets them survives, and which end it.
PASS = {
    "accept,accept4": "EINTR ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPERM",
    "recvfrom": "EINTR EAGAIN",
    "sendmsg": "EINTR EAGAIN",
    "poll,ppoll": "EINTR EAGAIN ENOMEM EINVAL",
}
END = {"recvfrom": "ECONNRESET ENOMEM", "sendmsg": "EPIPE ENOBUFS ENOMEM"}


def test_a_signal_does_not_wait_for_the_turns_of_all_who_are_ready(start, place, root):
    server = start(SERVER, place / "s", root, env=NO_LEAK_CHECK)
    server.stop_amid_a_round([dial(place / "s") for _ in range(30)], b"hello\n")


@pytest.mark.parametrize(
    "calls, error, passes",
    [
        (calls, error, faults is PASS)
        for faults in (PASS, END)
        for calls, errors in faults.items()
        for error in errors.split()
    ],
)
def test_a_fault_ends_at_most_one_connection(start, place, root, calls, error, passes):
    server = start(SERVER, place / "s", root, env=NO_LEAK_CHECK)
    before = server.descriptors()
    server.inject(calls, f"{calls}:error={error}:when=1")
    with dial(place / "s") as client:
        client.sendall(b"hello\n")
        if passes:
            assert content(ask(client, b"")[1]) == b"hello\n"
        else:
            data, descriptors, _, _ = socket.recv_fds(client, 100, 10)
            assert (data, descriptors) == (b"", [])
    assert content(answered(place, b"hello\n")[1]) == b"hello\n"
    eventually(lambda: server.descriptors() == before)


def test_it_ends_at_once_with_clients_of_every_kind(server, place):
    idle = server.descriptors()
    silent, asking = dial(place / "s"), dial(place / "s")
    asking.sendall(b"hel")
    # Not those who still wait in the backlog: theirs is a reset.
    eventually(lambda: server.descriptors() == idle + 2)
    server.stop()
    assert receive_all(silent) == b""
    assert not (place / "s").exists()


def test_a_directory_that_is_none_is_one_line(place, root):
    for directory, reason in [
        ("absent", "No such file or directory"),
        ("root/hello", "Not a directory"),
    ]:
        ended = run(SERVER, place / "s", place / directory)
        assert ended.returncode == 1
        assert ended.stderr == f"{SERVER}: open {place / directory}: {reason}\n"
        assert not (place / "s").exists()


def test_a_directory_that_we_may_not_enter_is_one_line(place, root):
    root.chmod(0o700)
    place.chmod(0o777)
    ended = as_nobody(SERVER, place / "s", root, reachable=place)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{SERVER}: open {root}: Permission denied\n"


def test_the_directory_itself_may_be_a_link_or_relative(start, place, root):
    (place / "link").symlink_to("root")
    start(SERVER, "s", "link", cwd=place)
    assert content(answered(place, b"hello\n")[1]) == b"hello\n"


def test_real_clients_are_told_no(server, place):
    nc = subprocess.run(
        [peer("nc"), "-NU", place / "s"], input=b"absent\n", capture_output=True, timeout=PATIENCE
    )
    assert nc.stdout == no("absent")
    words = [peer("socat"), "-t30", "-", f"UNIX-CONNECT:{place}/s"]
    assert subprocess.run(
        words, input=b"link\n", capture_output=True, timeout=PATIENCE
    ).stdout == no("link")


# ---- The client ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hello", "empty", "a name with  blanks", "sub/deep/file"])
def test_the_client_prints_the_file(server, place, root, name):
    ended = run(CLIENT, place / "s", name)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, (root / name).read_text(), "")


def test_the_client_prints_a_large_file_byte_for_byte(server, place, root):
    (root / "large").write_bytes(os.urandom(5_000_001))
    with open(place / "got", "wb") as got:
        subprocess.run(
            [binary(CLIENT), place / "s", "large"], stdout=got, check=True, timeout=PATIENCE
        )
    assert subprocess.run(["cmp", root / "large", place / "got"]).returncode == 0


@pytest.mark.parametrize(
    "name", [name for name in OUT_OF_REACH if name], ids=lambda name: repr(name[:20])
)
def test_the_client_says_what_the_server_said(server, place, name):
    ended = run(CLIENT, place / "s", name)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{CLIENT}: erreur : {name} : fichier introuvable\n"


def test_a_second_user_reads_what_it_could_not_open(server, place, root):
    needs_root()
    os.chmod(place / "s", 0o666)
    cat = subprocess.run(["cat", root / "private"], capture_output=True, **AS_NOBODY)
    assert cat.returncode == 1
    ended = as_nobody(CLIENT, place / "s", "private", reachable=place)
    assert (ended.returncode, ended.stdout.encode(), ended.stderr) == (0, SECRET, "")
    for name in ("../outside", "link_out", str(root / "private")):
        ended = as_nobody(CLIENT, place / "s", name, reachable=place)
        assert (ended.returncode, ended.stdout) == (1, "")


class Liar:
    """A server that gives its one client whatever it wants."""

    def __init__(self, place, talk):
        self.listener = bound(place / "s")
        self.listener.listen()
        self.talk = talk
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with self.listener, self.listener.accept()[0] as client:
            receive_until(client, b"\n")
            self.talk(client)


@pytest.mark.parametrize(
    "talk, said",
    [
        (lambda c: None, "{place}/s: neither a file nor a reason came"),
        (lambda c: c.sendall(b"\n"), "{place}/s: neither a file nor a reason came"),
        (lambda c: c.sendall(b"erreur : x : "), "erreur : x : "),
        (lambda c: [c.sendall(bytes([b])) for b in "erreur : été\n".encode()], "erreur : été"),
        (lambda c: c.sendall(b"first\nsecond\n"), "first"),
        (lambda c: c.sendall(b"x" * 8_000), "x" * 8_000),
    ],
    ids=["nothing", "an empty line", "no newline", "byte by byte", "two lines", "a long line"],
)
def test_the_client_ends_in_one_line_whatever_the_server_says(place, talk, said):
    liar = Liar(place, talk)
    ended = run(CLIENT, place / "s", "x")
    assert ended.returncode == 1
    assert ended.stderr == f"{CLIENT}: " + said.format(place=place) + "\n"
    liar.thread.join(PATIENCE)


def test_the_client_does_not_read_an_error_without_end(place):
    def talk(client):
        with pytest.raises(OSError):
            while True:
                client.sendall(b"x" * 65536)

    liar = Liar(place, talk)
    ended = run(CLIENT, place / "s", "x")
    assert ended.returncode == 1
    assert len(ended.stderr) < 20_000
    liar.thread.join(PATIENCE)


@pytest.mark.parametrize("count", [1, 2, 3, 253])
def test_the_client_keeps_one_descriptor_of_many_and_it_is_closed_on_exec(place, root, count):
    """The first is a pipe: while the client waits on it, we count what it has."""
    reading, writing = os.pipe()
    others = [os.open(root / "hello", os.O_RDONLY)] * (count - 1)
    liar = Liar(place, lambda client: socket.send_fds(client, [b"\n"], [reading, *others]))
    client = Program(CLIENT, place / "s", "x", stdout=subprocess.PIPE)
    os.write(writing, b"from the pipe")
    assert client.process.stdout.read(len(b"from the pipe")) == b"from the pipe"
    files = open_files(client.pid)
    assert str(root / "hello") not in files.values()
    pipes = [fd for fd, file in files.items() if file == open_files(os.getpid())[reading]]
    assert len(pipes) == 1
    flags = proc(client.pid, "fdinfo", pipes[0]).read_text().split("flags:")[1].split()[0]
    assert int(flags, 8) & os.O_CLOEXEC
    for descriptor in {writing, reading, *others}:
        os.close(descriptor)
    assert client.wait() == 0
    liar.thread.join(PATIENCE)


def test_the_client_waits_where_the_file_it_was_given_does_not_block(place):
    reading, writing = os.pipe2(os.O_NONBLOCK)
    liar = Liar(place, lambda client: socket.send_fds(client, [b"\n"], [reading]))
    client = Program(CLIENT, place / "s", "x", stdout=subprocess.PIPE)
    eventually(lambda: "State:\tS" in proc(client.pid, "status").read_text())
    for piece in (b"one", b"two"):
        os.write(writing, piece)
        assert client.process.stdout.read(3) == piece
    os.close(writing)
    assert client.process.stdout.read() == b""
    assert client.wait() == 0
    os.close(reading)
    liar.thread.join(PATIENCE)


def test_without_a_number_for_the_descriptor_it_is_an_error(server, place):
    """MSG_CTRUNC: 0, 1, 2 and the socket are all that this client may have."""
    env = NO_LEAK_CHECK  # it takes a descriptor
    client = Program(CLIENT, place / "s", "hello", nofile=4, env=env, stdout=subprocess.PIPE)
    assert client.process.stdout.read() == b""
    assert client.wait() == 1
    assert client.log == [f"{CLIENT}: recvmsg: no descriptor left to receive the file"]


def test_a_closed_standard_output_ends_the_client_quietly(server, place, root):
    (root / "large").write_bytes(bytes(1_000_000))
    client = Program(CLIENT, place / "s", "large", stdout=subprocess.PIPE)
    client.process.stdout.close()
    assert client.wait() == 0
    assert client.log == []


def test_a_standard_output_that_does_not_block_loses_nothing(server, place, root):
    """O_NONBLOCK belongs to the open file: another program, which has our terminal open too, may
    have set it."""
    (root / "large").write_bytes(content := os.urandom(1 << 20))
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    client = Program(CLIENT, place / "s", "large", stdout=write_end)
    os.close(write_end)
    with open(read_end, "rb") as output:
        time.sleep(0.2)  # for it to fill the pipe; it may take longer: the test then shows nothing
        assert output.read() == content
    assert client.wait() == 0


def test_a_full_disk_is_one_line(server, place):
    client = Program(CLIENT, place / "s", "hello", stdout=full_disk())
    assert client.wait() == 1
    assert client.log == [f"{CLIENT}: write: No space left on device"]


def test_standard_output_that_was_never_open_is_not_the_server(server, place):
    ended = subprocess.run(
        ["bash", "-c", f'"$0" {place}/s hello >&- <&-', binary(CLIENT)], timeout=PATIENCE
    )
    assert ended.returncode == 0


def test_a_name_with_a_newline_is_not_sent(server, place):
    ended = run(CLIENT, place / "s", "a\nhello")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{CLIENT}: a name with a newline in it cannot be asked for\n"


@pytest.mark.parametrize("call", ["sendto", "recvmsg", "write"])
def test_an_interruption_costs_the_client_nothing(server, place, call):
    under = strace(call, f"{call}:error=EINTR:when=1")
    client = Program(CLIENT, place / "s", "hello", under=under, stdout=subprocess.PIPE)
    assert client.process.stdout.read() == b"hello\n"
    assert client.wait() == 0
