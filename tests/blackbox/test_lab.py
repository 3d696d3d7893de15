"""The lab itself, and the course page's routes through it: with tcp/forward, and with OpenSSH."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from subprocess import PIPE

import pytest
from console import ENVIRONMENT
from harness import PATIENCE, ROOT, eventually, is_listening, peer, receive, receive_all
from lab import LAB, LAB_TOOLS, firewall, in_the_lab, needs_the_lab, on
from unix_sockets import copy_for_all
from wants import AS_NOBODY, has_ipv6, needs_ipv6, needs_root, proc

pytestmark = pytest.mark.thorough

MACHINES = ["so-high", "ovh", "sas1", "roucas101"]
NEIGHBOURS = list(zip(MACHINES, MACHINES[1:])) + list(zip(MACHINES[1:], MACHINES))


def output(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, **options).stdout


# ---- The network ---------------------------------------------------------------------------------


@in_the_lab
def test_each_machine_sees_its_neighbours_and_nobody_else():
    for one in MACHINES:
        for other in MACHINES:
            for prefix in ("", "ip6-") if has_ipv6() else ("",):
                seen = (
                    on(one, "tcp/probe", "-w", "1", prefix + other, 9)
                    .stdout.split(maxsplit=1)[1]
                    .strip()
                )
                near = one == other or (one, other) in NEIGHBOURS
                assert seen == ("closed" if near else "rejected (Network is unreachable)"), (
                    one,
                    prefix + other,
                )


@in_the_lab
def test_nobody_forwards_packets():
    """Even when so-high is told that ovh is the way to sas1."""
    subprocess.run(["ip", "route", "add", "10.0.0.3", "via", "10.0.0.2"], check=True)
    subprocess.run(["on", "sas1", "ip", "route", "add", "10.0.0.1", "via", "10.0.0.2"], check=True)
    assert on("so-high", "tcp/probe", "-w", "0.3", "sas1", 9).stdout == "10.0.0.3:9 filtered\n"


@in_the_lab
def test_a_machine_has_its_name_and_its_own_ports(start):
    assert output("hostname") == "so-high\n"
    for machine in MACHINES:
        assert output("on", machine, "hostname") == machine + "\n"
        start("tcp/netcat", "-l", "127.0.0.1", 9090, stdin=PIPE, under=["on", machine])


@in_the_lab
def test_the_pages_names_resolve():
    for name, address in (
        ("roucas101.etu", "10.0.0.4"),
        ("sas1.ec-m.fr", "10.0.0.3"),
        ("ovh", "10.0.0.2"),
    ):
        assert socket.gethostbyname(name) == address
    assert {found[4][0] for found in socket.getaddrinfo("localhost", 9)} == {"::1", "127.0.0.1"}


@in_the_lab
def test_the_firewall_stands_between_the_machines():
    """A machine's own loopback passes it, and it is raised for one port, on one machine."""
    firewall("sas1", "drop", 9)
    assert (
        on("ovh", "tcp/probe", "-w", "0.3", "sas1", 9, 10).stdout
        == "10.0.0.3:9 filtered\n10.0.0.3:10 closed\n"
    )
    assert on("sas1", "tcp/probe", "-w", "0.3", "sas1", 9).stdout == "10.0.0.3:9 closed\n"
    assert on("sas1", "tcp/probe", "-w", "0.3", "roucas101", 9).stdout == "10.0.0.4:9 closed\n"


@in_the_lab
def test_the_firewall_stops_the_syn_and_not_the_conversation(start):
    server = start(
        "tcp/netcat", "-l", "-k", "ovh", 9090, stdin=PIPE, stdout=PIPE, under=["on", "ovh"]
    )
    with socket.create_connection(("ovh", 9090), PATIENCE) as client:
        firewall("ovh", "drop", 9090)
        client.sendall(b"toujours la\n")
        assert server.process.stdout.readline() == b"toujours la\n"
        assert (
            on("so-high", "tcp/probe", "-w", "0.3", "ovh", 9090).stdout
            == "10.0.0.2:9090 filtered\n"
        )


@in_the_lab
def test_the_firewall_may_stand_on_the_way_out(start):
    """Of what goes from this machine to another one's port, and of nothing else: a client sees no
    difference to the far firewall."""
    start("tcp/netcat", "-l", "-k", "ovh", 9090, stdin=PIPE, stdout=PIPE, under=["on", "ovh"])
    start("tcp/netcat", "-l", "-k", "so-high", 9090, stdin=PIPE, stdout=PIPE)
    probe = ("tcp/probe", "-w", "0.3")
    firewall("so-high", "drop", 9090, "out")
    assert (
        on("so-high", *probe, "ovh", 9090, 9).stdout
        == "10.0.0.2:9090 filtered\n10.0.0.2:9 closed\n"
    )
    assert on("so-high", *probe, "so-high", 9090).stdout == "10.0.0.1:9090 open\n"
    assert on("sas1", *probe, "ovh", 9090).stdout == "10.0.0.2:9090 open\n"
    assert on("ovh", *probe, "so-high", 9090).stdout == "10.0.0.1:9090 open\n"
    firewall("so-high", "reject", 9090, "out")
    assert (
        on("so-high", *probe, "ovh", 9090).stdout == "10.0.0.2:9090 rejected (port unreachable)\n"
    )
    firewall("so-high", "open", 9090)  # inwards, where it is open
    assert (
        on("so-high", *probe, "ovh", 9090).stdout == "10.0.0.2:9090 rejected (port unreachable)\n"
    )
    firewall("so-high", "open", 9090, "out")
    assert on("so-high", *probe, "ovh", 9090).stdout == "10.0.0.2:9090 open\n"


