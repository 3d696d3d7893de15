"""ntp/client: the report, the wire, each refusal; chronyd and ntpd; clocks moved across 2036."""

import contextlib
import datetime
import os
import re
import secrets
import shlex
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from harness import PATIENCE, binary, eventually, peer, run, strace
from ntp_server import (
    ANSWER,
    PROGRAM,
    FakeServer,
    answer,
    ask,
    packet,
    parse,
    report,
    seconds,
)
from networks import named
from wants import (
    full_disk,
    has_ipv6,
    needs_hosts,
    needs_ipv6,
    needs_namespace,
    needs_root,
    read_by_nobody,
)


@pytest.fixture
def fake():
    """fake(behave) -> a server that behaves so."""
    servers = []

    def fake(behave, **where):
        servers.append(FakeServer(behave, **where))
        return servers[-1]

    yield fake
    for server in servers:
        server.close()


def good(request, n):
    return [answer(request)]


def number(fields, key):
    """offset and delay as numbers."""
    return float(fields[key].removesuffix(" s"))


def date(fields):
    """The `time` line as a Unix time."""
    return datetime.datetime.fromisoformat(fields["time"].replace("Z", "+00:00")).timestamp()


def refused(result, reason):
    """It ended as one must that has no good answer: one line, status 1."""
    assert result.returncode == 1, result
    assert result.stdout == ""
    assert re.fullmatch(rf"ntp/client: .*{re.escape(reason)}\n", result.stderr), result.stderr


# ---- The report ----------------------------------------------------------------------------------


def test_the_report_is_a_key_and_a_value_a_line(fake):
    server = fake(good)
    assert re.fullmatch(
        rf"server 127\.0\.0\.1:{server.port}\n"
        r"stratum 2\n"
        r"leap 0\n"
        r"refid 192\.0\.2\.1\n"
        r"time \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\n"
        r"offset [+-]\d+\.\d{9} s\n"
        r"delay \+0\.\d{9} s\n"
        r"samples 4 of 4\n",
        ask(server).stdout,
    )


def test_an_ipv6_server_stands_in_brackets(fake):
    needs_ipv6()
    server = fake(good, host="::1")
    assert report(ask(server))["server"] == f"[::1]:{server.port}"


def test_a_clock_of_stratum_1_shows_its_kind(fake):
    server = fake(lambda request, n: [answer(request, stratum=1, refid=0x47505300)])
    assert report(ask(server))["refid"] == ".GPS."


def test_a_leap_second_is_announced(fake):
    server = fake(lambda request, n: [answer(request, first=ANSWER | 1 << 6)])
    assert report(ask(server))["leap"] == "1"


@pytest.mark.parametrize("ahead", [0, 3600, -3600, 0.25, 40 * 365 * 86400, -40 * 365 * 86400])
def test_the_offset_is_right_within_half_the_delay_and_the_date_is_the_servers(fake, ahead):
    server = fake(lambda request, n: [answer(request, ahead=ahead)])
    before = time.time()
    fields = report(ask(server))
    # 2 us more: what a float of so many seconds since 1900, of which the fake server makes its
    # timestamp, can hold.
    assert abs(number(fields, "offset") - ahead) <= number(fields, "delay") / 2 + 2e-6
    slack = number(fields, "delay") + 2e-6
    assert before - slack <= date(fields) - ahead <= time.time() + slack


@pytest.mark.alone
def test_what_the_server_takes_to_think_is_not_in_the_delay(fake):
    def behave(request, n):
        received = time.time()
        time.sleep(0.2)
        return [answer(request, receive=seconds(received))]

    fields = report(ask(fake(behave), "-n", 2))
    assert 0 <= number(fields, "delay") < 0.15
    assert abs(number(fields, "offset")) <= number(fields, "delay") / 2 + 2e-6


