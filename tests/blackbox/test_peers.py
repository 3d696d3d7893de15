"""The servers in other languages (tests/peers), as commands: their words, how they end, and
strangers at those in shell."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import unquote

import peer_servers
import pytest
from harness import (
    PATIENCE,
    ROOT,
    connect,
    converse,
    eventually,
    peer,
    receive,
    receive_all,
    receive_until,
    reset,
)
from peer_servers import EVERY, interpreter
from wants import lacking, missing
from web_client import get

pytestmark = pytest.mark.thorough

SHELL = [server for server in EVERY if server.endswith(".sh")]
WITH_FILES = peer_servers.COMMANDS + peer_servers.WEB


def run(server, *args):
    """Runs one to its end."""
    words, environment = interpreter(server)
    return subprocess.run(
        [*words, str(ROOT / server), *map(str, args)],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def marked(mark):
    """The processes that were started with MARK=mark in their environment, but for dead ones that
    nobody waits for."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"MARK={mark}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.add(int(pid))
        except OSError:
            pass
    return found


@pytest.fixture
def start(request, tmp_path):
    """start(server, ...), with its own directory for temporary files, and the mark that its
    processes have."""
    started = []

    def start(server, *args, under=(), **options):
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        mark = f"{os.getpid()}.{request.node.name}"
        program = peer_servers.start(
            server, *args, under=under, env={"MARK": mark, "TMPDIR": str(temporary)}, **options
        )
        program.mark, program.temporary = mark, temporary
        started.append(program)
        return program

    yield start
    for program in started:
        program.stop()


# ---- Their words ---------------------------------------------------------------------------------


@pytest.mark.parametrize("server", EVERY)
def test_help_is_the_usage_on_stdout(server):
    for word in ("-h", "--help"):
        result = run(server, word)
        assert (result.returncode, result.stderr) == (0, "") and "usage: " in result.stdout


@pytest.mark.parametrize("server", EVERY)
def test_bad_usage_is_said_with_the_usage_and_status_2(server):
    for args in [["neuf"], ["0", "0"], ["-x"]]:
        result = run(server, *args)
        assert result.returncode == 2 and result.stdout == "" and "usage: " in result.stderr, args


@pytest.mark.parametrize("server", EVERY)
def test_a_port_that_is_taken_is_said_and_the_end(server):
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = run(server, other.getsockname()[1])
    assert (
        result.returncode != 0
        and "listening on" not in result.stderr
        and "in use" in result.stderr.lower()
    )


@pytest.mark.parametrize("server", EVERY)
def test_it_listens_on_this_machine_only_and_says_where(server, start):
    program = start(server)
    assert program.log[0] == f"listening on 127.0.0.1:{program.port}"
    listeners = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()
        if line.split()[3] == "0A"
    ]
    assert [address for address in listeners if address.endswith(f":{program.port:04X}")] == [
        f"0100007F:{program.port:04X}"
    ]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    served = root / "served"
    (served / "sub").mkdir(parents=True)
    (root / "secret").write_text("not for you")
    for name in ("file", "sub/file", "two words", "é", "a+b"):
        (served / name).write_text(f"in {name}")
    (served / ".env").write_text("not for you")
    (served / "link").symlink_to("../secret")
    (served / "link_inside").symlink_to("file")
    (served / "out").symlink_to("..")
    os.mkfifo(served / "fifo")
    return served


