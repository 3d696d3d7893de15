"""The conversation in a trace: who takes part, what each does, and which bytes went from which call
to which.

    calls (strace.py)  ->  Exchange: columns, events, arrows  ->  rows.py  ->  text.py, svg.py

A column is a process, or a thread, that has to do with a socket. An event is a call of one. An arrow
is what crosses: a stretch of bytes from the call that sent it to the call that took it, cut where
either call ended (and, where there is a capture, where a segment ended); a SYN, a FIN, a RST; a
datagram. What nobody took is an arrow too, and ends at nothing.
"""

import re
from dataclasses import dataclass, field

import strace
import tcpdump

SENDS = {"sendto", "sendmsg", "sendmmsg", "write", "writev", "pwritev", "sendfile"}
TAKES = {"recvfrom", "recvmsg", "recvmmsg", "read", "readv", "preadv"}
FAMILY = {
    **dict.fromkeys(SENDS, "send"),
    **dict.fromkeys(TAKES, "take"),
    "accept4": "accept",
}
LOOKS = {"poll", "ppoll", "select", "pselect6"}
EPOLLS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}
FORKS = {"fork", "vfork", "clone", "clone3"}
ENDS = {"close", "shutdown", "exit"}
DUPS = {"dup", "dup2", "dup3"}
STREAMS = ("TCP", "TCPv6", "UNIX-STREAM", "UNIX-SEQPACKET")
# strace says UNIX alone of a datagram socket that has no name yet.
KINDS = (*STREAMS, "UDP", "UDPv6", "UNIX-DGRAM", "UNIX")
# strace counts how long a call took from when it has written its arguments, so that the end of one
# that waited seems too early: by so many seconds, on a busy machine.
EARLY = 0.1
IGNORED = {"SIGCHLD", "SIGWINCH", "SIGURG", "SIGTRAP", "SIGSTOP", "SIGCONT"}


@dataclass(eq=False)
class Socket:
    """An open socket, whatever descriptors it has, in whatever processes."""

    kind: str
    number: str = ""  # its inode
    here: str = ""
    there: str = ""
    listens: bool = False
    private: bool = False  # one of a pair for datagrams: what a program tells itself
    abrupt: bool = False  # SO_LINGER 0: close is a reset
    peer: "Socket" = None
    holders: set = field(default_factory=set)  # (process, descriptor)
    users: set = field(default_factory=set)  # processes
    events: list = field(default_factory=list)

    @property
    def stream(self):
        return self.kind in STREAMS

    @property
    def column(self):
        """The column of who used it last."""
        return self.events[-1].column if self.events else None


@dataclass(eq=False)
class Column:
    pid: int
    name: str
    group: int = 0
    parent: "Column" = None
    number: int = 0  # the how manieth child or thread of its process
    thread: bool = False
    outside: bool = False  # who is not traced
    client: bool = False
    events: list = field(default_factory=list)
    born: float = 0
    ended: float = None


@dataclass(eq=False)
class Event:
    call: strace.Call
    column: Column
    fd: int = None
    socket: Socket = None
    kind: str = (
        ""  # send, take, look, accept, connect, close, shutdown, fork, exit, signal, other
    )
    size: int = 0  # bytes that were sent or taken
    data: bytes = b""  # of those, as many as strace wrote down
    asked: str = ""  # how many it was about, as the program said it
    looks_at: list = field(default_factory=list)  # sockets
    fds: dict = field(default_factory=dict)  # {what it calls one: [IN, OUT] as it asks}
    last: bool = False  # a close after which nobody holds the socket
    child: Column = None
    passed: list = field(default_factory=list)  # descriptors that went over, or came

    @property
    def start(self):
        return self.call.start

    @property
    def end(self):
        return self.call.end

    @property
    def when(self):
        """When it counts: a call that takes or waits, when it returns."""
        late = self.kind in ("take", "look", "accept")
        return (self.end if late else self.start) or self.start