def test_the_sample_of_least_delay_wins(fake):
    def behave(request, n):  # each answer has an offset of its own; all but the third are late
        datagram = answer(request, ahead=1000 * n)
        if n != 2:
            time.sleep(0.1)
        return [datagram]

    fields = report(ask(fake(behave), "-n", 5))
    assert fields["samples"] == "5 of 5"
    assert abs(number(fields, "offset") - 2000) < 0.1


def test_a_delay_below_zero_is_no_small_delay(fake):
    # The first says that it took a minute to think, while we waited for no time at all.
    def behave(request, n):
        now = time.time()
        return [answer(request, transmit=seconds(now + 60)) if n == 0 else answer(request)]

    fields = report(ask(fake(behave), "-n", 2))
    assert 0 <= number(fields, "delay") < 1


def test_a_full_disk_is_said(fake):
    with full_disk() as full:
        result = subprocess.run(
            [binary(PROGRAM), "-n", "1", "-p", str(fake(good).port), "127.0.0.1"],
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert result.returncode == 1
    assert b"No space left on device" in result.stderr


def test_a_report_that_nobody_reads_is_said(fake):
    words = [binary(PROGRAM), "-n", "1", "-p", str(fake(good).port), "127.0.0.1"]
    with read_by_nobody() as output:
        result = subprocess.run(words, stdout=output, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (1, "ntp/client: write: Broken pipe\n")


def test_standard_output_that_was_never_open_is_not_the_server(fake):
    """Else the socket would be number 1, and the report would go to the server."""
    server = fake(good)
    command = f"exec {shlex.quote(binary(PROGRAM))} -n 1 -p {server.port} 127.0.0.1 >&-"
    result = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, timeout=PATIENCE)
    assert result.returncode == 1
    assert result.stderr == b"ntp/client: write: Bad file descriptor\n"
    assert [len(request) for request in server.requests] == [48]


# ---- The wire ------------------------------------------------------------------------------------


def test_a_request_tells_nothing_but_a_random_number(fake):
    server = fake(good)
    report(ask(server, "-n", 20))
    for request in server.requests:
        assert len(request) == 48
        assert request[:40] == bytes([0x23]) + bytes(39)
    cookies = {parse(request)["transmit"] for request in server.requests}
    assert len(cookies) == 20
    # Its first byte too, which in a date is always the same.
    assert len({cookie >> 56 for cookie in cookies}) > 5


def test_the_port_is_none_that_can_be_guessed(fake):
    server, ports = fake(good), set()
    for _ in range(5):
        report(ask(server, "-n", 1))
        ports.add(server.client[1])
    assert len(ports) > 1
    assert all(port > 1023 for port in ports)


@pytest.mark.alone
def test_requests_keep_their_distance(fake):
    server = fake(good)
    fields = report(ask(server, "-n", 4, "-i", "0.3"))
    assert fields["samples"] == "4 of 4"
    gaps = [b - a for a, b in zip(server.times, server.times[1:])]
    assert min(gaps) > 0.15  # the server's own delays can shorten one


# ---- What is lost --------------------------------------------------------------------------------


def test_one_answer_lost_of_three_is_two_of_three(fake):
    for lost in range(3):
        server = fake(lambda request, n: [] if n == lost else [answer(request)])
        assert report(ask(server, "-n", 3, "-w", "0.2"))["samples"] == "2 of 3"


def unreachable(port, client):
    """What a router says of a question from `client`, a port here: ICMP, destination unreachable
    (RFC 792), with the start of the packet in question."""
    here = socket.inet_aton("127.0.0.1")
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 76, 0, 0, 64, socket.IPPROTO_UDP, 0, here, here)
    body = ip + struct.pack("!HHHH", client, port, 56, 0)
    words = struct.unpack(f"!{len(body) // 2}H", body)
    total = 0x0303 + sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!BBHI", 3, 3, ~total & 0xFFFF, 0) + body


