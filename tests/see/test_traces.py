"""What `see` reads out of traces that were recorded: tests/see/traces, by strace 6.1 and tcpdump 4.99."""

import pytest
import strace
import tcpdump
from exchange import Exchange
from seeing import ROOT  # which puts what rows imports on the path

import rows

TRACES = ROOT / "tests/see/traces"


def calls(name):
    return strace.read((TRACES / f"{name}.strace").read_text().splitlines())


def exchange(name, segments=()):
    found = calls(name)
    return Exchange(found, {found[0].pid: "server"}, segments)


def one(found, name, which=0):
    return [call for call in found if call.name == name][which]


def arrows(seen, kind="bytes"):
    return [
        (
            arrow.source and arrow.source.call.name,
            arrow.size,
            arrow.target and arrow.target.call.name,
        )
        for arrow in seen.arrows
        if arrow.kind == kind
    ]


# ---- Lines of strace


def test_a_call_has_its_time_its_arguments_and_its_result():
    send = one(calls("fork"), "sendto")
    assert send.args[0] == "4<TCP:[127.0.0.1:9555->127.0.0.1:55326]>"
    assert send.args[2:] == ["20", "0", "NULL", "0"]
    assert (send.result, send.error) == (20, "")
    assert send.end - send.start == pytest.approx(35e-6, abs=1e-6)


def test_unfinished_and_resumed_are_one_call():
    send = one(calls("threads"), "sendto")
    assert send.args[1:4] == ['"caf\\303\\251 \\"x\\" \\\\ \\0\\7\\n"', "15", "0"]
    assert send.result == 15
    assert send.end - send.start == pytest.approx(0.000587, abs=1e-6)
    take = one(calls("threads"), "recvfrom")
    assert (take.args[1], take.args[2], take.result) == ('"caf"', "3", 3)


def test_a_call_that_never_returned():
    last = [call for call in calls("threads") if call.name == "accept4"][-1]
    assert (last.end, last.result) == (None, None)
    assert strace.descriptor(last.args[0]) == (3, "TCP:[127.0.0.1:45529]")


def test_a_signal_interrupts():
    found = calls("threads")
    interrupted = one(found, "accept4", -2)
    assert (interrupted.result, interrupted.error) == (None, "ERESTARTSYS")
    assert one(found, "SIGALRM").pid == interrupted.pid
    assert [(call.pid, call.result, call.error) for call in found if call.name == "exit"] == [
        (31291, 0, ""),
        (31292, None, "SIGKILL"),
        (31293, 3, ""),
        (31290, 3, ""),
    ]


def test_exit_begins_when_the_process_leaves():
    """What it had open is closed before strace hears of its end."""
    assert [call.start for call in calls("unix") if call.name == "exit"][0] == 1795580119.279863


def test_bytes():
    assert strace.string('"caf\\303\\251 \\"x\\" \\\\ \\0\\7\\n"') == (
        'café "x" \\ '.encode() + b"\0\7\n",
        True,
    )
    assert strace.string('"aaa"...') == (b"aaa", False)
    assert strace.string(r'"\1772\18"') == (b"\x7f2\x018", True)
    assert strace.string("NULL") == (b"", False)


@pytest.mark.parametrize(
    "text, address",
    [
        (
            '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")}',
            "10.0.0.1:80",
        ),
        (
            "{sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0),"
            ' inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
            "[::1]:443",
        ),
        ('{sa_family=AF_UNIX, sun_path="/tmp/a b"}', "/tmp/a b"),
        ('{sa_family=AF_UNIX, sun_path=@"name"}', "@name"),
        ("{sa_family=AF_UNIX}", ""),
        ("NULL", ""),
    ],
)
def test_addresses(text, address):
    assert strace.address(text) == address


def test_an_argument_that_holds_commas_and_brackets_is_one():
    """Paths, names of sockets, comments and strings hold anything."""
    text = '5<UNIX-STREAM:[1->2,"/tmp/a,b)>]"]>, [{fd=3</dev/null<char 1:3>>}], ")\\"," /* 2, 3 */) = 0'
    found, rest = strace.arguments(text)
    assert found == [
        '5<UNIX-STREAM:[1->2,"/tmp/a,b)>]"]>',
        "[{fd=3</dev/null<char 1:3>>}]",
        '")\\"," /* 2, 3 */',
    ]
    assert rest == " = 0"