@dataclass(eq=False)
class Arrow:
    kind: str  # bytes, SYN, FIN, RST
    source: Event | None  # None: a kernel's, or one who is not traced
    target: Event | None  # None: nobody took it, or one who is not traced
    origin: Column
    goal: Column
    size: int = 0
    data: bytes = b""
    when: float = 0
    lost: bool = False
    passed: list = field(default_factory=list)


class Exchange:
    """What calls and segments tell. `names` has the first process of each trace: {pid: name}."""

    def __init__(self, calls, names, segments=(), groups=None, clients=()):
        self.names, self.groups, self.clients = dict(names), dict(groups or {}), clients
        self.columns, self.events, self.arrows, self.states = [], [], [], []
        self.table, self.sockets, self.by_pid, self.outsiders = {}, [], {}, {}
        self.segments = segments
        for pid, name in self.names.items():
            self.by_pid[pid] = Column(pid, name, self.groups.get(pid, pid))
        self.follow(calls)
        self.meet()
        self.choose()
        self.pair()
        self.follow_states()

    # ---- Calls, in the order in which they have an effect

    def follow(self, calls):
        moments = []
        for i, call in enumerate(calls):
            begins = call.name in FORKS or call.name in ENDS
            moments.append((call.start, i, True, call))
            if not begins and call.end is not None:
                moments.append((call.end, i, False, call))
        events = {}
        for _, i, begins, call in sorted(moments, key=lambda moment: moment[:2]):
            if begins:
                if event := self.begin(call):
                    events[i] = event
                    self.events.append(event)
            elif i in events:
                self.returns(events[i])
        self.events.sort(key=lambda event: event.when)

    def column(self, pid):
        if pid not in self.by_pid:
            self.by_pid[pid] = Column(pid, str(pid), self.groups.get(pid, pid))
        return self.by_pid[pid]

    def begin(self, call):
        name, column = call.name, self.column(call.pid)
        event = Event(call, column)
        if name in FORKS:
            return self.forks(event)
        if name == "exit":
            event.kind, column.ended = "exit", call.start
            # A thread's end closes nothing.
            others = [
                one
                for one in self.by_pid.values()
                if one.group == column.group and one is not column and one.ended is None
            ]
            for key in [] if others else [key for key in self.table if key[0] == column.group]:
                self.release(event, key)
            return event
        if name.startswith("SIG"):
            event.kind = "signal"
            return event if name not in IGNORED else None
        if name in LOOKS | EPOLLS:
            event.kind = "look"
            for fd, beside, way in watched(call):
                if one := self.find(column.group, fd, beside):
                    event.looks_at.append(one)
                    event.fds.setdefault(fd, []).append(way)
            looked = call.result == 0 and (
                "0" in call.args[2:4]
                or re.search(r"tv_sec=0, tv_[nu]sec=0", " ".join(call.args))
            )  # without waiting, and there was nothing
            return event if (event.looks_at or name in EPOLLS) and not looked else None
        if name in ("socket", "socketpair"):
            event.kind = name
            return event
        if not call.args:
            return None
        place = call.args[0]
        if name == "splice":
            into = strace.descriptor(call.args[2])[1]
            name, place = (
                ("write", call.args[2]) if into.split(":")[0] in KINDS else ("read", place)
            )
        event.fd, beside = strace.descriptor(place)
        if event.fd is None:
            return None
        event.socket = self.find(column.group, event.fd, beside)
        if event.socket is None:
            return None
        event.kind = FAMILY.get(name, name)
        if name == "close":
            self.release(event, (column.group, event.fd))
            if any(holder == column.group for holder, _ in event.socket.holders):
                return None  # one of several descriptors that it has for it
        elif name == "shutdown":
            event.asked = call.args[1].removeprefix("SHUT_")
        elif name == "setsockopt":
            if "SO_LINGER" in call.args and "l_onoff=1, l_linger=0" in call.args[3]:
                event.socket.abrupt = True
            return None
        elif name in ("getsockname", "getpeername", "getsockopt"):
            return None
        event.socket.users.add(column.group)
        event.socket.events.append(event)
        return event

    def returns(self, event):
        call, group = event.call, event.column.group
        if event.kind in ("send", "take") and (call.result or 0) > 0:
            event.size = call.result
        if event.kind in ("send", "take"):
            event.data, event.asked = content(call)
            event.data = event.data[: event.size]
            if call.name in ("sendmsg", "recvmsg") and (call.result or -1) >= 0:
                for fd, beside in passed(call.args[1]):
                    event.passed.append((fd, beside))
                    if event.kind == "take":
                        self.find(group, fd, beside)
        elif event.kind == "connect" and call.result == 0 or call.error == "EINPROGRESS":
            if not event.socket.there and not event.socket.kind.startswith("UNIX"):
                event.socket.there = plain(strace.address(call.args[1]))
        elif event.kind == "bind" and call.result == 0:
            event.socket.here = plain(strace.address(call.args[1]))
        elif event.kind == "listen":
            event.socket.listens = True
        elif event.kind == "accept" and (call.result or -1) >= 0:
            self.table.pop((group, call.result), None)
            if one := self.find(group, call.result, call.beside):
                one.users.add(group)
                one.events.append(event)
                event.looks_at = [one]
                if not one.there and len(call.args) > 1:
                    one.there = plain(strace.address(call.args[1]))
        elif event.kind == "socket" and (call.result or -1) >= 0:
            self.table.pop((group, call.result), None)
            if one := self.find(group, call.result, call.beside):
                if one.kind == "UNIX":
                    one.kind = "UNIX-DGRAM" if "SOCK_DGRAM" in call.args[1] else "UNIX-STREAM"
                event.socket, event.fd = one, call.result
                one.users.add(group)
                one.events.append(event)
        elif event.kind == "socketpair" and call.result == 0:
            for fd, beside in listed(call.args[3]):
                if one := self.find(group, fd, beside):
                    one.private = "SOCK_DGRAM" in call.args[1]
        elif call.name in EPOLLS:
            event.looks_at = [one for fd in awoke(call) if (one := self.table.get((group, fd)))]
        elif event.kind in DUPS and (call.result or -1) >= 0:
            self.hold(event.socket, (group, call.result))

    def forks(self, event):
        call, group = event.call, event.column.group
        if not call.result or call.result < 0:
            return None
        child = self.column(call.result)
        child.parent, child.born = event.column, call.start
        if "CLONE_THREAD" in " ".join(call.args):
            child.thread, child.group = True, group
        else:
            child.group = child.pid
            for (holder, fd), one in list(self.table.items()):
                if holder == group:
                    self.hold(one, (child.group, fd))
                    event.looks_at.append(one)
            event.passed = sorted(fd for holder, fd in self.table if holder == group)
        self.groups[child.pid] = child.group
        event.kind, event.child = "fork", child
        return event

    def hold(self, one, key):
        if old := self.table.get(key):
            old.holders.discard(key)
        self.table[key] = one
        one.holders.add(key)

    def release(self, event, key):
        """A descriptor is closed: is the socket, too?"""
        one = self.table.pop(key, None)
        if one is None:
            return
        one.holders.discard(key)
        if event.kind == "exit":
            if not one.holders:
                one.events.append(event)
                event.looks_at.append(one)
        event.last = not one.holders

    def find(self, group, fd, beside):
        """The socket that a descriptor of a process stands for; None if it is another thing."""
        kind, _, inside = beside.partition(":[")
        key = group, fd
        if kind not in KINDS:
            if beside or key not in self.table:
                if old := self.table.pop(key, None):
                    old.holders.discard(key)
                return None
            return self.table[key]
        number, here, there = where(kind, inside.removesuffix("]"))
        one = self.table.get(key)
        if one is None or not same(one, kind, number, here, there):
            one = next(
                (
                    each
                    for each in reversed(self.sockets)
                    if family(each.kind) == family(kind)
                    and each.holders
                    and (
                        number
                        and each.number == number
                        or there
                        and here == each.here
                        and there == each.there
                    )
                ),
                None,
            )
            if one is None:
                one = Socket(kind, number)
                self.sockets.append(one)
            self.hold(one, key)
        one.number = number or one.number
        # A server that binds every address has one of them here when somebody comes.
        one.here, one.there = here or one.here, there or one.there
        return one

    # ---- Who talks to whom

    def meet(self):
        """Finds the other end of each socket."""
        for one in self.sockets:
            if one.there and one.stream and not one.peer and not one.listens:
                self.marry(one, lambda other: opposite(one, other))
        # A client that only connects never says which port the kernel gave it: whoever was accepted
        # and belongs to nobody, in order.
        for one in self.sockets:
            if one.there and not one.here and one.stream and not one.peer:
                self.marry(one, lambda other: other.here == one.there and other.there)
                if one.peer:
                    one.here = one.peer.there

    def marry(self, one, fits):
        for other in self.sockets:
            if other is not one and not other.peer and fits(other):
                one.peer, other.peer = other, one
                break

    def choose(self):
        """Keeps what belongs to a conversation, and the columns that have some of it."""
        mute = {one for one in self.sockets if not self.speaks(one)}
        kept = []
        for event in self.events:
            sockets = [one for one in [event.socket, *event.looks_at] if one]
            if event.kind in ("exit", "fork", "signal"):
                kept.append(event)
            elif event.call.name in EPOLLS and (event.end is None or unknown(event.call)):
                kept.append(event)
            elif any(one not in mute for one in sockets):
                event.looks_at = [one for one in event.looks_at if one not in mute]
                if event.kind != "socketpair" and event.kind not in DUPS:
                    kept.append(event)
        own = {event.column for event in kept if event.socket}
        self.events = [
            event
            for event in kept
            if event.column in own
            and (event.kind != "fork" or event.child in own)
            and (
                event.kind != "exit"
                or event.call.result
                or event.looks_at
                or event.column.parent in own
            )
        ]
        for event in self.events:
            if event.column not in self.columns:
                self.columns.append(event.column)
            event.column.events.append(event)
        self.name_columns()

    def speaks(self, one):
        moved = any(event.size for event in one.events)
        if one.kind.startswith("TCP"):
            return True
        if one.kind == "UNIX-STREAM":
            if one.listens:
                return True
            paths = [
                strace.address(event.call.args[1])
                for event in one.events
                if event.kind == "connect" and len(event.call.args) > 1
            ]
            known = {other.here for other in self.sockets if other.listens}
            alone = one.peer and len(one.users | one.peer.users) == 1
            return bool(one.peer and not alone and (moved or one.peer.events)) or any(
                path in known for path in paths
            )
        return moved and not one.private and not one.there.endswith(":53")

    def name_columns(self):
        """The clients stand on the left, and each child beside its parent. The first column of a
        program has its name; the others are counted."""
        order = {pid: i for i, pid in enumerate(self.names)}

        def place(column):
            line = [column]
            while line[-1].parent and line[-1].pid not in self.names:
                line.append(line[-1].parent)
            root = line[-1].pid
            column.client = root in self.clients
            births = [self.by_pid[one.pid].born for one in line[::-1]]
            return not column.client, order.get(root, 0), births

        self.columns.sort(key=place)
        count = {}
        for column in self.columns:
            root = column
            while root.parent and root.pid not in self.names:
                root = root.parent
            if root is column:
                continue
            if root not in self.columns and not any(
                one.name == root.name for one in self.columns if one is not column
            ):
                column.name = root.name
            else:
                key = root.pid, column.thread
                count[key] = column.number = count.get(key, 0) + 1

    # ---- What crosses

    def pair(self):
        self.cuts = tcpdump.cuts(self.segments)
        streams = [one for one in self.sockets if one.stream and self.speaks(one)]
        for one in streams:
            self.pair_stream(one)
        self.pair_datagrams()
        for one in streams:
            self.pair_begin(one)
        ends = {one: self.pair_end(one) for one in streams if not one.listens}
        for one, arrows in ends.items():  # after a reset nobody sends an end
            both = arrows + ends.get(one.peer, [])
            reset = min((arrow.when for arrow in both if arrow.kind == "RST"), default=None)
            late = [
                a for a in arrows if a.kind == "FIN" and reset is not None and a.when > reset
            ]
            self.arrows = [arrow for arrow in self.arrows if arrow not in late]
        self.arrows.sort(key=lambda arrow: arrow.when)
        self.events.sort(key=lambda event: event.when)

    def outside(self, address):
        """The column of one who is not traced."""
        if address not in self.outsiders:
            self.outsiders[address] = Column(0, address or "?", outside=True)
            self.columns.insert(len(self.outsiders) - 1, self.outsiders[address])
        return self.outsiders[address]

    def other_column(self, one):
        """Where what is sent on a socket goes."""
        if one.peer and one.peer.column:
            return one.peer.column
        for other in self.sockets:  # it stands in the backlog
            if other.listens and listens_at(other, one.there) and other.column:
                return other.column
        return self.outside(one.there)

    def pair_stream(self, one):
        """The bytes that were sent on a socket: each on one arrow."""
        gave = [event for event in one.events if event.kind == "send" and event.size]
        took = [
            event
            for event in (one.peer.events if one.peer else [])
            if event.kind == "take" and event.size and not peeks(event.call)
        ]
        gave.sort(key=lambda event: event.start)
        took.sort(key=lambda event: event.end)
        if not one.peer:
            for event in one.events:
                if event.kind == "take" and event.size:
                    self.draw(
                        "bytes",
                        None,
                        event,
                        self.other_column(one),
                        event.column,
                        event.data,
                        event.size,
                    )
        cuts = [place for place in self.cuts.get((one.here, one.there), [])]
        ends_of_takes, position = [], 0
        for event in took:
            ends_of_takes.append((position, position + event.size, event))
            position += event.size
        position = 0
        for event in gave:
            start, end = position, position + event.size
            position = end
            while start < end:
                inside = next((t for t in ends_of_takes if t[0] <= start < t[1]), None)
                cut = next((place for place in cuts if start < place < end), end)
                stop = min(end, cut, inside[1] if inside else end)
                target = inside[2] if inside else None
                at = start - (position - event.size)
                data = event.data[at : at + stop - start]
                if not data and target:
                    data = target.data[start - inside[0] : stop - inside[0]]
                goal = target.column if target else self.other_column(one)
                self.draw("bytes", event, target, event.column, goal, data, stop - start)
                start = stop
        for start, end, event in ends_of_takes:  # what was sent before we looked
            if end > position:
                size = end - max(start, position)
                self.draw(
                    "bytes",
                    None,
                    event,
                    one.column or self.outside(one.here),
                    event.column,
                    event.data[-size:],
                    size,
                )

    def draw(self, kind, source, target, origin, goal, data=b"", size=0):
        arrow = Arrow(kind, source, target, origin, goal, size, data)
        if source and target and target.end is not None and target.end <= source.start:
            target.call.end = source.start + 1e-6  # nothing is taken before it is sent
        arrow.when = source.start if source else target.end
        arrow.lost = kind == "bytes" and target is None and not goal.outside
        if source and source.passed:
            arrow.passed = [
                (fd, target.passed[i][0] if target and i < len(target.passed) else None, beside)
                for i, (fd, beside) in enumerate(source.passed)
            ]
        self.arrows.append(arrow)
        return arrow

    def pair_datagrams(self):
        """A datagram is the same bytes, a little later, at the address it was sent to."""
        gave, took = (
            [
                event
                for event in self.events
                if event.kind == kind
                and event.socket
                and not event.socket.stream
                and event.call.result is not None
                and event.call.result >= 0
            ]
            for kind in ("send", "take")
        )
        took.sort(key=lambda event: event.end)
        for event in sorted(gave, key=lambda event: event.start):
            goal = sent_to(event)
            match = next(
                (
                    one
                    for one in took
                    if one.end > event.start - EARLY
                    and one.socket is not event.socket
                    and one.data == event.data[: one.size]
                    and (not goal or not one.socket.here or listens_at(one.socket, goal))
                ),
                None,
            )
            if match:
                took.remove(match)
                self.draw(
                    "bytes", event, match, event.column, match.column, event.data, event.size
                )
            else:
                owner = next(
                    (
                        one
                        for one in self.sockets
                        if one.column
                        and not one.stream
                        and one is not event.socket
                        and listens_at(one, goal)
                    ),
                    None,
                )
                self.draw(
                    "bytes",
                    event,
                    None,
                    event.column,
                    owner.column if owner else self.outside(goal),
                    event.data,
                    event.size,
                )
        for event in took:
            self.draw(
                "bytes",
                None,
                event,
                self.outside(event.socket.there),
                event.column,
                event.data,
                event.size,
            )

    def pair_begin(self, one):
        """The SYN: from connect to the accept that gave the other end."""
        began = next((event for event in one.events if event.kind == "connect"), None)
        if not began or began.call.error not in ("", "EINPROGRESS"):
            return
        accepted = next(
            (
                event
                for event in (one.peer.events if one.peer else [])
                if event.kind == "accept"
            ),
            None,
        )
        goal = accepted.column if accepted else self.other_column(one)
        self.draw("SYN", began, accepted, began.column, goal)

    def pair_end(self, one):
        """The FIN or the RST of one side, to the call that hears of it. Returns these arrows."""
        events = sorted(one.events, key=lambda event: event.start)
        hears = sorted(one.peer.events if one.peer else [], key=lambda event: event.when)
        heard_end = next(
            (e for e in hears if e.kind == "take" and e.call.result == 0 and e.asked != "0"),
            None,
        )
        heard_reset = next(
            (
                e
                for e in hears
                if e.call.error in ("ECONNRESET", "EPIPE") and e.kind in ("take", "send")
            ),
            None,
        )
        half = next(
            (
                e
                for e in events
                if e.kind == "shutdown" and e.asked in ("WR", "RDWR") and e.call.result == 0
            ),
            None,
        )
        final = next((e for e in events if e.kind in ("close", "exit") and e.last), None)
        goal = self.other_column(one) if (half or final) else None
        found = []
        if half:
            found.append(self.draw("FIN", half, heard_end, half.column, goal))
        if final:
            unread = one.peer and any(
                arrow.lost and arrow.source.socket is one.peer and arrow.when < final.start
                for arrow in self.arrows
                if arrow.source
            )
            flags = "".join(
                segment.flags
                for segment in self.segments
                if (segment.source, segment.target) == (one.here, one.there)
            )
            seen = "R" in flags and "F" not in flags
            if one.abrupt or unread or (heard_reset and not heard_end and not half and seen):
                return [*found, self.draw("RST", final, heard_reset, final.column, goal)]
            if not half:
                found.append(self.draw("FIN", final, heard_end, final.column, goal))
        # Who is spoken to after a close answers with a reset, and no call of a program sends it.
        if heard_reset and final and final.start < heard_reset.when:
            found.append(self.draw("RST", None, heard_reset, final.column, heard_reset.column))
        return found

    # ---- The states of TCP

    def follow_states(self):
        """[(when, column, state)], where a capture tells."""
        for when, here, there, state in tcpdump.states(self.segments):
            one = next((s for s in self.sockets if s.here == here and s.there == there), None)
            if one and one.events and state != "SYN-RECEIVED":
                before = [event for event in one.events if event.start <= when]
                column = (before[-1] if before else one.events[0]).column
                self.states.append((when, column, state))