def test_an_icmp_message_that_comes_late_is_not_of_the_next_question(fake):
    needs_root()
    first = []

    def behave(request, n):
        if n == 0:
            first.append(server.client[1])
            return []
        if n == 1:
            router.sendto(unreachable(server.port, first[0]), ("127.0.0.1", 0))
        return [answer(request)]

    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as router:
        server = fake(behave)
        assert report(ask(server, "-n", 3, "-w", "0.2"))["samples"] == "2 of 3"


def test_silence_is_said_with_the_time_waited(fake):
    server = fake(lambda request, n: [])
    result = ask(server, "-n", 2, "-w", "0.25")
    refused(result, f"127.0.0.1:{server.port}: no answer in 0.25 s")
    assert len(server.requests) == 2


def test_a_closed_port_is_a_refusal_and_nobody_waits(fake):
    server = fake(good)
    server.close()
    started = time.monotonic()
    refused(ask(server, "-w", 20), "Connection refused")
    assert time.monotonic() - started < 20


# ---- Refusals ------------------------------------------------------------------------------------

# RFC 5905, figure 13.
KISSES = "ACST AUTH AUTO BCST CRYP DENY DROP RSTR INIT MCST NKEY RATE RMOT STEP".split()


def kiss(code):
    return lambda request: packet(
        first=0o344, refid=int.from_bytes(code.encode(), "big"), origin=parse(request)["transmit"]
    )


MISDEEDS = {
    "empty": (lambda r: b"", "answer too short"),
    "short": (lambda r: answer(r)[:47], "answer too short"),
    "reflected": (lambda r: r, "mode 3, not a server's 4"),
    "broadcast": (lambda r: answer(r, first=0o45), "mode 5, not a server's 4"),
    "no mode": (lambda r: answer(r, first=0o40), "mode 0, not a server's 4"),
    "version 0": (lambda r: answer(r, first=0o04), "unknown version 0"),
    "version 7": (lambda r: answer(r, first=0o74), "unknown version 7"),
    "another's origin": (
        lambda r: answer(r, origin=secrets.randbits(64)),
        "origin timestamp of another request",
    ),
    "no origin": (lambda r: answer(r, origin=0), "origin timestamp of another request"),
    "our clock for origin": (
        lambda r: answer(r, origin=seconds(time.time())),
        "origin timestamp of another request",
    ),
    "zero transmit": (lambda r: answer(r, transmit=0), "zero transmit timestamp"),
    "zero receive": (lambda r: answer(r, receive=0), "zero receive timestamp"),
    "stratum 0": (lambda r: answer(r, stratum=0, refid=0), "server not synchronised"),
    "stratum 16": (lambda r: answer(r, stratum=16), "server not synchronised"),
    "stratum 255": (lambda r: answer(r, stratum=255), "server not synchronised"),
    "leap 3": (lambda r: answer(r, first=0o344), "server not synchronised"),
    "root dispersion": (lambda r: answer(r, root_dispersion=0x10001), "root distance over 1 s"),
    "root delay": (lambda r: answer(r, root_delay=0x20002), "root distance over 1 s"),
    "receive after transmit": (
        lambda r: answer(r, receive=seconds(time.time() + 1)),
        "receive timestamp after transmit timestamp",
    ),
    "an escape sequence": (kiss("\033[2J"), "kiss of death: ?[2J"),
    **{"kiss " + code: (kiss(code), "kiss of death: " + code) for code in KISSES},
}


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_misdeed_is_refused_by_name(fake, misdeed):
    bad, reason = MISDEEDS[misdeed]
    server = fake(lambda request, n: [bad(request)])
    refused(ask(server, "-n", 1, "-w", "0.1"), f"127.0.0.1:{server.port}: {reason}")


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_good_answer_that_follows_in_time_is_taken(fake, misdeed):
    bad, _ = MISDEEDS[misdeed]
    server = fake(lambda request, n: [bad(request), answer(request)])
    assert report(ask(server, "-n", 3, "-w", 20))["samples"] == "3 of 3"


