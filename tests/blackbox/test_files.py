"""tcp/commands and tcp/web: what both promise of the files they serve, and of those who ask."""

import re
import resource

import pytest
from harness import eventually, needs_plain_build, receive, receive_all, receive_until, strace
from unix_sockets import as_nobody
from web_client import Response

COMMANDS, WEB = "tcp/commands", "tcp/web"
KIB = 1024


class Commands:
    request = b"fichier %s\n"

    @staticmethod
    def chat(client):
        """Much is said that is no file."""
        client.sendall(b"hello\n" * 2000)
        assert receive(client, 12_000) == b"hello\n" * 2000

    @staticmethod
    def answer(client, name):
        """The content of the file, or None."""
        first = receive_until(client, b"\n")
        if first == b"erreur : " + name + b" : fichier introuvable\n":
            return None
        assert first.startswith(name + b" ")
        return receive(client, int(first[len(name) + 1 :]))


def read_response(client):
    """One response, and no byte of the next."""
    head = receive_until(client, b"\r\n\r\n")
    response = Response(head, b"")
    response.body = receive(client, int(response["Content-Length"]))
    return response


class Web:
    request = b"GET /static/%s HTTP/1.1\r\nHost: a\r\n\r\n"

    @staticmethod
    def chat(client):
        get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        client.sendall(get)
        assert (first := read_response(client)).status == 302
        length = len(first.head + first.body)
        client.sendall((get[:-2] + b"A: " + b"x" * 1000 + b"\r\n\r\n") * 8)
        assert len(receive(client, 8 * length)) == 8 * length

    @staticmethod
    def answer(client, _):
        response = read_response(client)
        assert response.status in (200, 404)
        return response.body if response.status == 200 else None


DIALECTS = {COMMANDS: Commands, WEB: Web}


@pytest.fixture
def directory(tmp_path):
    root = tmp_path / "root"
    for name in ("salut", "a.b", "sub/b", "sub/c..", ".env", ".git/config", "sub/.env", "..a"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "60K").write_bytes(b"x" * 60 * KIB)
    (root / "10K").write_bytes(b"x" * 10 * KIB)
    return root


@pytest.fixture(params=DIALECTS)
def program(request):
    return request.param


def ask(program, client, name):
    client.sendall(DIALECTS[program].request % name)
    return DIALECTS[program].answer(client, name)


@pytest.mark.parametrize("name", [b"salut", b"a.b", b"sub/b", b"sub/c..", b"sub///b"])
def test_a_dot_elsewhere_is_nothing_special(start, program, directory, name):
    server = start(program, "-d", directory, 0)
    content = (directory / name.decode()).read_bytes()
    assert ask(program, server.connect(), name) == content


@pytest.mark.parametrize(
    "name",
    [b".env", b".git/config", b"sub/.env", b"sub//.env", b"..a", b"...", b".", b"./salut",
     b"sub/./b", b"sub/.", b".git/", b".git//config", b".absent"],
)  # fmt: skip
def test_no_name_with_a_dot_in_front_is_found(start, program, directory, name):
    server = start(program, "-d", directory, 0)
    client = server.connect()
    assert ask(program, client, name) is None
    assert ask(program, client, b"salut") == b"salut"


# ---- System calls, as strace shows them


def traced(start, trace, calls, program, *args):
    """A server whose calls strace writes into the file `trace`."""
    words = strace(calls)
    words[words.index("/dev/null")] = str(trace)
    return start(program, *args, 0, under=words)


@pytest.mark.parametrize(
    "name, most",
    [(b"./" * 2040 + b"salut", 0), (b"sub" + b"/" * 4000 + b"b", 2), (b"x/" * 2040 + b"y", 1)],
    ids=["./", "//", "x/"],
)
def test_a_long_path_costs_few_calls(start, program, directory, tmp_path, name, most):
    server = traced(start, tmp_path / "trace", "openat", program, "-d", directory)
    client = server.connect()
    assert ask(program, client, b"salut") == b"salut"
    before = (tmp_path / "trace").read_text().count("openat(")
    ask(program, client, name)
    server.stop()
    assert (tmp_path / "trace").read_text().count("openat(") - before <= most


@pytest.mark.parametrize("name", [b"salut", b"10K", b"60K", b"absent"])
def test_one_who_asks_a_thousand_times_at_once_gets_256_kib_a_turn(
    start, program, directory, tmp_path, name
):
    trace = tmp_path / "trace"
    server = traced(start, trace, "?poll,?ppoll,sendto,openat", program, "-d", directory)
    client = server.connect()
    count = 300
    client.sendall(DIALECTS[program].request % name * count)
    for _ in range(count):
        DIALECTS[program].answer(client, name)
    server.stop()
    turns = re.split(r"^.*\bp?poll\(.*\n", trace.read_text(), flags=re.MULTILINE)[1:]
    sizes = [sum(map(int, re.findall(r"\bsendto\(.* = (\d+)$", turn, re.M))) for turn in turns]
    assert max(sizes) <= 256 * KIB
    # Small answers have a price too: nobody else is served while they are looked for.
    assert max(len(re.findall(r"openat\(\d", turn)) for turn in turns) <= 8
    assert sum(sizes) > count * len(name)


@pytest.mark.parametrize("error", ["ENOMEM", "ENOBUFS"])
@pytest.mark.parametrize("call", ["recvfrom", "sendto", "pread64"])
def test_a_shortage_that_lasts_ends_who_meets_it_and_nothing_spins(
    start, program, directory, tmp_path, call, error
):
    server = start(program, "-d", directory, 0, env={"ASAN_OPTIONS": "detect_leaks=0"})
    client = server.connect()
    trace = tmp_path / "trace"
    server.inject(call, f"{call}:error={error}:when=1+", trace)
    client.sendall(DIALECTS[program].request % b"60K")
    try:
        receive_all(client)
    except OSError:
        pass  # closed with what it sent unread
    server.stop()
    assert trace.read_text().count("INJECTED") == 1


# ---- Memory


def test_an_idle_client_costs_less_than_512_bytes(start, program):
    needs_plain_build(program)
    count = 9000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * count and hard != resource.RLIM_INFINITY:
        count = hard // 2 - 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        server = start(program)
        before, none = server.rss(), server.descriptors()
        clients = [server.connect() for _ in range(count)]
        eventually(lambda: server.descriptors() == none + count)
        eventually(lambda: server.rss() - before < 512 * count, 5)
        for client in clients[::20]:  # a buffer that some keep shows, too
            DIALECTS[program].chat(client)
        eventually(lambda: server.rss() - before < 512 * count, 5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_small_stack_is_enough(start, program, directory):
    """One that has no room to grow ends the program."""
    needs_plain_build(program)
    server = start(program, "-d", directory, 0, under=["sh", "-c", 'ulimit -s 64; exec "$@"', "sh"])
    assert ask(program, server.connect(), b"60K") == b"x" * 60 * KIB
    server.stop()


def test_a_directory_that_we_may_not_enter_is_one_line(program, place):
    (place / "private").mkdir(mode=0o700)
    ended = as_nobody(program, "-d", place / "private", 0, reachable=place)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{program}: open {place}/private: Permission denied\n"