def test_what_was_interrupted_before_we_looked():
    lines = [
        "7 10.000001 restart_syscall(<... resuming interrupted poll ...>) = 1 <0.5>",
        '8 10.100000 <... recvfrom resumed>"x", 9, 0, NULL, NULL) = 1 <0.2>',
    ]
    poll, take = strace.read(lines)
    assert (poll.name, poll.args, poll.result) == ("poll", [], 1)
    assert (take.name, take.result) == ("recvfrom", 1)


def test_lines_that_are_none():
    assert strace.read(["", "strace: Process 7 attached", "7 1.5 +++ stopped"]) == []


# ---- Conversations


def test_fork():
    seen = exchange("fork", tcpdump.read((TRACES / "fork.tcpdump").read_text().splitlines()))
    outside, server, child = seen.columns
    assert (server.name, child.number, child.thread, outside.name) == (
        "server",
        1,
        False,
        "127.0.0.1:55326",
    )
    fork = next(event for event in seen.events if event.kind == "fork")
    assert (fork.child, fork.passed) == (child, [3, 4])
    # The parent's close ends nothing, since the child has a copy; its exit does.
    closes = [(e.column, e.fd, e.last) for e in seen.events if e.kind == "close"]
    assert closes == [(server, 4, False), (child, 3, False)]
    assert [(a.origin, a.goal) for a in seen.arrows if a.kind == "FIN"] == [(child, outside)]
    assert arrows(seen) == [("sendto", 20, None), (None, 10, "recvfrom"), ("sendto", 52, None)]
    assert [state for _, _, state in seen.states][-2:] == ["LAST-ACK", "CLOSED"]


def test_threads():
    seen = exchange("threads")
    server, thread, child = seen.columns
    assert (thread.thread, thread.group, child.thread) == (True, server.pid, False)
    # One send, taken by two recv; the bytes are cut where the first ended.
    assert arrows(seen) == [
        ("sendto", 15, "recvfrom"),
        ("sendto", 3, "recvfrom"),
        ("sendto", 12, "recvfrom"),
    ]
    assert [arrow.data for arrow in seen.arrows if arrow.size == 3] == [b"caf"]
    assert [(a.source.column, a.target.column) for a in seen.arrows if a.kind == "SYN"] == [
        (child, thread),
        (child, server),
    ]


def test_scatter_and_gather_and_parts_and_what_is_lost():
    """IPv6; a process that talks to itself; MSG_PEEK takes nothing; close over unread bytes resets."""
    seen = exchange("pieces")
    assert [socket.here[:6] for socket in seen.sockets] == ["[::1]:"] * 3
    found = arrows(seen)
    assert found[0] == ("writev", 8, "readv")
    assert seen.arrows[1].data == b"un\ndeux\n"
    sent = [event.size for event in seen.events if event.kind == "send"]
    assert sent == [8, 32768, 47616, 47616, 0, 0]
    assert sum(size for _, size, _ in found) == sum(sent)
    assert sum(size for _, size, taken in found if taken == "recvfrom") == 100000
    assert sum(a.size for a in seen.arrows if a.lost) == 128000 - 100000
    assert [a.source.call.name for a in seen.arrows if a.kind == "RST"] == ["close"]


def test_unix_sockets_and_a_descriptor_that_crosses():
    seen = exchange("unix")
    assert arrows(seen) == [("sendto", 14, "recvfrom"), ("sendmsg", 1, "recvmsg")]
    passed = [arrow.passed for arrow in seen.arrows if arrow.passed]
    assert passed == [[(5, 5, "/etc/hostname")]]


def traced(lines):
    """What two processes did: 1, the server, and 2, its client."""
    return Exchange(strace.read(lines), {1: "server", 2: "client"})


def test_nothing_is_taken_before_it_is_sent():
    """strace counts how long a call took from when it has written its arguments, so an end can seem
    to be too early."""
    here, there = (f"{pair}>" for pair in ("<UNIX-STREAM:[1->2]", "<UNIX-STREAM:[2->1]"))
    seen = traced(
        [
            f'2 10.000000 recvfrom(3{here}, "x", 9, 0, NULL, NULL) = 1 <0.500000>',
            f'1 10.600000 sendto(4{there}, "x", 1, 0, NULL, 0) = 1 <0.000010>',
        ]
    )
    assert arrows(seen) == [("sendto", 1, "recvfrom")]
    assert [event.call.name for event in seen.events] == ["sendto", "recvfrom"]
    here, there = "<UDP:[127.0.0.1:1]>", "<UDP:[127.0.0.1:2]>"
    to = '{sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16'
    seen = traced(
        [
            f'2 10.000000 recvfrom(3{here}, "x", 9, 0, NULL, NULL) = 1 <0.599900>',
            f'1 10.600000 sendto(4{there}, "x", 1, 0, {to}) = 1 <0.000010>',
        ]
    )
    assert arrows(seen) == [("sendto", 1, "recvfrom")]