@pytest.mark.parametrize("code", ["DENY", "RSTR", "RATE"])
def test_who_is_told_to_go_away_asks_no_more(fake, code):
    server = fake(lambda request, n: [kiss(code)(request)])
    refused(ask(server, "-n", 3, "-w", "0.2"), f"kiss of death: {code}")
    assert len(server.requests) == 1


def test_what_was_told_before_the_kiss_of_death_is_reported(fake):
    server = fake(lambda request, n: [answer(request) if n < 2 else kiss("RATE")(request)])
    assert report(ask(server, "-n", 5, "-w", "0.2"))["samples"] == "2 of 5"
    assert len(server.requests) == 3


def test_a_packet_of_anybody_behind_the_kiss_of_death_does_not_undo_it(fake):
    server = fake(lambda request, n: [kiss("RATE")(request), b"forged"])
    refused(ask(server, "-n", 3, "-w", "0.2"), "kiss of death: RATE")
    assert len(server.requests) == 1


@pytest.mark.parametrize("extra", [4, 16, 20, 72, 1400])
def test_extension_fields_and_a_mac_are_no_harm(fake, extra):
    server = fake(lambda request, n: [answer(request) + bytes(extra)])
    assert report(ask(server))["samples"] == "4 of 4"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_servers_version_will_do(fake, version):
    server = fake(lambda request, n: [answer(request, first=version << 3 | 4)])
    assert report(ask(server))["samples"] == "4 of 4"


def test_a_root_distance_of_one_second_will_do(fake):
    server = fake(lambda request, n: [answer(request, root_delay=0x10000, root_dispersion=0x8000)])
    assert report(ask(server))["samples"] == "4 of 4"


def test_an_old_answer_is_not_taken_for_a_new_one(fake):
    old = []

    # The second request and the third get the first one's answer; that was an hour ahead.
    def behave(request, n):
        old.append(answer(request, ahead=3600))
        return [old[0]]

    fields = report(ask(fake(behave), "-n", 3, "-w", "0.2"))
    assert fields["samples"] == "1 of 3"


def test_an_answer_in_double_is_one_answer(fake):
    server = fake(lambda request, n: [answer(request), answer(request, ahead=3600)])
    fields = report(ask(server, "-n", 10, "-w", 20))
    assert fields["samples"] == "10 of 10"
    assert abs(number(fields, "offset")) < 1


def test_an_answer_from_another_port_is_not_read(fake):
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", 0))

    def stranger(request, n):
        other.sendto(answer(request, ahead=3600), server.client)
        return []

    server = fake(stranger)
    refused(ask(server, "-n", 1, "-w", "0.2"), "no answer in 0.2 s")

    def stranger_first(request, n):
        other.sendto(answer(request, ahead=3600), server.client)
        return [answer(request)]

    server = fake(stranger_first)
    assert abs(number(report(ask(server)), "offset")) < 1
    other.close()


def test_an_answer_that_comes_too_late_is_not_waited_for(fake):
    def behave(request, n):
        if n == 0:
            return []
        return [answer(server.requests[0]), answer(request)]

    server = fake(behave)
    assert report(ask(server, "-n", 2, "-w", "0.2"))["samples"] == "1 of 2"


def test_a_wrong_packet_does_not_move_the_deadline(fake):
    ended = threading.Event()

    def drip(request, n):
        while not ended.wait(0.05):
            server.socket.sendto(answer(request, stratum=16), server.client)
        return []

    server = fake(drip)
    started = time.monotonic()
    result = ask(server, "-n", 1, "-w", "0.5")
    assert 0.5 <= time.monotonic() - started < 20
    ended.set()
    refused(result, "server not synchronised")


def test_a_flood_of_garbage_ends_at_the_deadline(fake):
    ended = threading.Event()

    def flood(request, n):
        garbage = secrets.token_bytes(48)
        while not ended.is_set():
            try:
                server.socket.sendto(garbage, server.client)
            except ConnectionRefusedError:
                pass
        return []

    server = fake(flood)
    result = ask(server, "-n", 1, "-w", "0.5")
    ended.set()
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1