@in_the_lab
def test_on_is_the_command_in_status_and_for_signals():
    assert subprocess.run(["on", "sas1", "sh", "-c", "exit 9"]).returncode == 9
    sleeper = subprocess.Popen(["on", "sas1", "sleep", "100"])
    eventually(lambda: b"sleep\x00100" in proc(sleeper.pid, "cmdline").read_bytes())
    sleeper.terminate()
    assert sleeper.wait(PATIENCE) == -signal.SIGTERM


@in_the_lab
def test_bad_usage_in_the_lab_names_the_machines():
    for words in ("on", "on mars true", "firewall", "firewall sas1 close 9", "firewall mars drop 9",
                  "firewall sas1 drop http", "firewall sas1 drop 9 up"):  # fmt: skip
        result = subprocess.run(words.split(), capture_output=True, text=True)
        assert result.returncode == 2
        assert f"usage: {words.split()[0]} " in result.stderr
        assert "so-high ovh sas1 roucas101" in result.stderr


# ---- From outside --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[LAB], ["make", "-s", "-o", "build/flags", "lab"]])
def test_it_opens_a_shell_on_so_high(words):
    needs_the_lab()  # -o: whatever the programs were built with, they are not built again
    typed = "hostname\non sas1 hostname\nfalse\n"
    result = subprocess.run(
        words,
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    assert (result.returncode, result.stdout) == (0, "so-high\nsas1\n")


def test_a_commands_status_is_the_labs():
    needs_the_lab()
    assert subprocess.run([LAB, "sh", "-c", "exit 9"], timeout=PATIENCE).returncode == 9


def running(mark):
    """The processes that have `mark` among their arguments, seen from outside."""
    found = []
    for cmdline in proc().glob("[0-9]*/cmdline"):
        try:
            found += [cmdline] if mark.encode() in cmdline.read_bytes().split(b"\0") else []
        except OSError:
            pass
    return found


@pytest.mark.parametrize("killed", [False, True])
def test_it_leaves_nothing_behind(killed):
    needs_the_lab()
    before = output("ip", "netns"), output("ip", "-br", "link"), proc("mounts").read_text()
    mark = f"86400.{os.getpid()}{int(killed)}"
    lab = subprocess.Popen(
        [LAB, "sh", "-c", f"on roucas101 sleep {mark} & sleep {mark} & read _"], stdin=PIPE
    )
    eventually(lambda: len(running(mark)) == 2)
    lab.kill() if killed else lab.stdin.close()
    lab.wait(PATIENCE)
    eventually(lambda: not running(mark))
    assert (
        output("ip", "netns"),
        output("ip", "-br", "link"),
        proc("mounts").read_text(),
    ) == before


def test_an_ordinary_user_can_open_it(place):
    needs_the_lab()
    if os.getuid() != 0:
        pytest.skip("we are one: every other test here shows it")
    needs_root()
    words = ["unshare", "--user", "--map-root-user", "true"]
    if subprocess.run(words, capture_output=True, **AS_NOBODY).returncode != 0:
        pytest.skip("this system lets only root make namespaces")
    lab, probe = copy_for_all(LAB, place), copy_for_all("tcp/probe", place)
    result = subprocess.run([lab, "sh", "-c", f"firewall ovh reject 9; {probe} ovh 9"],
                            capture_output=True, text=True, timeout=PATIENCE, cwd="/",
                            **AS_NOBODY)  # fmt: skip
    assert result.stdout == "10.0.0.2:9 rejected (port unreachable)\n", result.stderr


def test_where_namespaces_are_forbidden_it_says_what_to_run(tmp_path):
    for name in LAB_TOOLS:
        peer(name)
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    result = subprocess.run(
        [LAB, "true"], capture_output=True, text=True, env={"PATH": path}, timeout=PATIENCE
    )
    assert result.returncode == 1
    assert "sudo make lab" in result.stderr


# ---- The page's routes: roucas101's port 9090, which nobody else sees, on so-high ----------------


def service(start, stdin=PIPE):
    """`nc -l -p 9090 127.0.0.1` on roucas101, by tcp/netcat."""
    server = start(
        "tcp/netcat",
        "-l",
        "-p",
        9090,
        "127.0.0.1",
        under=["on", "roucas101"],
        stdin=stdin,
        stdout=PIPE,
    )
    assert on("sas1", "tcp/probe", "roucas101", 9090).stdout == "10.0.0.4:9090 closed\n"
    return server


def converse(server):
    """Talks from so-high's port 9090 to the service and back, to both ends."""
    with socket.create_connection(("127.0.0.1", 9090), PATIENCE) as client:
        client.sendall(b"de so-high\n")
        assert server.process.stdout.readline() == b"de so-high\n"
        server.process.stdin.write(b"de roucas101\n")
        server.process.stdin.flush()
        assert receive(client, 13) == b"de roucas101\n"
        client.shutdown(socket.SHUT_WR)
        assert server.process.stdout.read() == b""
        server.process.stdin.write(b"au revoir\n")
        server.process.stdin.close()
        assert receive_all(client) == b"au revoir\n"
    assert server.wait() == 0


@in_the_lab
def test_the_route_with_forward_on_each_machine(start):
    server = service(start)
    for machine, spec in (
        ("roucas101", "roucas101:9090:localhost:9090"),
        ("sas1", "sas1:9090:roucas101:9090"),
        ("ovh", "ovh:9090:sas1.ec-m.fr:9090"),
        ("so-high", "9090:ovh:9090"),
    ):
        start("tcp/forward", "-L", spec, under=["on", machine])
    converse(server)


@in_the_lab
def test_netcat_and_forward_try_each_address(start):
    """localhost is ::1, where nobody listens, then 127.0.0.1."""
    server = service(start, stdin=subprocess.DEVNULL)
    start("tcp/forward", "roucas101:9090:localhost:9090", under=["on", "roucas101"])
    start("tcp/forward", "9090:roucas101:9090", under=["on", "sas1"])
    result = on("sas1", "tcp/netcat", "localhost", 9090, input="par deux localhost\n")
    assert (result.returncode, result.stderr) == (0, "")
    assert server.process.stdout.read() == b"par deux localhost\n"


@in_the_lab
@pytest.mark.alone
def test_w_shares_its_seconds_out_among_the_addresses(start):
    """The first address is filtered, the second one open: it is reached within -w."""
    needs_ipv6()
    with open("/etc/hosts", "a") as hosts:
        hosts.write("10.0.0.4 two\nfd00::4 two\n")
    first = socket.getaddrinfo("two", 9090)[0][0]
    family = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}[first]
    rule = f"add rule inet firewall input meta nfproto {family} tcp dport 9090 drop"
    subprocess.run(["on", "roucas101", "nft", rule], check=True)
    server = start(
        "tcp/netcat",
        "-l",
        "::",
        9090,
        under=["on", "roucas101"],
        stdin=subprocess.DEVNULL,
        stdout=PIPE,
    )
    began = time.monotonic()
    result = on("sas1", "tcp/netcat", "-w", "4", "two", 9090, input="par la seconde\n")
    assert (result.returncode, result.stderr) == (0, "")
    assert time.monotonic() - began < 4
    assert server.process.stdout.read() == b"par la seconde\n"