# ---- Arguments


def content(call):
    """(bytes of a call that sends or takes, how many it was about)."""
    name, args = call.name, call.args
    if name in ("sendfile", "splice"):
        return b"", args[3 if name == "sendfile" else 4] if len(args) > 3 else ""
    if len(args) < 2:
        return b"", ""
    if name in (
        "sendmsg",
        "recvmsg",
        "sendmmsg",
        "recvmmsg",
        "writev",
        "readv",
        "preadv",
        "pwritev",
    ):
        bases = re.findall(r'iov_base=("(?:[^"\\]|\\.)*"|\S+?), iov_len=(\d+)', args[1])
        data = b"".join(strace.string(base)[0] for base, _ in bases)
        asked = "+".join(size for _, size in bases[:3]) + ("+…" if len(bases) > 3 else "")
        return data, asked
    return strace.string(args[1])[0], args[2] if len(args) > 2 else ""


def peeks(call):
    return any("MSG_PEEK" in argument for argument in call.args[2:])


def listed(text):
    """[(descriptor, what is beside it)] of `3<TCP:[...]> 5<...>`, with or without commas."""
    return [
        (int(fd), beside[1:-1]) for fd, beside in re.findall(rf"(\d+)({strace.BESIDE})?", text)
    ]


def passed(text):
    """The descriptors that a message carries (SCM_RIGHTS)."""
    found = re.search(rf"SCM_RIGHTS, cmsg_data=\[((?:\d+(?:{strace.BESIDE})?(?:, )?)*)\]", text)
    return listed(found[1]) if found else []