def test_who_is_asked_for_and_for_what():
    """A socket that is not in the set, or that is asked for room only, is what one looks for."""
    three, four = "3<TCP:[127.0.0.1:90]>", "4<TCP:[127.0.0.1:90->127.0.0.1:50]>"
    seen = traced(
        [
            f"1 10.0 poll([{{fd=1<pipe:[7]>, events=POLLIN}}, {{fd={three}, events=POLLIN}},"
            f" {{fd={four}, events=POLLOUT}}], 3, -1) = 1 ([{{fd={four}, revents=POLLOUT}}]) <1.0>",
            f'1 11.5 recvfrom({four}, "x", 9, 0, NULL, NULL) = 1 <0.1>',
            f"1 12.0 select(5, [{four}], NULL, NULL, NULL) = 1 (in [{four}]) <1.0>",
            f"1 14.0 select(5, [{three} {four}], [{four}], NULL, NULL) = 1 (in [{four}]) <1.0>",
        ]
    )
    looks = [event for event in seen.events if event.kind == "look"]
    assert [rows.asks(event, brief=False) for event in looks] == [
        "poll({3, 4 OUT})",
        "select({4})",
        "select({3, 4 IN|OUT})",
    ]


def test_who_has_closed_in_good_order_and_is_spoken_to_resets_after_its_end():
    """The close is a FIN, where the capture has one, and the reset is the kernel's own answer."""
    pairs = "50->127.0.0.1:90", "90->127.0.0.1:50"
    here, there = (f"<TCP:[127.0.0.1:{pair}]>" for pair in pairs)
    lines = [
        f'2 10.0 recvfrom(3{here}, "x", 9, 0, NULL, NULL) = 1 <0.1>',
        f"2 11.0 close(3{here}) = 0 <0.1>",
        f'1 9.9 sendto(4{there}, "x", 1, 0, NULL, 0) = 1 <0.1>',
        f'1 12.0 sendto(4{there}, "y", 1, 0, NULL, 0) = 1 <0.1>',
        f'1 13.0 sendto(4{there}, "z", 1, 0, NULL, 0) = -1 EPIPE (Broken pipe) <0.1>',
    ]
    segment = "{}.5 IP 127.0.0.1.50 > 127.0.0.1.90: Flags [{}], seq 1, ack 1, win 1, length 0"
    for flags, ends in (
        (["F.", "R"], [("FIN", "close"), ("RST", None)]),
        (["R."], [("RST", "close")]),
    ):
        captured = tcpdump.read([segment.format(11 + i, flag) for i, flag in enumerate(flags)])
        seen = Exchange(strace.read(lines), {1: "server", 2: "client"}, captured)
        assert [
            (arrow.kind, arrow.source and arrow.source.call.name)
            for arrow in seen.arrows
            if arrow.kind != "bytes"
        ] == ends


# ---- Segments


def test_segments_and_where_they_end():
    found = tcpdump.read((TRACES / "fork.tcpdump").read_text().splitlines())
    assert len(found) == 12
    assert found[0][1:4] == ("127.0.0.1:55326", "127.0.0.1:9555", "S")
    assert tcpdump.cuts(found) == {
        ("127.0.0.1:55326", "127.0.0.1:9555"): [10],
        ("127.0.0.1:9555", "127.0.0.1:55326"): [20, 72],
    }


def test_states_of_both_ends():
    found = tcpdump.read((TRACES / "fork.tcpdump").read_text().splitlines())
    ends = {"client": [], "server": []}
    for _, here, _, state in tcpdump.states(found):
        ends["server" if here.endswith(":9555") else "client"].append(state)
    assert ends["client"] == [
        "SYN-SENT",
        "ESTABLISHED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "TIME-WAIT",
    ]
    assert ends["server"] == ["SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"]


def test_a_reset_closes_both_ends():
    line = "1.{} IP6 {} > {}: Flags [{}], seq {}, ack {}, win 1, length 0"
    there = ("::1.50", "::1.90"), ("::1.90", "::1.50")
    lines = [
        line.format(0, *there[0], "S", 100, 0).replace(", ack 0", ""),
        line.format(1, *there[1], "S.", 200, 101),
        line.format(2, *there[0], "R.", 101, 201),
    ]
    states = [(here, state) for _, here, _, state in tcpdump.states(tcpdump.read(lines))]
    assert states[-2:] == [("[::1]:50", "CLOSED"), ("[::1]:90", "CLOSED")]