def typed(command, listens_on):
    """Types an ssh command at a terminal that stays open, until its end of the tunnel listens."""
    peer("ssh")
    peer("sshd")
    process = subprocess.Popen(["sh", "-c", "exec " + command], stdin=PIPE, stdout=PIPE)
    eventually(lambda: process.poll() is not None or is_listening(listens_on))
    assert process.poll() is None
    return process


def end(*terminals):
    for terminal in terminals:
        terminal.terminate()
        terminal.communicate(timeout=PATIENCE)


@in_the_lab
def test_the_pages_two_redirections_as_they_stand_on_the_page(start):
    server = service(start)
    first = typed("ssh -L4000:roucas101.etu:22 fbrucker@sas1.ec-m.fr", 4000)
    first.stdin.write(b"hostname\n")
    first.stdin.flush()
    assert first.stdout.readline() == b"sas1\n"
    assert output("sh", "-c", "ssh -p4000 fbrucker@localhost hostname") == "roucas101\n"
    second = typed("ssh -L9090:localhost:9090 -p4000 fbrucker@localhost", 9090)
    second.stdin.write(b"hostname; id -un\n")
    second.stdin.flush()
    assert [second.stdout.readline() for _ in range(2)] == [b"roucas101\n", b"fbrucker\n"]
    converse(server)
    end(second, first)


@in_the_lab
def test_the_same_route_in_one_command(start):
    server = service(start)
    hops = "ssh -J fbrucker@ovh,fbrucker@sas1.ec-m.fr -L9090:localhost:9090 fbrucker@roucas101.etu"
    terminal = typed(hops, 9090)
    converse(server)
    end(terminal)


@in_the_lab
def test_openssh_through_forward_on_every_hop(start):
    """ssh to roucas101 itself, along a chain of forwards."""
    peer("ssh")
    peer("sshd")
    start("tcp/forward", "sas1:4000:roucas101:22", under=["on", "sas1"])
    start("tcp/forward", "ovh:4000:sas1:4000", under=["on", "ovh"])
    start("tcp/forward", "4000:ovh:4000")
    big = os.urandom(1 << 20)
    words = ["ssh", "-p4000", "fbrucker@localhost", "hostname; wc -c"]
    result = subprocess.run(words, input=big, capture_output=True, timeout=PATIENCE)
    assert result.stdout.split() == [b"roucas101", b"1048576"], result.stderr
