"""The rows of the benchmark: what is measured, against which peer, and the goal of DESIGN."""

import contextlib
import getpass
import json
import os
import re
import resource
import shutil
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
class Row:
    """Each side is measured by a call that gives a dict; `key` is the figure in it that counts."""

    name: str
    # How many times as good as the peer ours is to be; without a peer, the most that ours may take.
    goal: float | None
    key: str
    ours: Callable[[], dict]
    peer: Callable[[], dict] | None = None
    less_is_better: bool = False


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


def tool(name, *arguments):
    """One run of a load generator, which checks every byte: the JSON that it prints."""
    return json.loads(output(TOOLS / name, *arguments))


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


def ours(program, *arguments):
    return [BUILD / program, *(arguments or ["0"])]


# ---- echo

ASIO = [TOOLS / "echo_asio", "0"]
NODE = ["node", ROOT / "tests/peers/echo.mjs", "0"]
PAGE = (
    'system:echo "Le serveur écoute."; while read LINE; do echo "le serveur répond : $LINE"; done'
)
SOCAT = ["socat", "-dd", "tcp-listen:0,bind=127.0.0.1,fork,reuseaddr,backlog=128", PAGE]


def echo_load(command, clients, in_flight=1, seconds=1, idle=0, warm_up=0.1):
    def measure():
        with serving(*command) as port:
            return tool("echo_load", port, clients, in_flight, seconds, idle, warm_up)

    return measure


def echo_rows():
    def row(name, goal, mine, peer, *load):
        return Row(
            name, goal, "lines_per_second", echo_load(ours(mine), *load), echo_load(peer, *load)
        )

    for in_flight in (1, 16):
        for clients in (1, 50, 500, 5000):
            who = "1 client" if clients == 1 else f"{clients} clients"
            name = f"echo/poll: {who}, {in_flight} in flight, against Asio"
            yield row(name, 1.0, "echo/poll", ASIO, clients, in_flight)
    yield row("echo/poll: 50 clients, against Node", None, "echo/poll", NODE, 50)
    yield row("echo/poll: 50 clients, against the course page's socat", 5.0, "echo/poll", SOCAT, 50)
    for idle, goal in ((9000, 0.95), (0, 1.0)):
        name = f"echo/generations: 50 busy beside {idle} idle, against Asio"
        yield row(name, goal, "echo/generations", ASIO, 50, 1, 2, idle, 3)


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
        yield Row(name, 20.0, "deliveries_per_second", mine, rate(peer, clients, senders, 300_000))


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
            log = BENCH / "forward.log"
            while not (found := re.search(r"listening on .*:(\d+)", log.read_text())):
                time.sleep(0.01)
            pairs = []
            for _ in range(count):
                pairs.append(
                    (socket.create_connection(("127.0.0.1", int(found[1]))), target.accept()[0])
                )
                pairs[-1][0].sendall(b"x" * 1000)
            for _, far in pairs:
                far.recv(1000, socket.MSG_WAITALL)
            resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            for near, far in pairs:
                near.close(), far.close()
    return {"mebibytes": int(resident[1]) / 1024}


def forward_rows():
    for name, goal, way in (
        ("socat -b65536", 1.2, socat),
        ("ssh -L", 3.0, ssh),
        ("no relay", 0.8, no_relay),
    ):
        yield Row(
            f"tcp/forward: one stream, against {name}",
            goal,
            "bits_per_second",
            stream(forward),
            stream(way),
        )
    yield Row(
        "tcp/forward: 1,000 idle relays, MiB resident",
        20.0,
        "mebibytes",
        idle_relays,
        less_is_better=True,
    )


# ---- tcp/web


def wrk(port):
    """50 connections kept alive, 2 seconds. Everything must be 200, and of the length of the file
    and its head."""
    text = output(
        "wrk", "-t1", "-c50", "-d2s", "--latency", f"http://127.0.0.1:{port}/static/2k.html"
    )
    requests = int(re.search(r"(\d+) requests in", text)[1])
    size, unit = re.search(r"([\d.]+)([KMG])B read", text).groups()
    each = float(size) * 1024 ** (1 + "KMG".index(unit)) / requests
    if "Non-2xx" in text or "Socket errors" in text or not 2048 + 100 < each < 2048 + 500:
        sys.exit(text)
    number, scale = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    p99 = float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[scale]
    return {
        "requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "p99_us": p99,
    }


def web_rows():
    site = BENCH / "site"
    (site / "static").mkdir(parents=True, exist_ok=True)
    (site / "static/2k.html").write_bytes(b"0123456789abcde\n" * 128)

    def mine():
        with serving(*ours("tcp/web", "-d", site / "static", "0")) as port:
            return wrk(port)

    def nginx():
        port = free_port()
        conf = BENCH / "nginx.conf"
        # Without a log, which ours writes: to its advantage.
        conf.write_text(
            f"worker_processes 1; daemon off; pid {BENCH}/nginx.pid; error_log stderr;\n"
            "events { worker_connections 1024; }\n"
            "http { include /etc/nginx/mime.types; access_log off; sendfile on; tcp_nopush on;\n"
            f"  keepalive_requests 1000000000;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {site}; }} }}\n"
        )
        with running("nginx", "-e", "stderr", "-c", conf) as process:
            wait_for(port, process)
            return wrk(port)

    yield Row(
        "tcp/web: 2 KB file, 50 connections, against nginx", 1.0, "requests_per_second", mine, nginx
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
        yield Row(name, 1.0, key, lambda work=work: at_path(work), lambda work=work: over_tcp(work))


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
        yield Row(
            name, 1.0, "error_us", both(host, "ours"), both(host, "chronyd"), less_is_better=True
        )


ROWS = [echo_rows, broadcast_rows, forward_rows, web_rows, unix_rows, ntp_rows]