def test_a_good_answer_is_found_in_a_flood_of_garbage(fake):
    def behave(request, n):
        for i in range(5000):
            server.socket.sendto(secrets.token_bytes(i % 100), server.client)
            if i % 100 == 99:
                server.socket.sendto(answer(request), server.client)
        return []

    server = fake(behave)
    assert report(ask(server, "-n", 1, "-w", 20))["samples"] == "1 of 1"


# ---- Addresses -----------------------------------------------------------------------------------


def bad_one(fake, how, host, port):
    """A server that answers nothing, by silence, by refusal or by a kiss of death."""
    bad = fake(
        lambda request, n: [kiss("DENY")(request)] if how == "kiss" else [], host=host, port=port
    )
    if how == "refusal":
        bad.close()
    return bad


@pytest.mark.parametrize(
    "bad_host, good_host", [("127.0.0.2", "127.0.0.3"), ("127.0.0.3", "127.0.0.2")]
)
@pytest.mark.parametrize("how", ["silence", "refusal", "kiss"])
def test_where_one_address_does_not_answer_the_next_is_asked(
    fake, tmp_path, bad_host, good_host, how
):
    server = fake(good, host=good_host)
    bad = bad_one(fake, how, bad_host, server.port)
    under = named(tmp_path, "127.0.0.2", "127.0.0.3")
    fields = report(ask(server, "-n", 3, "-w", "0.3", host="many.addresses", under=under))
    assert fields["server"] == f"{good_host}:{server.port}"
    assert fields["samples"] == "3 of 3"
    assert len(bad.requests) <= 1


@pytest.mark.parametrize("how", ["silence", "refusal", "kiss"])
def test_where_no_other_address_answers_the_one_that_lost_an_answer_is_asked_again(
    fake, tmp_path, how
):
    server = fake(lambda request, n: [answer(request)] if n > 0 else [], host="127.0.0.2")
    bad_one(fake, how, "127.0.0.3", server.port)
    under = named(tmp_path, "127.0.0.2", "127.0.0.3")
    fields = report(ask(server, "-n", 3, "-w", "0.3", host="many.addresses", under=under))
    assert fields["server"] == f"127.0.0.2:{server.port}"
    assert fields["samples"] == "2 of 3"


def test_the_last_addresss_trouble_is_reported(fake, tmp_path):
    server = fake(lambda request, n: [])
    under = named(tmp_path, "127.0.0.1", "127.0.0.2")
    result = ask(server, "-n", 1, "-w", "0.2", host="many.addresses", under=under)
    assert result.returncode == 1
    assert re.fullmatch(
        rf"ntp/client: 127\.0\.0\."
        rf"(1:{server.port}: no answer in 0.2 s|2:{server.port}: recvmsg: Connection refused)\n",
        result.stderr,
    )


def test_4_and_6_choose_the_family(fake, tmp_path):
    needs_ipv6()
    six = fake(good, host="::1")
    four = fake(good, port=six.port)
    under = named(tmp_path, "127.0.0.1", "::1")
    for option, server in (("-4", "127.0.0.1"), ("-6", "[::1]")):
        result = ask(four, option, "-n", 1, host="many.addresses", under=under)
        assert report(result)["server"] == f"{server}:{four.port}"
    assert len(four.requests) == len(six.requests) == 1


@pytest.mark.parametrize("option, host", [("-4", "::1"), ("-6", "127.0.0.1")])
def test_an_address_of_the_other_family_is_none(fake, option, host):
    result = ask(fake(good), option, host=host)
    assert result.returncode == 1
    assert re.fullmatch(rf"ntp/client: {host}: .+\n", result.stderr)


def test_an_unknown_host_is_said():
    result = run(PROGRAM, "no.such.host.invalid")
    assert result.returncode == 1
    assert result.stderr.startswith("ntp/client: no.such.host.invalid: ")
    assert result.stderr.count("\n") == 1


