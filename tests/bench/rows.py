"""The rows of the benchmark: what is measured, against which peer, and the goal of DESIGN."""

import contextlib
import getpass
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
BENCH = BUILD / "bench"
TOOLS = BUILD / "tests/bench"
os.environ["PATH"] += ":/usr/sbin:/sbin"  # nginx, sshd, chronyd

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass
class Figure:
    """One of those that a measure gives in its dict, and what is wanted of it."""

    key: str
    # How many times as good as the peer ours is to be; without a peer, the most that ours may take.
    goal: float | None = None
    less_is_better: bool = False
    says: str = ""  # behind the name of the row


def soon(goal=1.0):
    return Figure("p99_us", goal, less_is_better=True, says="; 99 % within, us")


@dataclass
class Row:
    """Each side is measured by a call that gives a dict."""

    name: str
    figures: list[Figure]
    ours: Callable[[], dict]
    peer: Callable[[], dict] | None = None
    rounds: int | None = None  # None: as many as it takes to know


@contextlib.contextmanager
def running(*command, ready=None, **popen):
    """Runs a server. Gives what `ready` catches in its log; without one, the process at once."""
    words = [str(word) for word in command]
    BENCH.mkdir(parents=True, exist_ok=True)
    log = BENCH / (Path(words[0]).name + ".log")  # a file: nobody has to read it while we measure
    with open(log, "wb") as file:
        process = subprocess.Popen(words, stdout=file, stderr=file, cwd=ROOT, **popen)
    try:
        deadline = time.monotonic() + 10
        while ready and not (found := re.search(ready, log.read_text(errors="replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{' '.join(words)}: {log.read_text(errors='replace')}")
            time.sleep(0.01)
        yield found[1] if ready else process
    finally:
        process.terminate()
        process.wait()


def serving(*command):
    return running(*command, ready=r"listening on .*:(\d+)")


def output(*command, **options):
    """What a command that must succeed has written."""
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)}: {result.stdout}{result.stderr}")
    return result.stdout


def tool(name, *arguments, on=()):
    """One run of a load generator, which checks every byte: the JSON that it prints."""
    return json.loads(output(*on, TOOLS / name, *arguments))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as any_socket:
        return any_socket.getsockname()[1]


def wait_for(port, process):
    """Until somebody listens; without a connection, of which a server for one client would make a
    client."""
    deadline = time.monotonic() + 10
    while not any(f":{port:04X} 00000000:0000 0A" in line for line in Path("/proc/net/tcp").open()):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{process.args[0]} does not listen")
        time.sleep(0.01)


@contextlib.contextmanager
def set_up(name, text, *words):
    """A peer with a file of its own to set it up: `words` come before the file's name, and PORT in
    it is a free one. Gives the port."""
    port = free_port()
    conf = BENCH / f"{name}.conf"
    conf.write_text(text.replace("PORT", str(port)))
    with running(name, *words, conf) as process:
        wait_for(port, process)
        yield port


def where(program):
    """What a server that has just been started says that it listens on."""
    log = BENCH / (Path(program).name + ".log")
    while not (found := re.search(r"listening on (.*)\n", log.read_text())):
        time.sleep(0.01)
    return found[1]


def ours(program, *arguments):
    return [BUILD / program, *(arguments or ["0"])]


# ---- echo

ASIO = [TOOLS / "echo_asio", "0"]
NODE = ["node", ROOT / "tests/peers/echo.mjs", "0"]
PAGE = (
    'system:echo "Le serveur écoute."; while read LINE; do echo "le serveur répond : $LINE"; done'
)
SOCAT = ["socat", "-dd", "tcp-listen:0,bind=127.0.0.1,fork,reuseaddr,backlog=128", PAGE]


BARE = [TOOLS / "echo_bare", "0"]