@pytest.mark.parametrize("server", peer_servers.WEB)
def test_a_web_server_has_the_files_of_its_directory_and_no_others(server, start, directory):
    program = start(server, "-d", directory)

    def ask(name):
        connection = http.client.HTTPConnection(*program.address, timeout=PATIENCE)
        connection.request("GET", f"/static/{name}")
        response = connection.getresponse()
        return response.status, response.read()

    for target in ("file", "sub/file", "two%20words", "%C3%A9", "%66ile", "a+b"):
        assert ask(target) == (200, f"in {unquote(target)}".encode()), target
    for target in (
        *("absent", "sub", ".env", "%2eenv", "sub/.%2e/.env", "link", "link_inside", "out/secret"),
        *("fifo", "..%2fsecret", "%2e%2e/secret", "file%0A", "file/", f"{directory}/file"),
        *("%252e%252e/secret", "..%5csecret", "%c0%ae%c0%ae/secret", "file%00", "file%00.txt"),
        *("sub/..%2f..%2fsecret", "out%2fsecret", "%66ifo", "sub%2f..%2f.env", "%2fetc%2fpasswd"),
    ):
        if server == peer_servers.FASTAPI and target in ("file%0A", "file/"):
            continue  # Starlette takes a last newline or slash off: it is "file" there
        status, body = ask(target)
        assert status == 404 or (status == 400 and "%00" in target), target
        assert b"not for you" not in body, target


# ---- Each ecosystem's two commands ----------------------------------------------------------------


def runs(words, **options):
    result = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE * 3, **options)
    assert result.returncode == 0, result.stdout + result.stderr


@contextlib.contextmanager
def started(words, **options):
    """A command that starts a server as its own ecosystem does, and the server's address."""
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, **options
    )
    try:
        line = next(line for line in process.stderr if b"listening on" in line)
        yield "127.0.0.1", int(line.rpartition(b":")[2])
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


@pytest.mark.thorough
@pytest.mark.parametrize("server", [peer_servers.FLASK, peer_servers.FASTAPI])
def test_a_virtualenv_takes_the_systems_packages(server, tmp_path):
    """Where no index can be reached; `python3` is the system's."""
    system = "/usr/bin/python3"
    for module in ["ensurepip", *peer_servers.MODULES[server]]:
        if not peer_servers.imports(system, module):
            missing(module)
    requirements = (ROOT / server).with_name("requirements.txt")
    runs([system, "-m", "venv", "--system-site-packages", tmp_path / "venv"])
    if server != peer_servers.FASTAPI:  # in Debian 12 it asks for an older starlette than there is
        runs([tmp_path / "venv/bin/pip", "install", "--no-index", "-r", requirements])
    with started([tmp_path / "venv/bin/python", ROOT / server, "0"], cwd=ROOT) as address:
        assert get(address, "/").status == 302


@pytest.mark.thorough
def test_npm_ci_and_npm_start(tmp_path):
    peer("npm")
    shutil.copytree(
        ROOT / "tests/peers", tmp_path / "tests/peers", ignore=lambda *_: ["node_modules"]
    )
    shutil.copytree(ROOT / "tcp/www", tmp_path / "tcp/www")
    folder = tmp_path / "tests/peers/express"
    installed = subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, text=True)
    if re.search("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|_CERT_", installed.stderr):
        lacking("npm reaches no registry from here")
    assert installed.returncode == 0, installed.stderr
    with started(["npm", "start", "--", "0"], cwd=folder) as address:
        assert get(address, "/static/index.html").body == (ROOT / "tcp/www/index.html").read_bytes()


