"""tcp/probe: open, closed, filtered, rejected; on loopback, and in the lab against a real
firewall."""

import resource
import socket
import subprocess

import pytest
from harness import PATIENCE, binary, free_port, needs_plain_build, reset, run, strace
from lab import firewall, in_the_lab, on
from networks import ONE_PORT, with_one_port
from wants import full_disk, has_ipv6, needs_hosts, needs_ipv6, read_by_nobody

PROBE = "tcp/probe"


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def port_of(listener):
    return listener.getsockname()[1]


def test_open(server):
    result = run(PROBE, "127.0.0.1", port_of(server))
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        f"127.0.0.1:{port_of(server)} open\n",
        "",
    )


def test_a_verdict_that_cannot_be_written_is_said(server):
    with full_disk() as full:
        words = [binary(PROBE), "127.0.0.1", str(port_of(server))]
        result = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    assert (result.returncode, result.stderr) == (1, "tcp/probe: write: No space left on device\n")


def test_a_verdict_that_nobody_reads_is_said(server):
    words = [binary(PROBE), "127.0.0.1", str(port_of(server))]
    with read_by_nobody() as output:
        result = subprocess.run(
            words, stdout=output, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    assert (result.returncode, result.stderr) == (1, "tcp/probe: write: Broken pipe\n")


def test_who_wants_the_status_only_may_close_standard_output(server):
    words = ["sh", "-c", f'"$0" 127.0.0.1 {port_of(server)} >&-', binary(PROBE)]
    result = subprocess.run(words, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stderr) == (0, "")


def test_closed():
    port = free_port()
    result = run(PROBE, "127.0.0.1", port)
    assert (result.returncode, result.stdout, result.stderr) == (
        1,
        f"127.0.0.1:{port} closed\n",
        "",
    )


@with_one_port
def test_a_connection_of_the_socket_with_itself_is_closed():
    """It connects from the port that it connects to, and nobody listens there. Nothing of it stays
    behind: the next one can do the same."""
    for address, shown in [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")][: 1 + has_ipv6()] * 2:
        result = run(PROBE, address, ONE_PORT)
        assert (result.returncode, result.stdout) == (1, f"{shown}:{ONE_PORT} closed\n")


@pytest.mark.parametrize("says_its_end", [False, True])
def test_a_server_that_hangs_up_at_once_is_open(server, says_its_end):
    """What a client sees: a connection, perhaps its end, and then its reset."""
    words = strace("connect", "connect:delay_exit=300000")
    probe = subprocess.Popen([*words, binary(PROBE), "127.0.0.1", str(port_of(server))],
                             stdout=subprocess.PIPE, text=True,
                             env={"ASAN_OPTIONS": "detect_leaks=0"})  # fmt: skip
    connection = server.accept()[0]
    if says_its_end:
        connection.shutdown(socket.SHUT_WR)
    reset(connection)
    assert probe.communicate(timeout=30)[0] == f"127.0.0.1:{port_of(server)} open\n"
    assert probe.returncode == 0


def test_filtered(deaf):
    result = run(PROBE, "-w", "0.2", *deaf)
    assert (result.returncode, result.stdout, result.stderr) == (
        1,
        f"127.0.0.1:{deaf[1]} filtered\n",
        "",
    )


def test_several_ports_in_the_order_asked(server, deaf):
    port = free_port()
    result = run(PROBE, "-w", "0.2", *deaf, port_of(server), port, port_of(server))
    assert result.stdout == (
        f"127.0.0.1:{deaf[1]} filtered\n127.0.0.1:{port_of(server)} open\n"
        f"127.0.0.1:{port} closed\n127.0.0.1:{port_of(server)} open\n"
    )
    assert result.returncode == 1


def test_all_open_is_status_0(server):
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert run(PROBE, "127.0.0.1", port_of(server), port_of(other)).returncode == 0


def test_all_are_tried_at_once(deaf):
    """Twenty filtered ports take as long as one: measured by the deadline of a subprocess, far
    below twenty."""
    result = subprocess.run([binary(PROBE), "-w", "1", "127.0.0.1", *[str(deaf[1])] * 20],
                            capture_output=True, text=True, timeout=10)  # fmt: skip
    assert result.stdout == f"127.0.0.1:{deaf[1]} filtered\n" * 20


def test_ipv6():
    needs_ipv6()
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        result = run(PROBE, "::1", port_of(listener))
        assert (result.returncode, result.stdout) == (0, f"[::1]:{port_of(listener)} open\n")


def test_a_name_is_resolved(server):
    needs_hosts()
    result = run(PROBE, "localhost", port_of(server))
    assert (result.returncode, result.stdout) == (0, f"127.0.0.1:{port_of(server)} open\n")


def test_more_ports_than_descriptors(server):
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))  # noqa: E731
    ports = [port_of(server), free_port()] * 100
    result = run(PROBE, "127.0.0.1", *ports, preexec_fn=few)
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["open", "closed"] * 100


def test_no_way_there_is_said_by_our_own_system():
    result = run(PROBE, "255.255.255.255", 9)
    assert result.returncode == 1
    assert result.stdout.startswith("255.255.255.255:9 rejected (")