def echo_load(command, clients, in_flight=1, seconds=1, idle=0, warm_up=0.1, cores=(None, None)):
    """`cores`: on which the server and the load are to stay."""
    its, ours = ([] if core is None else ["taskset", "-c", core] for core in cores)

    def measure():
        with serving(*its, *command) as port:
            words = [port, clients, in_flight, seconds, idle, warm_up]
            return tool("echo_load", *words, on=ours)

    return measure


def echo_rows():
    def row(name, goal, mine, peer, *load, late=None, **options):
        figures = [Figure("lines_per_second", goal), soon(late)]
        sides = [echo_load(command, *load, **options) for command in (ours(mine), peer)]
        return Row(name, figures, *sides)

    for in_flight in (1, 16):
        for clients in (1, 50, 500, 5000):
            who = "1 client" if clients == 1 else f"{clients} clients"
            name = f"echo/poll: {who}, {in_flight} in flight, against Asio"
            yield row(name, 1.0, "echo/poll", ASIO, clients, in_flight, late=1.0)
        name = f"echo/poll: 1 client, {in_flight} in flight, against a bare recv and send"
        yield row(name, None, "echo/poll", BARE, 1, in_flight)
    yield row("echo/poll: 50 clients, against Node", None, "echo/poll", NODE, 50)
    yield row("echo/poll: 50 clients, against the course page's socat", 5.0, "echo/poll", SOCAT, 50)
    for idle, goal in ((9000, 0.95), (0, 1.0)):
        load = ("echo/generations", ASIO, 50, 1, 2, idle, 3)
        name = f"echo/generations: 50 busy beside {idle} idle, against Asio"
        yield row(name, goal, *load, late=1.0)
        yield row(f"{name}, each on its core", None, *load, cores=(0, 1))


# ---- broadcast

CHAT_ASIO = [TOOLS / "chat_asio", "0"]
CHAT_NODE = ["node", ROOT / "tests/bench/chat_node.js", "0"]