# ---- The command line ----------------------------------------------------------------------------


def test_help_on_a_full_disk_is_one_line():
    with full_disk() as full:
        ended = subprocess.run([binary(PROGRAM), "-h"], stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 1
    assert ended.stderr == b"ntp/client: write: No space left on device\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_on_standard_output(option):
    result = run(PROGRAM, option)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: ntp/client [-4] [-6] [-n SAMPLES]")


@pytest.mark.parametrize(
    "words, wrong",
    [
        ("-n 0", "-n wants a number"),
        ("-n -1", "-n wants a number"),
        ("-n 1.5", "-n wants a number"),
        ("-n 99999999999999999999", "-n wants a number"),
        ("-n 4x", "-n wants a number"),
        ("-i -1", "-i wants a number"),
        ("-i nan", "-i wants a number"),
        ("-i inf", "-i wants a number"),
        ("-i 1e300", "-i wants a number"),
        ("-w 0", "-w wants a number"),
        ("-w -2", "-w wants a number"),
        ("-w nan", "-w wants a number"),
        ("-w 1e99999", "-w wants a number from 0.001 to 86400: 1e99999\n"),
        ("-n 0x10", "-n wants a number from 1 to 1000000: 0x10\n"),
        ("-w 0x10", "-w wants a number"),
        ("-w +1", "-w wants a number"),
        ("-w 1s", "-w wants a number"),
        ("-i .", "-i wants a number"),
        ("-p 1.0", "-p wants a number"),
        ("-p 0", "-p wants a number"),
        ("-p 65536", "-p wants a number"),
        ("-p ntp", "-p wants a number"),
        ("-n", "-n wants a value"),
        ("-z", "unknown option -z"),
        ("--fast", "unknown option --fast"),
        ("-4 --fast -6z", "unknown option --fast"),
        ("-6z --fast", "unknown option -z"),
        ("--help=yes", "unknown option --help=yes"),
        ("127.0.0.1 ::1", "too many arguments"),
    ],
)
def test_bad_usage_is_explained(words, wrong):
    result = run(PROGRAM, *words.split())
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("ntp/client: " + wrong)
    assert "usage: ntp/client" in result.stderr


# ---- Faults of the system ------------------------------------------------------------------------

SEND, RECEIVE, POLL = "sendto,send,sendmsg", "recvmsg,recvfrom", "poll,ppoll"


@pytest.mark.parametrize(
    "calls, error, samples",
    [
        (SEND, "EINTR", "3 of 3"),
        (SEND, "ENOBUFS", "2 of 3"),
        (SEND, "EAGAIN", "2 of 3"),
        (SEND, "ECONNREFUSED", "2 of 3"),
        (RECEIVE, "EINTR", "3 of 3"),
        (RECEIVE, "EAGAIN", "3 of 3"),
        (RECEIVE, "ENOMEM", "3 of 3"),
        (RECEIVE, "ECONNREFUSED", "2 of 3"),
        (POLL, "EINTR", "3 of 3"),
        (POLL, "ENOMEM", "3 of 3"),
        ("clock_nanosleep,nanosleep", "EINTR", "3 of 3"),
        ("setsockopt", "ENOPROTOOPT", "3 of 3"),
    ],
)
def test_a_fault_costs_one_sample_at_most(fake, calls, error, samples):
    for when in (1, 2) if calls != "setsockopt" else (1,):
        under = strace(calls, f"{calls}:error={error}:when={when}")
        assert report(ask(fake(good), "-n", 3, "-i", "0.01", under=under))["samples"] == samples


@pytest.mark.parametrize(
    "calls, error, reason",
    [
        (SEND, "ENOBUFS", "send: No buffer space available"),
        (RECEIVE, "ECONNREFUSED", "recvmsg: Connection refused"),
        ("connect", "ENETUNREACH", "connect: Network is unreachable"),
        ("socket", "EMFILE", "socket: Too many open files"),
    ],
)
def test_a_fault_that_stays_is_said(fake, calls, error, reason):
    server = fake(good)
    refused(ask(server, "-n", 3, under=strace(calls, f"{calls}:error={error}")), reason)


def test_polls_that_fail_for_ever_end_at_the_deadline(fake):
    server = fake(good)
    refused(
        ask(server, "-n", 1, "-w", "0.3", under=strace(POLL, f"{POLL}:error=EINTR")),
        "no answer in 0.3 s",
    )


# ---- The kernel's stamp --------------------------------------------------------------------------


def delayed(server, *faults):
    """The delay measured when the program sleeps for 0.5 s before it reads the answer that has
    come. In two samples: a kernel that nobody has asked for stamps begins with them a moment after
    it is asked (net_enable_timestamp).
    """
    under = strace(RECEIVE + ",setsockopt", f"{RECEIVE}:delay_enter=500000", *faults)
    return number(report(ask(server, "-n", 2, under=under)), "delay")


@pytest.mark.alone
def test_the_time_until_we_are_woken_is_not_in_the_delay(fake):
    assert delayed(fake(good)) < 0.4


def test_without_the_kernels_stamp_our_own_clock_will_do(fake):
    assert delayed(fake(good), "setsockopt:error=ENOPROTOOPT") >= 0.5


# ---- Real servers --------------------------------------------------------------------------------


HOSTS = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]


