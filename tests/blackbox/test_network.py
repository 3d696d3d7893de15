"""A network that misbehaves: the lab's cables in the hands of tests/lab/wire, which loses packets, delays
them, doubles them, lets them overtake each other, turns bits over, or is pulled out. Nothing is lost,
nothing comes twice, no connection is given up; and who has vanished is found dead.

NETWORK=long takes more bytes, and leaves the cable off for 20 s."""

import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import PATIENCE, connect, converse, eventually, receive, receive_all, receive_until
import pytest
from lab import in_the_lab
from networks import unacknowledged
from wants import ROOT, lacking, open_files

pytestmark = pytest.mark.waits

LONG = os.environ.get("NETWORK") == "long"
BAD = "--loss 10 --delay 3 --jitter 5 --double 3 --reorder 5 --flip 2".split()
MILD = "--loss 2 --delay 1 --jitter 2 --double 1 --reorder 2 --flip 1".split()
PREFIX = "le serveur répond : ".encode()
SO_HIGH, OVH, SAS1, ROUCAS101 = (f"10.0.0.{i}" for i in (1, 2, 3, 4))


@contextmanager
def running(*words, ready):
    """A command, from when it has said `ready` on standard error until the end of the block. Gives the
    process, and the line that had `ready` in it."""
    process = subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, cwd=ROOT)
    try:
        said = []
        for line in process.stderr:
            said.append(line.decode())
            if ready in said[-1]:
                break
        assert said and ready in said[-1], said
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, said[-1].strip()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def beside(stack, *words, stdin=subprocess.PIPE):
    """A command with pipes for its standard three, killed at the end of the block that `stack` is of."""
    process = stack.enter_context(
        subprocess.Popen(
            list(map(str, words)), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    )
    stack.callback(process.kill)
    return process


def wire(left, right, *options):
    if not Path("/dev/net/tun").exists():
        lacking("there is no /dev/net/tun here, to make a cable of")
    return running("wire", left, right, *options, ready="seed ")


@contextmanager
def serving(machine, address, program, *words):
    """A server of ours on a machine. Gives its address."""
    command = ["on", machine, binary(program), *words]
    if program != "tcp/forward":
        command += ["-b", address, 0]
    with running(*command, ready="listening on ") as (_, line):
        host, _, port = line.removeprefix("listening on ").rpartition(":")
        yield host, int(port)


def rows(process, port, state=""):
    """What proc_net_tcp(5) says of the connections to a port, in that state or in any, on a process's
    machine: in [4] what is queued, in [5] the timer, in [8] the questions without an answer."""
    table = Path(f"/proc/{process.pid}/net/tcp").read_text()
    return [row.split() for row in table.splitlines() if f":{port:04X} {state}" in row]


def binary(program):
    return program if program.startswith("/") else str(ROOT / "build" / program)


def lines(count, seed):
    """So many lines of bytes of all kinds, none of them a newline."""
    chance = random.Random(seed)
    return b"".join(
        bytes(chance.choice(b"abc\0\r\xff *\\") for _ in range(chance.randrange(200))) + b"\n"
        for _ in range(count)
    )


def answers(said):
    """What an echo server says to that."""
    greeting = "Le serveur écoute.\n".encode()
    return greeting + b"".join(PREFIX + line + b"\n" for line in said.split(b"\n")[:-1])


@in_the_lab
def test_every_byte_comes_back_over_a_bad_cable():
    with wire("so-high", "ovh", *BAD), serving("ovh", OVH, "echo/poll") as address:
        said = lines(5000 if LONG else 400, seed=1)
        assert converse(connect(address), said) == answers(said)


@in_the_lab
def test_a_small_mtu_changes_nothing():
    with wire("so-high", "ovh", "--mtu", 576, "--loss", 2):
        with serving("ovh", OVH, "echo/poll") as address:
            said = lines(2000, seed=2)
            assert converse(connect(address), said) == answers(said)


@in_the_lab
def test_files_of_all_sizes_arrive_whole():
    directory = ROOT / "build/network"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    sizes = [0, 1, 535, 1448, 1449, 65536, 300_000, *([3_000_000] if LONG else [])]
    for size in sizes:
        (directory / str(size)).write_bytes(random.Random(size).randbytes(size))
    with wire("so-high", "ovh", *BAD):
        with serving("ovh", OVH, "tcp/commands", "-d", directory) as address:
            client = connect(address)
            client.sendall("".join(f"fichier {size}\n" for size in sizes).encode())
            for size in sizes:
                assert receive_until(client, b"\n") == f"{size} {size}\n".encode()
                assert receive(client, size) == (directory / str(size)).read_bytes()
        with serving("ovh", OVH, "tcp/web", "-d", directory) as address:
            client = connect(address)
            for size in sizes:
                client.sendall(f"GET /static/{size} HTTP/1.1\r\nHost: ovh\r\n\r\n".encode())
                head = receive_until(client, b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ")
                assert f"\r\nContent-Length: {size}\r\n".encode() in head
                assert receive(client, size) == (directory / str(size)).read_bytes()


@in_the_lab
def test_a_room_of_twenty_hears_all_in_one_order():
    each = 50 if LONG else 10
    with wire("so-high", "ovh", *BAD), serving("ovh", OVH, "broadcast/server") as address:
        clients = [connect(address) for _ in range(20)]
        for client in clients:
            receive_until(client, b"\n")  # je suis : ME
            client.settimeout(100)  # one of twenty may lose seven packets in a row, and wait for 25 s
        heard = [b""] * len(clients)

        def talk(i):
            for n in range(each):
                clients[i].sendall(f"{i} dit {n}\n".encode())
            while heard[i].count(b" dit ") < each * len(clients):
                piece = clients[i].recv(1 << 16)
                assert piece
                heard[i] += piece

        threads = [threading.Thread(target=talk, args=(i,)) for i in range(len(clients))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
        said = [re.findall(rb": (\d+ dit \d+)\n", one) for one in heard]
        assert len(said[0]) == len(set(said[0])) == each * len(clients)
        assert all(one == said[0] for one in said)


@in_the_lab
def test_three_hops_over_three_bad_cables():
    with (
        wire("so-high", "ovh", *MILD),
        wire("ovh", "sas1", *MILD),
        wire("sas1", "roucas101", *MILD),
        serving("roucas101", ROUCAS101, "echo/poll") as (_, echo),
        serving("sas1", SAS1, "tcp/forward", f"{SAS1}:0:{ROUCAS101}:{echo}") as (_, second),
        serving("ovh", OVH, "tcp/forward", f"{OVH}:0:{SAS1}:{second}") as (_, first),
        serving("so-high", "", "tcp/forward", f"127.0.0.1:0:{OVH}:{first}") as address,
    ):
        said = lines(600_000 if LONG else 1500, seed=3)
        assert converse(connect(address), said) == answers(said)


@in_the_lab
def test_netcat_passes_on_what_it_is_given():
    sent = random.Random(4).randbytes(5_000_000 if LONG else 200_000)
    with wire("so-high", "ovh", *BAD), socket.create_server((SO_HIGH, 0)) as listener:
        port = listener.getsockname()[1]
        netcat = subprocess.Popen(
            ["on", "ovh", binary("tcp/netcat"), SO_HIGH, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        peer, _ = listener.accept()
        peer.settimeout(PATIENCE)
        got = []
        talking = threading.Thread(target=lambda: got.append(converse(peer, sent)))
        talking.start()
        said, _ = netcat.communicate(sent[::-1], timeout=100)
        talking.join(PATIENCE)
        assert said == sent and got == [sent[::-1]] and netcat.returncode == 0


@in_the_lab
def test_a_cable_that_is_off_for_a_while_costs_time_only():
    with wire("so-high", "ovh") as (cable, _), serving("ovh", OVH, "echo/poll") as address:
        said = lines(20_000, seed=5)
        expected = answers(said)
        client = connect(address, receive_buffer=65536)
        client.settimeout(120)
        talking = threading.Thread(target=say, args=(client, said))
        talking.start()
        got = receive(client, 100_000)  # both directions are full from now on
        cable.send_signal(signal.SIGUSR1)
        time.sleep(20 if LONG else 3)  # for so long it is off
        unread = client.recv(len(expected), socket.MSG_PEEK | socket.MSG_DONTWAIT)
        assert len(got + unread) < len(expected)
        cable.send_signal(signal.SIGUSR1)
        assert got + receive_all(client) == expected
        talking.join(PATIENCE)


def say(client, said):
    client.sendall(said)
    client.shutdown(socket.SHUT_WR)


# The beginning of a server in Python, for one client.
ACCEPTS = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print("listening on %s:%d" % server.getsockname(), file=sys.stderr, flush=True)
client = server.accept()[0]
"""
SAYS = f"""{ACCEPTS}
client.sendall(b"bonjour")
client.close()
server.accept()
"""
LISTENS = f"""{ACCEPTS}
client.shutdown(socket.SHUT_WR)
while client.recv(1000): pass
"""
# It has an answer, and closes as soon as that has been sent.
CLOSES = f"""{ACCEPTS}
client.sendall(bytes(18_000))
while client.recv(1000): pass
client.close()
server.accept()
"""


@in_the_lab
def test_netcat_ends_well_when_the_peer_has_closed_and_its_system_has_forgotten_it():
    """Nothing is typed meanwhile. The peer's system is asked whether it is still there, and resets."""
    subprocess.run(["on", "ovh", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_fin_timeout"], check=True)
    with (
        impatient("tcp/netcat", TCP_KEEPIDLE=1, TCP_KEEPINTVL=1) as (path,),
        running("on", "ovh", "python3", "-c", SAYS, OVH, ready="listening on ") as (_, line),
        ExitStack() as stack,
    ):
        netcat = beside(stack, path, OVH, line.rpartition(":")[2])
        assert (netcat.stdout.read(), netcat.stderr.read()) == (b"bonjour", b"")
        assert netcat.wait(PATIENCE) == 0


@in_the_lab
def test_netcat_is_not_put_off_by_an_icmp_message_while_its_peer_has_not_all():
    """TCP survives a firewall that refuses for a while: it sends again what was refused."""
    with (
        running("on", "ovh", "python3", "-c", LISTENS, OVH, ready="listening on ") as (_, line),
        ExitStack() as stack,
    ):
        port = int(line.rpartition(":")[2])
        netcat = beside(stack, binary("tcp/netcat"), OVH, port)
        eventually(lambda: rows(netcat, port, "08"))  # CLOSE_WAIT: it has heard the half-close
        rule = "add rule inet firewall input tcp dport %d reject" % port
        subprocess.run(["on", "ovh", "nft", rule], check=True)
        netcat.stdin.write(b"x" * 1000)
        netcat.stdin.close()
        eventually(lambda: any(int(row[6], 16) > 2 for row in rows(netcat, port)))  # sent again
        subprocess.run(["on", "ovh", "nft", "flush chain inet firewall input"], check=True)
        assert (netcat.wait(PATIENCE), netcat.stderr.read()) == (0, b"")


@in_the_lab
def test_a_neighbour_that_is_gone_keeps_no_datagram_from_the_others():
    """What is sent to it waits for its answer to ARP, which does not come."""
    gone = "10.9.0.1"
    for command in (
        f"ip address add {gone}/32 dev lo",
        f"on ovh ip route add {gone} dev so-high",
    ):
        subprocess.run(command.split(), check=True)
    with (
        serving("ovh", OVH, "echo/datagram") as address,
        socket.socket(type=socket.SOCK_DGRAM) as its_last_words,
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        its_last_words.bind((gone, 0))
        other.settimeout(PATIENCE)

        def ask(question):
            other.sendto(question, address)
            assert other.recv(100) == PREFIX + question

        ask(b"salut")  # where we are is known: from now on no question about that is answered
        Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text("1")
        for i in range(400):
            its_last_words.sendto(b"x" * 64, address)
            ask(b"%d" % i)


@in_the_lab
def test_a_machine_that_comes_back_and_knows_of_nothing_is_gone():
    with wire("so-high", "ovh") as (cable, _), serving("ovh", OVH, "broadcast/server") as address:
        alice, bob = connect(address), connect(address)
        receive_until(alice, b"\n")
        receive_until(bob, b"\n")
        receive_until(alice, "est connecté\n".encode())
        cable.send_signal(signal.SIGUSR1)
        # Bob's machine forgets him while the cable is off: his reset is lost.
        bob.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        bob.close()
        time.sleep(0.1)
        cable.send_signal(signal.SIGUSR1)
        alice.sendall(b"bob ?\n")  # the server tells Bob too, and his machine answers with a reset
        assert receive_until(alice, "est déconnecté\n".encode())


# What is refused, what its client says behind that, and what is answered.
LAST_WORDS = {
    "tcp/web": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nun ",
        b"corps",
        b"HTTP/1.1 405 ",
    ),
    "broadcast/server": (b"x" * 70_000, b"x" * 1000, "erreur : ligne trop longue\n".encode()),
}


@in_the_lab
def test_a_last_word_is_not_lost_while_the_cable_is_off():
    """A socket that is closed meanwhile answers what the client says behind it with a reset."""
    with wire("so-high", "ovh") as (cable, _), ExitStack() as running_servers:
        talks = []
        for program, (said, rest, answered) in LAST_WORDS.items():
            command = ("on", "ovh", binary(program), "-b", OVH, 0)
            server, line = running_servers.enter_context(running(*command, ready="listening on "))
            client = connect((OVH, int(line.rpartition(":")[2])))
            if program == "broadcast/server":
                receive_until(client, b"\n")
            server.send_signal(signal.SIGSTOP)
            client.sendall(said)
            talks.append((server, client, rest, answered))
        eventually(lambda: all(unacknowledged(client) == 0 for _, client, _, _ in talks))
        cable.send_signal(signal.SIGUSR1)
        for server, _, _, _ in talks:
            server.send_signal(signal.SIGCONT)
        # The rest comes later than the answer, and is sent again more often: it arrives first.
        time.sleep(8 if LONG else 3)
        for _, client, rest, _ in talks:
            client.sendall(rest)
        time.sleep(12 if LONG else 4)
        cable.send_signal(signal.SIGUSR1)
        for _, client, _, answered in talks:
            assert receive_all(client).startswith(answered)


FULL = b"serveur complet\n"
# How each becomes full, and soon.
MANY = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
for _ in range(1005):
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
os.execv(sys.argv[1], sys.argv[1:])
"""
NO_PROCESS = ["strace", "-D", "-qq", "-o", "/dev/null", "-e", "trace=?fork,clone,?clone3", "-e"]
NO_PROCESS += ["inject=?fork,clone,?clone3:error=EAGAIN"]
BECOMES_FULL = {
    "echo/select": ["python3", "-c", MANY],
    "broadcast/server": ["prlimit", "--nofile=20"],
    "echo/fork": NO_PROCESS,
    "echo/thread": NO_PROCESS,
}


@in_the_lab
def test_who_is_sent_away_is_told_though_he_speaks_and_that_was_lost():
    """What he says arrives before the message is sent again; to a socket that is closed by then."""
    for program, words in BECOMES_FULL.items():
        with wire("so-high", "ovh") as (cable, _), ExitStack() as stack:
            command = ["on", "ovh", *words, binary(program), "-b", OVH, 0]
            server, line = stack.enter_context(running(*command, ready="listening on "))
            address = OVH, int(line.rpartition(":")[2])
            while receive_until(last := stack.enter_context(connect(address)), b"\n") != FULL:
                pass
            assert receive_all(last) == b""
            eventually(lambda: not rows(server, last.getsockname()[1], "04"))  # FIN_WAIT1
            server.send_signal(signal.SIGSTOP)
            client = stack.enter_context(connect(address))
            eventually(lambda: rows(server, client.getsockname()[1], "01"))  # ESTABLISHED there, too
            cable.send_signal(signal.SIGUSR1)
            server.send_signal(signal.SIGCONT)

            def until_it_is_sent_again(server=server, its_port=client.getsockname()[1]):
                """In seconds: the message, and our end behind it. 0 without them."""
                timer = [row[5] for row in rows(server, its_port, "04")] or [""]
                return int(timer[0][3:], 16) / 100 if timer[0].startswith("01") else 0

            eventually(lambda: until_it_is_sent_again() > 0.6)
            cable.send_signal(signal.SIGUSR1)
            client.sendall(b"bonjour\n")
            assert receive_all(client) == FULL, program


@contextmanager
def impatient(*programs, **numbers):
    """The programs with other numbers after these words in tcp/keepalive.hpp, as built in a directory of
    their own. Gives their paths."""
    with tempfile.TemporaryDirectory(prefix="impatient-", dir=ROOT / "build") as name:
        directory = Path(name)
        for folder in (".", "tcp", "tcp/web", "tcp/commands", "echo", "broadcast"):
            (directory / folder).mkdir(exist_ok=True)
            for file in (ROOT / folder).glob("*.[ch]pp"):
                shutil.copy(file, directory / folder)
        header = directory / "tcp/keepalive.hpp"
        text = header.read_text()
        for word, number in numbers.items():
            text, count = re.subn(rf"(\b{word}(,| =) )[\w']+", rf"\g<1>{number}", text)
            assert count == 1, word
        header.write_text(text)
        compiler = shlex.split(os.environ.get("CXX", "c++"))
        paths = [f"{directory / program}.built" for program in programs]
        for path, program in zip(paths, programs):
            source = directory / f"{program}.cpp"
            subprocess.run([*compiler, "-std=c++20", "-o", path, source], check=True)
        yield paths


@in_the_lab
def test_who_half_closes_and_reads_late_has_all_that_it_is_owed():
    """A system forgets a connection that has been closed when its peer takes nothing for some minutes.
    Here it does so at the first question."""
    said = b"".join(b"%07d\n" % i for i in range(600))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        content = random.Random(3).randbytes(18_000)
        (directory / "grand").write_bytes(content)
        get = b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n"
        retries = "/proc/sys/net/ipv4/tcp_orphan_retries"
        subprocess.run(["on", "ovh", "sh", "-c", f"echo 1 > {retries}"], check=True)

        late = []
        forgotten = "its connection"

        def ask(question, answer, *words):
            """Starts a server, asks it, and half-closes. Its answer is to be read later, or never."""
            server, line = stack.enter_context(running("on", "ovh", *words, ready="listening on "))
            port = int(line.rpartition(":")[2])
            client = stack.enter_context(connect((OVH, port), receive_buffer=4096))
            client.sendall(question)
            client.shutdown(socket.SHUT_WR)
            its_port = client.getsockname()[1]
            if answer == forgotten:
                eventually(lambda: not rows(server, its_port))
                return port
            # LAST_ACK, or CLOSING if the two crossed: both have said their ends.
            eventually(lambda: rows(server, its_port, "09") or rows(server, its_port, "0B"))
            late.append((words[0].rpartition("build/")[2], client, answer))
            return port

        for program in ("echo/select", "echo/poll", "echo/generations"):
            port = ask(said, answers(said), binary(program), "-b", OVH, 0)
        # What an echo server holds for it is taken by the relay: that one holds it then.
        ask(said, answers(said), binary("tcp/forward"), f"{OVH}:0:{OVH}:{port}")
        served = ["-b", OVH, 0, "-d", directory]
        ask(b"fichier grand\n", b"grand 18000\n" + content, binary("tcp/commands"), *served)
        ask(get, content, binary("tcp/web"), *served)
        ask(said, None, binary("broadcast/server"), "-b", OVH, 0)
        says_the_file = ["sh", "-c", 'exec "$@" < "$0"', directory / "grand"]
        ask(b"", content, *says_the_file, binary("tcp/netcat"), "-l", "-p", 0, OVH)
        ask(b"", forgotten, "python3", "-c", CLOSES, OVH)

        for program, client, answer in late:
            got = receive_all(client)
            if program == "broadcast/server":
                name = got.split(b"\n")[0].removeprefix(b"je suis : ")
                answer = b"".join(
                    b"Message de %s : %s\n" % (name, line) for line in said.split(b"\n")[:-1]
                )
            assert got.endswith(answer), (program, len(got), len(answer))


def test_who_asks_again_and_again_for_the_same_does_not_make_room():
    """Its acknowledgements are late, so that the same number of bytes is on its way at each look."""
    asks = b"GET /api/calcul?a=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n"
    with (
        impatient("tcp/web", patience=1500) as (program,),
        running("prlimit", "--nofile=20", program, 0, ready="listening on ") as (_, line),
        ExitStack() as stack,
    ):
        address = "127.0.0.1", int(line.rpartition(":")[2])
        busy = connect(address)
        others = []
        end = time.monotonic() + 6
        while time.monotonic() < end:
            busy.sendall(asks)
            assert receive_until(busy, b'"somme":3}').startswith(b"HTTP/1.1 200")
            others.append(stack.enter_context(connect(address)))
            time.sleep(0.03)


def asks_often():
    """Whether a kernel can be told to (TCP_RTO_MAX_MS of Linux 6.15)."""
    with socket.socket() as any_socket:
        try:
            any_socket.setsockopt(socket.IPPROTO_TCP, 44, 15_000)
        except OSError:
            return False
    return True


@in_the_lab
def test_who_takes_nothing_is_asked_often_enough_for_a_network_that_loses():
    """Two questions that are lost, one after the other, are no proof: by then the kernel would ask every
    minute or two, and one reader of thirty would be taken for dead."""
    if not asks_often():
        pytest.skip("this kernel asks as seldom as it likes (Linux 6.15)")
    with (
        tempfile.TemporaryDirectory() as directory,
        impatient("tcp/commands", seldom=1000, period=200) as (program,),
        wire("so-high", "ovh"),
    ):
        (Path(directory) / "grand").write_bytes(bytes(8 << 20))
        with serving("ovh", OVH, program, "-d", directory) as (_, port):
            client = connect((OVH, port), receive_buffer=4096)
            client.sendall(b"fichier grand\n")

            def asked():
                """How many seconds it is to the next question, when there have been five."""
                words = ["on", "ovh", "ss", "-Htino", f"dport = :{client.getsockname()[1]}"]
                said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
                again = re.search(r"timer:\(persist,(?:(\d+)sec|(?:(\d+)\.)?(\d+)ms)", said)
                times = re.search(r"backoff:(\d+)", said)
                if not again or not times or int(times[1]) < 5:
                    return None
                return int(again[1] or again[2] or 0) + int(again[3] or 0) / 1000

            assert eventually(asked) <= 1


@in_the_lab
def test_who_is_silent_behind_a_cut_cable_and_who_is_owed_something_are_both_found_dead():
    with (
        impatient(
            "broadcast/server",
            TCP_KEEPIDLE=1, TCP_KEEPINTVL=1, TCP_KEEPCNT=2, patience=3000, period=1000,
        ) as (program,),
        wire("so-high", "ovh") as (cable, _),
        serving("ovh", "0.0.0.0", program) as (_, port),
    ):
        silent, spoken_to = connect((OVH, port)), connect((OVH, port))
        for client in (silent, spoken_to):
            receive_until(client, b"\n")
        watcher = subprocess.Popen(
            ["on", "ovh", binary("tcp/netcat"), "127.0.0.1", str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert b"je suis : " in watcher.stdout.readline()
            cable.send_signal(signal.SIGUSR1)
            watcher.stdin.write(b"y a-t-il quelqu'un ?\n")  # from now on both are owed this
            watcher.stdin.flush()
            gone = 0
            begun = time.monotonic()
            while gone < 2:
                gone += "est déconnecté".encode() in watcher.stdout.readline()
                assert time.monotonic() - begun < PATIENCE
        finally:
            watcher.kill()
            watcher.wait()


@pytest.mark.thorough
@in_the_lab
def test_who_is_spoken_to_after_much_silence_is_found_dead():
    """The kernel counts anew from what was sent, and has hours for that here: who looks, finds it."""
    programs = ("broadcast/server", "tcp/forward", "tcp/netcat", "tcp/web")
    numbers = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "patience": 3000, "period": 1000}
    with (
        impatient(*programs, **numbers) as paths,
        wire("so-high", "ovh") as (cable, _),
        serving("ovh", "0.0.0.0", paths[0]) as (_, port),
        running("on", "ovh", paths[3], "-b", OVH, 0, ready="listening on ") as (web, line),
        socket.create_server((SO_HIGH, 0)) as listener,
        ExitStack() as stack,
    ):
        alone = len(open_files(web.pid))
        asker = connect((OVH, int(line.rsplit(":", 1)[1])))
        asker.sendall(b"GET / HT")  # after ten seconds it is told so, and not asked any more
        eventually(lambda: len(open_files(web.pid)) > alone)

        def netcat(program, *words):
            return beside(stack, "on", "ovh", program, *words)

        in_the_room = netcat(binary("tcp/netcat"), "127.0.0.1", port)
        assert b"je suis : " in in_the_room.stdout.readline()
        member = connect((OVH, port))
        receive_until(member, b"\n")
        assert "est connecté".encode() in in_the_room.stdout.readline()

        behind = netcat(binary("tcp/netcat"), "-l", "-p", 0, "127.0.0.1")
        where = behind.stderr.readline().rsplit(b":", 1)[1].strip().decode()
        words = ["on", "ovh", paths[1], f"{OVH}:0:127.0.0.1:{where}"]
        _, line = stack.enter_context(running(*words, ready="listening on "))
        forwarded = connect((OVH, int(line.rsplit(":", 1)[1])))
        forwarded.sendall(b"a")
        assert behind.stdout.read(1) == b"a"

        caller = netcat(paths[2], SO_HIGH, listener.getsockname()[1])
        called = listener.accept()[0]
        called.sendall(b"b")
        assert caller.stdout.read(1) == b"b"

        # So is who has said its end, and that has been heard.
        caller_on = netcat(paths[2], SO_HIGH, listener.getsockname()[1])
        half_closed = listener.accept()[0]
        half_closed.shutdown(socket.SHUT_WR)
        assert caller_on.stdout.read() == b""

        # Who has said its end has not vanished, however late that is read.
        caller_late = netcat(paths[2], SO_HIGH, listener.getsockname()[1])
        farewell = listener.accept()[0]
        farewell.sendall(bytes(120_000))
        farewell.shutdown(socket.SHUT_WR)
        eventually(lambda: unacknowledged(farewell) == 0)

        # What somebody has said before he vanished is still to be read, however late.
        caller_after = netcat(paths[2], SO_HIGH, listener.getsockname()[1])
        no_farewell = listener.accept()[0]
        no_farewell.sendall(bytes(120_000))
        eventually(lambda: unacknowledged(no_farewell) == 0)

        cable.send_signal(signal.SIGUSR1)
        for speaker in (in_the_room, behind, caller, caller_on):
            speaker.stdin.write(b"y a-t-il quelqu'un ?\n")
            speaker.stdin.flush()
        while "est déconnecté".encode() not in in_the_room.stdout.readline():
            pass
        assert behind.wait(PATIENCE) == 1 and b"reset by peer" in behind.stderr.read()
        assert caller.wait(PATIENCE) == 1 and b"receiving: Connection timed out" in caller.stderr.read()
        assert caller_on.wait(PATIENCE) == 1
        assert caller_on.stderr.read() == b"tcp/netcat: sending: Connection timed out\n"
        assert len(caller_late.stdout.read(120_000)) == 120_000
        eventually(lambda: len(open_files(web.pid)) == alone)
        assert len(caller_after.stdout.read(120_000)) == 120_000
        for end in (member, forwarded, called, half_closed, farewell, no_farewell, asker):
            end.close()


MUCH = 16_000_000  # bytes: more than all that the buffers between two programs hold
GET = b"GET /static/much HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LINES = (b"x" * 999 + b"\n") * (MUCH // 1000)
SAID = {"tcp/commands": b"fichier much\nquitter\n", "tcp/web": GET, "tcp/forward": GET}


def insist(client, said):
    try:
        client.sendall(said)
    except OSError:
        pass  # the test is over


@pytest.mark.thorough
@in_the_lab
def test_who_takes_nothing_is_found_dead_when_its_machine_is_gone_and_only_then():
    """The kernel asks both whether they would take something by now, and one answers."""
    programs = ("echo/select", "echo/poll", "echo/generations", *SAID)
    numbers = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "patience": 3000, "period": 1000}
    with (
        impatient(*programs, **numbers) as paths,
        wire("so-high", "ovh") as (cable, _),
        ExitStack() as stack,
    ):
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "much").write_bytes(bytes(MUCH))
        web = None
        are_known, stay = [], []
        for program, path in zip(programs, paths):
            where = ["-b", OVH, 0, *(["-d", directory] if program in SAID else [])]
            words = [f"{OVH}:0:{OVH}:{web}"] if program == "tcp/forward" else where
            server, line = stack.enter_context(running("on", "ovh", path, *words, ready="listening on "))
            web = port = line.rpartition(":")[2]

            said = SAID.get(program, LINES)
            asks = directory / str(len(stay))
            asks.write_bytes(said)
            with open(asks, "rb") as stdin:
                stays = beside(stack, "on", "ovh", binary("tcp/netcat"), OVH, port, stdin=stdin)
            stay.append((stays, program))
            vanishes = stack.enter_context(connect((OVH, int(port)), receive_buffer=65536))
            threading.Thread(target=insist, args=(vanishes, said), daemon=True).start()
            its_port = vanishes.getsockname()[1]

            def is_known(timer="", server=server, its_port=its_port):  # 01: established
                return any(row[5].startswith(timer) for row in rows(server, its_port, "01"))

            are_known.append(is_known)

        for is_known in are_known:
            eventually(lambda: is_known(timer="04"))  # that asks a window of zero
        cable.send_signal(signal.SIGUSR1)
        for is_known in are_known:
            eventually(lambda: not is_known())
        for stays, program in stay:
            got = stays.stdout.read()
            assert stays.wait(PATIENCE) == 0, program
            if program in SAID:
                assert got.endswith(bytes(MUCH)), (program, len(got))
            else:
                assert got == answers(LINES), (program, len(got))


@pytest.mark.thorough
@in_the_lab
def test_who_takes_nothing_is_not_given_up_for_one_question_that_was_lost():
    """The next is on its way to him, or his answer to us. That takes a third of a second here, and most of
    them would be looked at meanwhile; who has said his end, ten times a second."""
    with (
        impatient("echo/poll", patience=1500, period=1000) as (path,),
        wire("so-high", "ovh", "--delay", 150) as (cable, _),
        running("on", "ovh", path, "-b", OVH, 0, ready="listening on ") as (server, line),
        ExitStack() as stack,
    ):
        address = OVH, int(line.rpartition(":")[2])
        said = b"".join(b"%07d\n" % i for i in range(600))
        clients = [stack.enter_context(connect(address, receive_buffer=4096)) for _ in range(6)]
        for client in clients:
            client.sendall(said)
        clients[0].shutdown(socket.SHUT_WR)

        def all_are(expected):
            """Whether that is true of all: of the seconds to the next question, and of how many have no
            answer."""
            return all(
                row[5].startswith("04") and expected(int(row[5][3:], 16) / 100, int(row[8], 16))
                for client in clients
                for row in rows(server, client.getsockname()[1]) or [["gone"] * 9]
            )

        eventually(lambda: all_are(lambda seconds, unanswered: seconds > 1.6 and unanswered == 0))
        cable.send_signal(signal.SIGUSR1)
        eventually(lambda: all_are(lambda seconds, unanswered: unanswered == 1))
        cable.send_signal(signal.SIGUSR1)
        eventually(lambda: all_are(lambda seconds, unanswered: unanswered == 0))
        for client in clients:
            client.shutdown(socket.SHUT_WR)
            assert receive_all(client) == answers(said)


def ask_again(server, address, stack):
    """A client of echo/poll that makes its window smaller and reads nothing: what was sent before is sent
    again and again, and has no room there; that is acknowledged. Gives it, what it has said, and a
    function: when the server's system sends it again, in seconds from now; None once it is forgotten."""
    client = stack.enter_context(connect(address))
    receive_until(client, b"\n")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    said = (b"x" * 99 + b"\n") * 3000
    client.sendall(said)

    def next_time():
        for row in rows(server, client.getsockname()[1], "01"):
            timer, hundredths = row[5].split(":")
            if timer in ("00", "01"):  # none; to send again
                return int(hundredths, 16) / 100
        return None

    return client, said, next_time


@pytest.mark.thorough
def test_who_makes_his_window_smaller_and_takes_nothing_is_not_given_up():
    with impatient("echo/poll", patience=3000, period=1000) as (path,), ExitStack() as stack:
        server, line = stack.enter_context(running(path, "-b", "127.0.0.1", 0, ready="listening on "))
        address = "127.0.0.1", int(line.rpartition(":")[2])
        client, said, next_time = ask_again(server, address, stack)
        eventually(lambda: next_time() > 10)  # so it has been silent for six
        client.shutdown(socket.SHUT_WR)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert b"Le serveur \xc3\xa9coute.\n" + receive_all(client) == answers(said)


@pytest.mark.thorough
@in_the_lab
def test_who_makes_his_window_smaller_and_is_gone_is_found_dead():
    with (
        impatient("echo/poll", patience=3000, period=1000) as (path,),
        wire("so-high", "ovh") as (cable, _),
        running("on", "ovh", path, "-b", OVH, 0, ready="listening on ") as (server, line),
        ExitStack() as stack,
    ):
        _, _, next_time = ask_again(server, (OVH, int(line.rpartition(":")[2])), stack)
        eventually(lambda: next_time() > 1)
        cable.send_signal(signal.SIGUSR1)
        eventually(lambda: next_time() is None)


def go_on(client):
    """Says a byte now and then, until the test is over."""
    try:
        while True:
            client.send(b"x")
            time.sleep(0.1)
    except OSError:
        pass


@pytest.mark.thorough
def test_a_crowd_of_clients_who_take_nothing_makes_room_at_last(tmp_path):
    (tmp_path / "much").write_bytes(bytes(MUCH))
    (tmp_path / "some").write_bytes(bytes(40_000))  # the server's system takes it all at once
    with impatient("tcp/web", patience=3000) as (path,):
        for name in (b"much", b"some"):
            with ExitStack() as stack:
                words = ["prlimit", "--nofile=32", path, "-b", "127.0.0.1", 0, "-d", tmp_path]
                _, line = stack.enter_context(running(*words, ready="listening on "))
                where = "127.0.0.1", int(line.rpartition(":")[2])
                for _ in range(100):
                    client = stack.enter_context(connect(where, receive_buffer=8192))
                    client.sendall(GET.replace(b"much", name))
                    threading.Thread(target=go_on, args=(client,), daemon=True).start()
                newcomer = stack.enter_context(connect(where))
                newcomer.settimeout(2 * PATIENCE)
                newcomer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert receive_until(newcomer, b"\r\n\r\n").startswith(b"HTTP/1.1 302 ")


def has_said_all(end):
    """Whether it has half-closed, and that is acknowledged: FIN_WAIT2 (tcp(7))."""
    return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 5


def say_more_than_is_read(target, forward):
    """To a forward that has said its end, which is still on its way behind other bytes. Returns what was
    said: some of that is not read, as the other end does not take it."""
    said = b""

    def unread():
        return [int(row[4].split(":")[1], 16) for row in rows(forward, target.getsockname()[1], "04")]

    while True:
        said += random.Random(len(said)).randbytes(50_000)
        target.sendall(said[-50_000:])
        eventually(lambda: unacknowledged(target) == 0)
        before = unread()
        time.sleep(0.05)  # it would have been read
        if any(before) and unread() == before:
            return said


@pytest.mark.thorough
@in_the_lab
def test_all_that_a_target_has_said_is_passed_on_though_its_machine_is_gone_and_so_is_that():
    numbers = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 1, "patience": 3000, "period": 500}
    with (
        impatient("tcp/forward", **numbers) as (path,),
        wire("so-high", "ovh") as (cable, _),
        socket.create_server((SO_HIGH, 0)) as listener,
        ExitStack() as stack,
    ):
        port = listener.getsockname()[1]
        words = ["on", "ovh", path, f"127.0.0.1:0:{SO_HIGH}:{port}"]
        forward, line = stack.enter_context(running(*words, ready="listening on "))

        def talk(said, asked=None):
            words = ["on", "ovh", binary("tcp/netcat"), "127.0.0.1", line.rpartition(":")[2]]
            client = beside(stack, *words)
            target = stack.enter_context(listener.accept()[0])
            if asked:
                client.stdin.write(asked)
                client.stdin.close()
                eventually(lambda: rows(forward, port, "04"))
                said = say_more_than_is_read(target, forward)
            else:
                target.sendall(said)
            target.shutdown(socket.SHUT_WR)
            eventually(lambda: has_said_all(target))
            return client, said

        early, _ = talk(b"a")
        late, said = talk(random.Random(6).randbytes(1_500_000))
        busy, more = talk(None, asked=bytes(300_000))
        assert early.stdout.read() == b"a"  # that has heard all, and its end
        cable.send_signal(signal.SIGUSR1)
        # The kernel has given up two that it asked: on the third something is still to be acknowledged.
        eventually(lambda: not rows(forward, port, "08"))
        eventually(lambda: all(int(row[8]) > 4 for row in rows(forward, port, "0B")))
        assert late.stdout.read() == said
        assert busy.stdout.read() == more
        for client in (early, late):
            assert client.wait(PATIENCE) == 1
            assert client.stderr.read() == b"tcp/netcat: sending: Connection reset by peer\n"


@pytest.mark.thorough
@in_the_lab
def test_two_machines_that_are_gone_are_found_dead_though_each_is_owed_what_the_other_has_said():
    with (
        impatient("tcp/forward", TCP_KEEPIDLE=1, TCP_KEEPINTVL=1, patience=3000, period=500) as (path,),
        wire("so-high", "ovh") as (cable, _),
        socket.create_server((SO_HIGH, 0)) as listener,
        ExitStack() as stack,
    ):
        words = ["on", "ovh", path, f"{OVH}:0:{SO_HIGH}:{listener.getsockname()[1]}"]
        forward, line = stack.enter_context(running(*words, ready="listening on "))
        alone = len(open_files(forward.pid))
        client = stack.enter_context(connect((OVH, int(line.rpartition(":")[2]))))
        target = stack.enter_context(listener.accept()[0])
        client.sendall(bytes(300_000))
        client.shutdown(socket.SHUT_WR)
        eventually(lambda: rows(forward, listener.getsockname()[1], "04"))
        say_more_than_is_read(target, forward)
        target.shutdown(socket.SHUT_WR)
        eventually(lambda: has_said_all(target))
        cable.send_signal(signal.SIGUSR1)
        eventually(lambda: len(open_files(forward.pid)) == alone)