def test_the_lock_file_names_no_host_to_fetch_from():
    """npm asks the registry that it is set up for."""
    lock = json.loads((ROOT / "tests/peers/express/package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages and all("integrity" in package for package in packages)
    assert not any("resolved" in package for package in packages)


# ---- How they end --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL],
    ids=lambda how: how.name,
)
@pytest.mark.parametrize("server", EVERY)
def test_a_signal_ends_it_and_all_that_it_has_started(server, how, start):
    """Also with clients in the middle of what they say; its port is free at once, and no file is
    left."""
    program = start(
        server, under=["env", "--default-signal=INT"]
    )  # ignored in a background job of a script
    clients = [connect(program.address) for _ in range(3)]
    for client in clients:
        client.sendall(b"hel")
    if server in peer_servers.ECHO + peer_servers.BROADCAST:
        for client in clients:
            receive_until(client, b"\n")
    assert program.pid in marked(program.mark)
    program.process.send_signal(how)
    program.wait()
    program.stopped = True
    eventually(lambda: not marked(program.mark))
    assert list(program.temporary.iterdir()) == []
    assert program.log == [f"listening on 127.0.0.1:{program.port}"]
    eventually(lambda: is_free(program.address))  # another test may have been given it meanwhile


def is_free(address):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            return False
        return True


# ---- Strangers at the servers in shell -----------------------------------------------------------

ATTACKS = [
    b"$(touch pirate)", b"`touch pirate`", b"; touch pirate", b"| touch pirate", b"& touch pirate",
    b"\ntouch pirate", b"x\0; touch pirate", b"' ; touch pirate ; '", b'" ; touch pirate ; "',
    b"') ; touch pirate", b"${IFS}$(touch${IFS}pirate)", b"<(touch pirate)", b"> pirate",
    b">> pirate", b"exec:touch pirate", b"!!exec:touch pirate", b"a=$(touch pirate)",
    b"a[$(touch pirate)]", b'1+system("touch pirate")', b"$((pirate=1))", b"\x1b]0;pirate\x07",
    b"!touch pirate", b"-n", b"-e pirate", b"--help", b"--", b"*", b"/*", b"~root", b"{a,b}", b"\\",
    b"\\\\n", b"%s%n%x", b"\r", b"\xff\xfe\x81",
]  # fmt: skip


def conversations(server):
    """What a stranger may send with these words in it."""
    if not server.endswith("web.sh"):
        yield b"\n".join(ATTACKS)
        for name in (b"%s", b"sub/%s", b"%s/x"):
            yield b"".join(b"fichier " + name % word + b"\n" for word in ATTACKS)
        return
    host = b" HTTP/1.1\r\nHost: a\r\n"
    for word in ATTACKS:
        url = b"".join(b"%%%02X" % byte for byte in word)
        yield b"GET /static/" + url + host + b"If-Modified-Since: " + word + b"\r\n\r\n"
        yield b"GET /static/sub/" + url + b"/" + word + b"?" + word + host + b"\r\n"
        yield b"GET /api/calcul?a=" + url + b"&b=1" + host + b"\r\n"
        yield b"GET /api/calcul?a=1&b=" + word + host + b"Content-Length: " + word + b"\r\n\r\n"
        yield word + b" " + word + b" " + word + b"\r\n" + word + b": " + word + b"\r\n\r\n"


@pytest.mark.parametrize("server", SHELL)
def test_no_word_of_a_stranger_is_run_or_is_an_option(server, start, tmp_path):
    """Neither does a file come to be, nor has any program a word of a stranger among its arguments;
    a name of a file stands there after ./ only."""
    served = tmp_path / "served"
    (served / "sub").mkdir(parents=True)
    calls = tmp_path / "calls"
    trace = [
        peer("strace"),
        "-D",
        "-f",
        "-qq",
        "-s",
        "4000",
        "-e",
        "trace=execve",
        "-o",
        str(calls),
    ]
    program = start(server, *(["-d", served] if server in WITH_FILES else []), under=trace)
    for sent in conversations(server):
        converse(connect(program.address), sent)
    assert list(served.rglob("*")) == [served / "sub"]
    assert not (ROOT / "pirate").exists()
    programs = set()
    for call in re.findall(r'execve\("([^"]*)", \[(.*)\], 0x', calls.read_text()):
        programs.add(os.path.basename(call[0]))
        words = re.findall(r'"((?:[^"\\]|\\.)*)"', call[1])
        assert not [word for word in words if "pirate" in word and not word.startswith("./")], call
    ours = {os.path.basename(server), "dirname", "setsid", "socat", "rmdir"}
    assert programs - ours <= {
        "head",
        "wc",
        "date",
        "dd",
        "awk",
        "mawk",
        "gawk",
        "tr",
        "uname",
        "mktemp",
        "mkfifo",
        "mkdir",
        "tail",
        "rm",
    }


HELLO = {
    "echo.sh": (b"bonjour\n", "Le serveur écoute.\nle serveur répond : bonjour\n".encode()),
    "commands.sh": (b"hello\n", b"hello\n"),
    "web.sh": (b"GET /rien HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n"),
    "broadcast.sh": (b"bonjour\n", b"je suis : "),
}


@pytest.mark.parametrize("server", SHELL)
def test_two_hundred_clients_at_once_are_served_and_leave_nothing(server, start):
    program = start(server)
    before = len(marked(program.mark))
    sent, expected = HELLO[os.path.basename(server)]
    clients = [connect(program.address) for _ in range(200)]
    for client in clients:
        client.sendall(sent)
    for client in clients:
        assert receive(client, len(expected)) == expected
    for i, client in enumerate(clients):
        if i % 2:
            reset(client)
        else:
            client.close()
    eventually(lambda: len(marked(program.mark)) == before)
    assert converse(connect(program.address), sent).startswith(expected)


@pytest.mark.parametrize("server", SHELL)
def test_a_line_of_a_megabyte_is_no_trouble(server, start):
    program = start(server)
    line = b"x" * 1_000_000
    got = converse(connect(program.address), line + b"\n")
    if server.endswith("echo.sh"):
        assert got == "Le serveur écoute.\nle serveur répond : ".encode() + line + b"\n"
    elif server.endswith("commands.sh"):
        assert got == b"erreur : commande inconnue : " + line + b"\n"
    elif server.endswith("web.sh"):
        assert got.startswith(b"HTTP/1.1 431 ")
    else:
        assert got.endswith("erreur : ligne trop longue\n".encode()) and len(got) < 100


LITTLE_MEMORY = ["sh", "-c", 'ulimit -v 12000; exec "$@"', "sh"]


@pytest.mark.parametrize("length", [5_000_000, 32_000_000])
@pytest.mark.parametrize("server", SHELL)
def test_a_line_without_end_ends_its_own_client(server, length, start):
    """Where memory ends: nothing is answered twice, and nobody is left who is not there any more."""
    program = start(server, under=LITTLE_MEMORY)
    before = len(marked(program.mark))
    sent, expected = HELLO[os.path.basename(server)]
    other, client = connect(program.address), connect(program.address)
    client.settimeout(3 * PATIENCE)  # a shell reads no faster
    client.sendall(sent)
    assert receive(client, len(expected)) == expected
    with contextlib.suppress(OSError):
        client.sendall(b"x" * length)
        client.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):  # much of it is unread
        assert receive_all(client).count(expected) == 0
    if server.endswith("broadcast.sh"):
        while not receive_until(other, b"\n").endswith(" est déconnecté\n".encode()):
            pass
    other.close()
    eventually(lambda: len(marked(program.mark)) == before)
    assert converse(connect(program.address), sent).startswith(expected)


def test_who_vanishes_in_the_middle_of_much_is_soon_forgotten(start):
    """Nobody reads on for those who have gone, a byte at a time."""
    program = start("tests/peers/broadcast.sh")
    before = len(marked(program.mark))
    clients = [connect(program.address) for _ in range(25)]
    for client in clients:
        receive_until(client, b"\n")
    for client in clients:
        client.sendall((b"x" * 1000 + b"\n") * 40)
    for client in clients:
        reset(client)
    eventually(lambda: len(marked(program.mark)) == before)


def test_a_file_that_shrinks_ends_the_connection(start, directory):
    """The shell has said SIZE: what is missing cannot be made up."""
    file = directory / "large"
    file.write_bytes(b"x" * 50_000_000)
    program = start("tests/peers/commands.sh", "-d", directory)
    client = connect(program.address, receive_buffer=4096)
    client.sendall(b"fichier large\nhello\n")
    assert receive_until(client, b"\n") == b"large 50000000\n"
    os.truncate(file, 1000)
    assert not converse(client, b"").endswith(b"hello\n")