def watched(call):
    """The descriptors that a call waits for, and for what: IN, OUT, IN|OUT."""
    if call.name in ("poll", "ppoll") and call.args:
        for entry in strace.parts(call.args[0]) if call.args[0].startswith("[") else []:
            if entry.startswith("{"):
                known = strace.fields(entry)
                ways = re.findall(r"POLL(IN|OUT)\b", known.get("events", ""))
                yield *strace.descriptor(known.get("fd", "")), "|".join(ways)
    elif call.name in ("select", "pselect6"):
        for argument, way in zip(call.args[1:4], ("IN", "OUT", "EXCEPT")):
            if argument.startswith("["):
                for fd, beside in listed(argument[1:-1]):
                    yield fd, beside, way


def awoke(call):
    """What an epoll_wait found, where a program has its descriptors in the data."""
    return [int(data) for data in re.findall(r"data={?(?:u32=)?(\d+)", "".join(call.args[1:2]))]


def unknown(call):
    """Whether a program has something else there, an address perhaps."""
    return any(data > 1 << 20 for data in awoke(call))


def sent_to(event):
    """The address that a datagram was sent to."""
    args = event.call.args
    named = strace.address(args[4]) if event.call.name == "sendto" and len(args) > 4 else ""
    if event.call.name == "sendmsg" and len(args) > 1:
        named = strace.address(args[1].partition("msg_iov=")[0])
    return plain(named) or event.socket.there