def broadcast_rows():
    def rate(command, clients, senders, deliveries):
        def measure():
            with serving(*command) as port:
                return tool(
                    "chat_load", port, clients, senders, max(deliveries // clients // senders, 1)
                )

        return measure

    # A second or so for each side: what is measured is a rate.
    for clients, senders, peer, who in (
        *(
            (clients, senders, CHAT_ASIO, "Asio")
            for clients in (10, 100, 900)
            for senders in (1, clients)
        ),
        (100, 1, CHAT_NODE, "Node"),
    ):
        who_sends = "one sender" if senders == 1 else "all send"
        name = f"broadcast/server: {clients} clients, {who_sends}, against {who}"
        mine = rate(ours("broadcast/server"), clients, senders, 30_000_000)
        figures = [Figure("deliveries_per_second", 20.0)]
        yield Row(name, figures, mine, rate(peer, clients, senders, 300_000))


# ---- tcp/forward


@contextlib.contextmanager
def forward(target):
    with serving(*ours("tcp/forward", f"0:127.0.0.1:{target}")) as port:
        yield int(port)


@contextlib.contextmanager
def no_relay(target):
    yield target


@contextlib.contextmanager
def socat(target):
    port = free_port()
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"
    with running("socat", "-b65536", listen, f"TCP:127.0.0.1:{target}") as process:
        wait_for(port, process)
        yield port


def haproxy(target):
    return set_up(
        "haproxy",
        "global\n  nbthread 1\n"
        "defaults\n  mode tcp\n  option splice-auto\n"
        "  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n"
        f"listen relay\n  bind 127.0.0.1:PORT\n  server target 127.0.0.1:{target}\n",
        *("-db", "-f"),
    )


@contextlib.contextmanager
def ssh(target):
    """ssh -L through a sshd of our own."""
    port, sshd_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as place:
        for name in ("host_key", "key"):
            output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{place}/{name}")
        Path(f"{place}/config").write_text(
            f"HostKey {place}/host_key\nAuthorizedKeysFile {place}/key.pub\nStrictModes no\n"
            f"UsePAM no\nPidFile none\nPermitRootLogin yes\n"
            f"ListenAddress 127.0.0.1\nPort {sshd_port}\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        options = ["-F", "none", "-i", f"{place}/key", "-o", "StrictHostKeyChecking=no"]
        options += ["-o", "UserKnownHostsFile=/dev/null", "-p", sshd_port, "-l", getpass.getuser()]
        with running(shutil.which("sshd"), "-D", "-f", f"{place}/config") as sshd:
            wait_for(sshd_port, sshd)
            with running(
                "ssh", *options, "-N", "-L", f"{port}:127.0.0.1:{target}", "127.0.0.1"
            ) as client:
                wait_for(port, client)
                yield port


def stream(way):
    """One stream of iperf3, 2 seconds, by this way: what has arrived at its far end."""

    def measure():
        target = free_port()
        with running("iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", target) as server:
            wait_for(target, server)
            with way(target) as port:
                report = json.loads(output("iperf3", "-J", "-c", "127.0.0.1", "-p", port, "-t", 2))
                return {"bits_per_second": report["end"]["sum_received"]["bits_per_second"]}

    return measure


def idle_relays(count=1000):
    """Resident memory of a forward with so many connections, each of which has been of use."""
    with socket.create_server(("127.0.0.1", 0), backlog=count) as target:
        listen = f"0:127.0.0.1:{target.getsockname()[1]}"
        with running(*ours("tcp/forward", listen)) as process:
            port = int(where("tcp/forward").rpartition(":")[2])
            pairs = []
            for _ in range(count):
                pairs.append(
                    (socket.create_connection(("127.0.0.1", port)), target.accept()[0])
                )
                pairs[-1][0].sendall(b"x" * 1000)
            for _, far in pairs:
                far.recv(1000, socket.MSG_WAITALL)
            taken = resident(process)
            for near, far in pairs:
                near.close(), far.close()
    return {"mebibytes": taken / 2**20}


def forward_rows():
    for name, goal, way in (
        ("socat -b65536", 1.2, socat),
        ("ssh -L", 3.0, ssh),
        ("HAProxy with splice", 1.5, haproxy),
        ("no relay", 0.8, no_relay),
    ):
        figures = [Figure("bits_per_second", goal)]
        name = f"tcp/forward: one stream, against {name}"
        yield Row(name, figures, stream(forward), stream(way))
    name = "tcp/forward: 1,000 idle relays, MiB resident"
    yield Row(name, [Figure("mebibytes", 20.0, less_is_better=True)], idle_relays)


# ---- tcp/web


# For wrk: looks at every body; the first that is wrong ends the run with status 1.
LOOK = """
local file = io.open(os.getenv("BODY"), "rb")
local wanted = file:read("*a")
function response(status, headers, body)
    if status ~= 200 or body ~= wanted then
        io.stderr:write(status, " ", #body, " bytes\\n")
        os.exit(1)
    end
end
"""


def wrk(port, connections, *more, **options):
    """Connections kept alive, 2 seconds."""
    url = f"http://127.0.0.1:{port}/static/2k.html"
    text = output("wrk", "-t1", f"-c{connections}", "-d2s", "--latency", *more, url, **options)
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    number, scale = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return {
        "requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "p99_us": float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[scale],
    }


def web_rows():
    site = BENCH / "site"
    (site / "static").mkdir(parents=True, exist_ok=True)
    (site / "static/2k.html").write_bytes(b"0123456789abcde\n" * 128)
    (BENCH / "look.lua").write_text(LOOK)

    @contextlib.contextmanager
    def mine():
        with serving(*ours("tcp/web", "-d", site / "static", "0")) as port:
            yield port

    # Without a log, which ours writes: to their advantage.
    def nginx():
        return set_up(
            "nginx",
            f"worker_processes 1; daemon off; pid {BENCH}/nginx.pid; error_log stderr;\n"
            "events { worker_connections 4096; }\n"
            "http { include /etc/nginx/mime.types; access_log off; sendfile on; tcp_nopush on;\n"
            "  keepalive_requests 1000000000;\n"
            f"  server {{ listen 127.0.0.1:PORT; root {site}; }} }}\n",
            *("-e", "stderr", "-c"),
        )

    def lighttpd():
        return set_up(
            "lighttpd",
            f'server.document-root = "{site}"\nserver.bind = "127.0.0.1"\nserver.port = PORT\n'
            "server.max-fds = 8192\nserver.max-connections = 4096\n"
            "server.max-keep-alive-requests = 65535\n"  # the most that it takes
            'mimetype.assign = (".html" => "text/html")\n',
            *("-D", "-f"),
        )

    def measured(server, connections, looked_at=[]):
        def measure():
            with server() as port:
                if (server, connections) not in looked_at:
                    looked_at.append((server, connections))
                    script = ["-s", BENCH / "look.lua"]
                    wrk(port, connections, *script,
                        env=dict(os.environ, BODY=str(site / "static/2k.html")))
                return wrk(port, connections)

        return measure

    for name, server in (("nginx", nginx), ("lighttpd", lighttpd)):
        for connections in (50, 1000):
            yield Row(
                f"tcp/web: 2 KB file, {connections} connections, against {name}",
                [Figure("requests_per_second", 1.0), soon()],
                measured(mine, connections),
                measured(server, connections),
            )


# ---- unix_domain


def unix_rows():
    path = BENCH / "bench.sock"

    def at_path(work):
        command = ours("unix_domain/stream_server", path)
        with running(*command, ready=r"listening on (.*)") as address:
            return tool("unix_load", work, address, 1)

    def over_tcp(work):
        with serving(*ours("echo/poll")) as port:
            return tool("unix_load", work, port, 1)

    for work, key in (("ping", "lines_per_second"), ("bulk", "bytes_per_second")):
        name = f"unix_domain/stream_server: {work}, against echo/poll over TCP"
        sides = [lambda work=work, way=way: way(work) for way in (at_path, over_tcp)]
        yield Row(name, [Figure(key, 1.0)], *sides)


# ---- ntp


def ntp_rows():
    """Server and clients have one clock: the true offset is 0, and what is reported is the
    error."""

    @contextlib.contextmanager
    def chronyd():
        port = free_port()
        with tempfile.TemporaryDirectory() as place:
            Path(f"{place}/conf").write_text(
                f"local stratum 3\nallow\nport {port}\ncmdport 0\n"
                f"bindaddress 127.0.0.1\nbindaddress ::1\npidfile {place}/pid\nbindcmdaddress /\n"
            )
            # -x: sets no clock.
            words = ["chronyd", "-x", "-U", "-d", "-u", getpass.getuser(), "-f", f"{place}/conf"]
            with running(*words):
                ask = ours("ntp/client", "-n", 1, "-w", 0.1, "-p", port)
                while any(
                    subprocess.run([*map(str, ask), h], capture_output=True).returncode
                    for h in HOSTS
                ):
                    time.sleep(0.01)
                yield place, port

    def error(pattern, text):
        return abs(float(re.search(pattern, text)[1])) * 1e6

    def both(host, who):
        def measure():
            with chronyd() as (place, port):
                if who == "ours":
                    words = ours("ntp/client", "-n", 8, "-i", 0, "-p", port, host)
                    errors = [error(r"offset (\S+) s", output(*words)) for _ in range(5)]
                else:
                    source = f"server {host} port {port} iburst "
                    source += "minpoll -6 maxpoll -6 minsamples 8 maxsamples 8"
                    words = [
                        "chronyd",
                        "-Q",
                        "-U",
                        "-t",
                        10,
                        "-u",
                        getpass.getuser(),
                        "-f",
                        "/dev/null",
                    ]
                    words += [source, f"pidfile {place}/Q"]
                    errors = [error(r"wrong by (\S+) seconds", quiet(words)) for _ in range(5)]
                return {"error_us": statistics.median(errors)}

        return measure

    def quiet(words):
        result = subprocess.run(
            list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return result.stdout

    HOSTS = ("127.0.0.1", "::1")
    for host in HOSTS:
        name = f"ntp/client: error of the offset in us, chronyd at {host}, against chronyd -Q"
        figures = [Figure("error_us", 1.0, less_is_better=True)]
        yield Row(name, figures, both(host, "ours"), both(host, "chronyd"))


# ---- what an idle client costs, and how long things take


def resident(process):
    """Bytes of its memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


def idle_clients(program, count, line, answer, *arguments):
    """Memory that so many clients add, each of whom has said a line and heard the answer: bytes a
    client. The first hundred have made room for what is needed once."""
    path = BENCH / "idle.sock"
    is_unix = program.startswith("unix_domain")

    def visitor(address):
        client = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        client.connect(address)
        client.sendall(line)
        heard = b""
        while answer not in heard:
            heard += client.recv(65536)
        return client

    def measure():
        words = ours(program, *arguments, path if is_unix else "0")
        with running(*words) as process:
            port = where(program).rpartition(":")[2]
            address = str(path) if is_unix else ("127.0.0.1", int(port))
            clients = [visitor(address) for _ in range(100)]
            before = resident(process)
            clients += [visitor(address) for _ in range(count - len(clients))]
            each = (resident(process) - before) / (count - 100)
            for client in clients:
                client.close()
        return {"bytes": each}

    return measure


def seconds(*command, ready=None, cwd=ROOT):
    """How long a command runs; with `ready`, until it says so."""
    began = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if ready else subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        start_new_session=True,
    )
    if ready:
        while ready not in (line := process.stderr.readline()):
            if not line:
                sys.exit(f"{command} does not say {ready!r}")
        took = time.monotonic() - began
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        return {"seconds": took}
    if process.wait() != 0:
        sys.exit(f"{command}: status {process.returncode}")
    return {"seconds": time.monotonic() - began}


def whole_rows():
    said = (b"hello\n", "le serveur répond : hello\n".encode())
    get = (b"GET /static/2k.html HTTP/1.1\r\nHost: a\r\n\r\n", b"0123456789abcde\n" * 128)
    for program, count, *talk in (
        ("echo/poll", 9000, *said),
        ("echo/generations", 9000, *said),
        ("unix_domain/stream_server", 9000, *said),
        ("tcp/commands", 9000, b"hello\n", b"hello\n"),
        ("tcp/web", 9000, *get, "-d", BENCH / "site/static"),
        ("broadcast/server", 900, b"hello\n", b"hello\n"),
    ):
        yield Row(
            f"{program}: {count} idle clients, bytes of its memory for each",
            [Figure("bytes", 512, less_is_better=True)],
            idle_clients(program, count, *talk),
            rounds=1,  # it is the same each time
        )

    def starts(*command):
        def measure():
            began = time.monotonic()
            for _ in range(100):
                output(*command)
            return {"milliseconds": (time.monotonic() - began) * 10}

        return measure

    yield Row(
        "tcp/lookup: from start to end, ms, against getent",
        [Figure("milliseconds", less_is_better=True)],
        starts(*ours("tcp/lookup", "localhost")),
        starts("getent", "ahosts", "localhost"),
    )

    def from_a_clone(*command, ready=None):
        def measure():
            clone = BENCH / "clone"
            shutil.rmtree(clone, ignore_errors=True)
            output("git", "clone", "-q", ROOT, clone)
            return seconds(*command, ready=ready, cwd=clone)

        return measure

    for target, most, ready, rounds in (
        ("run", 3, "listening on", None),
        ("all", 15, None, None),
        ("test", 180, None, 1),
    ):
        yield Row(
            f"make/{target}: from a clone, seconds",
            [Figure("seconds", most, less_is_better=True)],
            from_a_clone("make", target, ready=ready),
            rounds=rounds,
        )


ROWS = [whole_rows, echo_rows, broadcast_rows, forward_rows, web_rows, unix_rows, ntp_rows]