class Peer:
    """A real server that answers."""

    def __init__(self, command, port, host="127.0.0.1", **popen):
        self.host, self.port = host, port
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **popen,
        )

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.communicate(timeout=PATIENCE)


def free_port():
    """A UDP port that nobody has at any of HOSTS."""
    while True:
        with contextlib.ExitStack() as held:
            port = 0
            try:
                for host in HOSTS:
                    family = socket.AF_INET6 if ":" in host else socket.AF_INET
                    one = held.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                    one.bind((host, port))
                    port = one.getsockname()[1]
            except OSError:
                continue
            return port


def answers(host, port):
    """Whether a synchronised NTP server is there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        probe.connect((host, port))
        try:
            probe.send(packet(first=0o43, transmit=1))
            reply = parse(probe.recv(2048)[:48])
        except OSError:
            return False
        return reply["stratum"] > 0


def chronyd(directory, env=None):
    port = free_port()
    conf = directory / "chrony.conf"
    conf.write_text(
        f"local stratum 3\nallow\nport {port}\ncmdport 0\npidfile {directory}/pid\nbindcmdaddress /\n"
        + "".join(f"bindaddress {host}\n" for host in HOSTS)
    )
    # -x: it never touches the clock. -U: so it need not be root.
    server = Peer([peer("chronyd"), "-x", "-U", "-d", "-u", "root", "-f", conf], port, env=env)
    for host in HOSTS:
        eventually(lambda: answers(host, port) or server.process.poll() is not None)
    assert server.process.poll() is None, server.process.communicate()[0]
    return server


@pytest.fixture(scope="module")
def chrony(tmp_path_factory):
    server = chronyd(tmp_path_factory.mktemp("chrony"))
    yield server
    server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.alone
def test_against_chronyd_the_offset_is_within_the_delay_of_zero(chrony, host):
    needs_ipv6(host)
    fields = report(ask(chrony, "-n", 8, host=host))
    assert abs(number(fields, "offset")) <= number(fields, "delay") < 0.1
    assert fields["stratum"] == "3"
    assert fields["leap"] == "0"
    assert fields["refid"] == "127.127.1.1"
    assert fields["samples"] == "8 of 8"


# ntpd cannot be told another port than 123: it gets a network of its own. It could set the clock
# only with a capability that it is not given.
NTPD = "ip link set lo up && exec setpriv --bounding-set -sys_time --inh-caps -sys_time "
NTPD += "{ntpd} -n -c {conf} -p {conf}.pid"


@pytest.fixture(scope="module")
def ntpd(tmp_path_factory):
    conf = tmp_path_factory.mktemp("ntpd") / "ntp.conf"
    # After orphanwait it serves the time it has, as a server of stratum 5, `kod`: and asks who asks
    # too often to stop.
    conf.write_text("tos orphan 5 orphanwait 1\ndisable ntp\nrestrict default limited kod\n")
    peer("ip")
    server = Peer(
        [*needs_namespace("--net"), "sh", "-c", NTPD.format(ntpd=shlex.quote(peer("ntpd")), conf=shlex.quote(str(conf)))], 123
    )
    server.under = ["nsenter", f"--target={server.process.pid}", "--net"]
    if os.geteuid() != 0:
        server.under += ["--user", "--preserve-credentials"]
    try:
        eventually(lambda: ask(server, "-n", 1, "-w", "0.5", under=server.under).returncode == 0)
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.alone
def test_against_ntpd_the_offset_is_within_the_delay_of_zero(ntpd, host):
    fields = report(ask(ntpd, "-n", 2, "-w", "0.5", host=host, under=ntpd.under))
    assert abs(number(fields, "offset")) <= number(fields, "delay") < 0.1
    assert (fields["stratum"], fields["leap"]) == ("5", "0")


def test_ntpd_tells_who_asks_too_often_to_go_away_and_we_do(ntpd):
    def told():
        result = ask(ntpd, "-n", 1000, "-w", "0.5", host="127.0.0.1", under=ntpd.under)
        samples = re.search(r"samples (\d+) of 1000", result.stdout)
        assert result.returncode == 1 or int(samples[1]) < 1000
        return "kiss of death: RATE" in result.stderr

    eventually(told)


# ---- 2036 ----------------------------------------------------------------------------------------

DATES = ["2026-11-22 12:00:00", "2036-02-07 06:28:00", "2036-02-07 06:28:15", "2036-02-07 06:28:16"]
DATES += ["2036-02-07 07:00:00", "2037-06-01 00:00:00", "2085-01-01 00:00:00"]


def at(when):
    """The environment to run a program at another date. Without the wrapper `faketime`: killed with
    its program, it leaves a semaphore behind, named by its process id, and a later one of the same
    id does not start.
    """
    peer("faketime")
    if b"/ld-" not in Path(binary("ntp/client")).read_bytes():
        pytest.skip("linked statically: libfaketime cannot be loaded before it")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return {"TZ": "UTC", "FAKETIME": "@" + when, "LD_PRELOAD": str(library)}


def unix(when):
    return datetime.datetime.fromisoformat(when + "+00:00").timestamp()


@pytest.fixture(scope="module", params=DATES)
def moved(request, tmp_path_factory):
    """A chronyd whose clock has been moved: it is `ahead` seconds ahead of ours, or up to `slack`
    less, as a program's date is right at the moment when it starts."""
    before = time.time()
    server = chronyd(tmp_path_factory.mktemp("moved"), dict(os.environ, **at(request.param)))
    server.ahead, server.slack = unix(request.param) - before, time.time() - before
    yield server
    server.close()


@pytest.mark.parametrize("ours", [None, *DATES])
def test_dates_and_offsets_are_right_whatever_the_two_clocks_say(moved, ours):
    before = time.time()
    fields = report(ask(moved, "-n", 2, env=at(ours) if ours else {}))
    took = time.time() - before
    assert fields["samples"] == "2 of 2"
    ahead = moved.ahead - (unix(ours) - before if ours else 0)
    error = abs(number(fields, "delay")) / 2 + 0.001  # what an offset may be wrong by
    assert (
        before + moved.ahead - moved.slack - error
        <= date(fields)
        <= before + moved.ahead + took + error
    )
    assert ahead - moved.slack - error <= number(fields, "offset") <= ahead + took + error
    assert abs(number(fields, "delay")) < 0.5