def plain(address):
    """IPv4 in the clothes of IPv6 is IPv4."""
    return re.sub(r"\[::ffff:([\d.]+)\]", r"\1", address)


def where(kind, inside):
    """(inode, here, there) of what stands between the brackets."""
    if kind.startswith("UNIX"):
        numbers, _, path = inside.partition(",")
        number, _, other = numbers.partition("->")
        other = "" if other == "0" else other  # nobody has accepted it yet
        return number, strace.string(path.lstrip("@"))[0].decode(errors="replace"), other
    if inside.isdigit():
        return inside, "", ""
    here, _, there = inside.partition("->")
    return "", plain(here), plain(there)


def family(kind):
    return kind.partition("-")[0]


def same(one, kind, number, here, there):
    """Whether a descriptor still stands for the socket that it stood for."""
    if family(one.kind) != family(kind) or number and one.number and number != one.number:
        return False
    return kind.startswith("UNIX") or not (there and one.there and there != one.there)


def opposite(one, other):
    if one.kind.startswith("UNIX"):
        known = one.there == other.number and other.there in (one.number, "")
        return known and family(one.kind) == family(other.kind)
    return bool(one.here) and one.here == other.there and one.there == other.here


def listens_at(one, address):
    """Whether a socket is found at an address; one that is bound to all is."""
    host, _, port = one.here.rpartition(":")
    return one.here == address or (
        bool(port) and host in ("0.0.0.0", "[::]") and address.endswith(":" + port)
    )