def test_an_unknown_host_is_one_line_and_status_1():
    result = run(PROBE, "nowhere.invalid", 9)
    assert (result.returncode, result.stdout) == (1, "")
    assert (
        result.stderr.startswith("tcp/probe: nowhere.invalid: ") and result.stderr.count("\n") == 1
    )


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "HOST or PORT is missing"),
        (["127.0.0.1"], "HOST or PORT is missing"),
        (["127.0.0.1", "80", "http"], "bad port: http"),
        (["127.0.0.1", "65536"], "bad port: 65536"),
        (["127.0.0.1", ""], "bad port: "),
        (["-w", "0", "127.0.0.1", "80"], "bad number of seconds: 0"),
        (["-w", "", "127.0.0.1", "80"], "bad number of seconds: "),
        (["-w", "1e3", "127.0.0.1", "80"], "bad number of seconds: 1e3"),
        (["-w"], "-w wants a value"),
        (["-p", "127.0.0.1", "80"], "unknown option -p"),
        (["-w", "--x", "-zq"], "bad number of seconds: --x"),
    ],
)
def test_bad_usage_says_what_is_wrong_and_the_usage(words, complaint):
    result = run(PROBE, *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"tcp/probe: {complaint}\nusage: tcp/probe ")


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_the_usage_on_standard_output(word):
    result = run(PROBE, word)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: tcp/probe ")


def probe_under(words, *args):
    return subprocess.run([*words, binary(PROBE), *map(str, args)], capture_output=True, text=True,
                          timeout=30, env={"ASAN_OPTIONS": "detect_leaks=0"})  # fmt: skip


@pytest.mark.parametrize(
    "fault",
    ["poll,ppoll:error=EINTR:when=1", "poll,ppoll:error=ENOMEM:when=1",
     "connect:error=EINTR:when=1", "socket:error=EMFILE:when=2"],
)  # fmt: skip
def test_what_passes_changes_nothing(server, deaf, fault):
    words = strace("poll,ppoll,connect,socket", fault)
    result = probe_under(words, "-w", "0.2", "127.0.0.1", port_of(server), deaf[1])
    assert result.stdout == f"127.0.0.1:{port_of(server)} open\n127.0.0.1:{deaf[1]} filtered\n"


@pytest.mark.parametrize(
    "call, error, text",
    [("connect", "ENETUNREACH", "Network is unreachable"),
     ("connect", "EACCES", "Permission denied"),
     ("socket", "EAFNOSUPPORT", "Address family not supported by protocol")],
)  # fmt: skip
def test_what_our_own_system_refuses_has_its_reason(server, call, error, text):
    result = probe_under(strace(call, f"{call}:error={error}:when=1"), "127.0.0.1", port_of(server))
    assert (result.returncode, result.stdout) == (
        1,
        f"127.0.0.1:{port_of(server)} rejected ({text})\n",
    )


def test_it_sleeps_while_it_waits(deaf):
    needs_plain_build(PROBE)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(PROBE, "-w", "0.5", *deaf)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.1


# ---- In the lab: sas1 looks at roucas101 ---------------------------------------------------------


# roucas101 by its names, and what they mean.
NAMES = [("roucas101", "10.0.0.4"), ("ip6-roucas101", "[fd00::4]")][: 2 if has_ipv6() else 1]


@in_the_lab
def test_what_a_real_firewall_does_is_seen(start):
    for name, address in NAMES:
        server = start(
            "tcp/netcat",
            "-l",
            "-k",
            name,
            9090,
            stdin=subprocess.DEVNULL,
            under=["on", "roucas101"],
        )
        for verdict, seen in (
            ("open", "open"),
            ("drop", "filtered"),
            ("reject", "rejected (port unreachable)"),  # ECONNREFUSED, as for closed
            ("open", "open"),
        ):
            firewall("roucas101", verdict, 9090)
            result = on("sas1", PROBE, "-w", "0.3", name, 9090)
            assert (result.stdout, result.returncode) == (
                f"{address}:9090 {seen}\n",
                0 if seen == "open" else 1,
            )
        server.stop()
        assert on("sas1", PROBE, name, 9090).stdout == f"{address}:9090 closed\n"


@in_the_lab
def test_each_way_to_reject_has_its_reason():
    reasons = {
        "with tcp reset": ("closed", "closed"),  # a RST is a RST, whoever sends it
        "with icmpx host-unreachable": (
            "rejected (host unreachable)",
            "rejected (address unreachable)",
        ),
        "with icmpx admin-prohibited": ("rejected (administratively prohibited)",) * 2,
        "with icmpx no-route": (
            "rejected (network unreachable)",
            "rejected (no route to destination)",
        ),
        "with icmpx port-unreachable": ("rejected (port unreachable)",) * 2,
    }
    for number, how in enumerate(reasons):
        rule = f"add rule inet firewall input tcp dport {number + 1} reject {how}"
        subprocess.run(["on", "roucas101", "nft", rule], check=True)
    ports = range(1, len(reasons) + 1)
    for which, (name, address) in enumerate(NAMES):
        expected = [
            f"{address}:{port} {seen[which]}" for port, seen in zip(ports, reasons.values())
        ]
        assert on("sas1", PROBE, name, *ports).stdout.splitlines() == expected


@in_the_lab
def test_no_route_is_not_filtered():
    result = on("so-high", PROBE, "roucas101", 9090)
    assert (result.returncode, result.stdout) == (
        1,
        "10.0.0.4:9090 rejected (Network is unreachable)\n",
    )


@in_the_lab
def test_a_name_with_several_addresses_is_open_if_one_of_them_is(start):
    """localhost is ::1 and 127.0.0.1 in the lab."""
    needs_ipv6()
    start("tcp/netcat", "-l", "-k", "127.0.0.1", 9090, stdin=subprocess.DEVNULL)
    assert on("so-high", PROBE, "localhost", 9090).stdout == "127.0.0.1:9090 open\n"
    assert on("so-high", PROBE, "localhost", 9091).stdout == "[::1]:9091 closed\n"
