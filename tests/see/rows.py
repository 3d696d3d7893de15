"""The rows of a ladder, from top to bottom: what each says, and between which of them the arrows go.
Both drawings, text.py and svg.py, are made of these.

A call that waits while others act has two rows, one where it begins and one where it returns. A
silence is folded into one row that says how long it was. Where there are thousands of calls, the
plain ones in the middle are summed up: one row for each column, and their arrows joined.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field

from exchange import EPOLLS, Arrow, Column, Event
from words import Say, boundary, number, readable

MOST = 160  # rows; a ladder with more is summed up
AROUND = 5  # rows at either end of what is summed up that are kept
SILENCE = 0.1  # seconds that are folded
MEMBERS = 5  # of what poll and select are asked about, that are named
LONG = 0.02  # seconds after which any call has waited


@dataclass(eq=False)
class Row:
    when: float
    kind: str  # whole, begins, returns, state, sum, silence
    column: Column = None
    event: Event = None
    text: str = ""
    lasts: float = 0  # a silence
    events: list = field(default_factory=list)  # what is summed up
    leaves: list = field(default_factory=list)  # arrows
    comes: list = field(default_factory=list)
    takes: list = field(default_factory=list)  # the numbers of arrows that came long before
    brief: str = ""  # the text, where there is little room


@dataclass(eq=False)
class Line:
    """An arrow, or many of one kind, between two rows."""

    arrow: Arrow
    source: Row = None
    target: Row = None
    count: int = 0
    size: int = 0
    number: int = 0  # it has one when it is taken long after it was sent


@dataclass
class Ladder:
    columns: list
    rows: list
    lines: list
    totals: list  # what went from whom to whom, in words
    zero: float  # when the clock starts: the first connect


def ladder(exchange, most=MOST):
    columns = [column for column in exchange.columns]
    events = exchange.events
    rows = [row for event in events for row in rows_of(event, events)]
    rows += [Row(when, "state", column, text=state) for when, column, state in calm(exchange)]
    rows.sort(key=lambda row: row.when)
    rows = sum_up(rows, most)
    home = {}
    for row in rows:
        for event in row.events or ([row.event] if row.event else []):
            anchor = event.kind in ("take", "look", "accept")
            if row.kind in ("whole", "sum") or row.kind == ("returns" if anchor else "begins"):
                home.setdefault(event, row)
    lines = connect(exchange, home)
    began = [arrow.when for arrow in exchange.arrows if arrow.kind == "SYN"]
    began = began or [event.start for event in events if event.column.client]
    zero = min(began or [event.when for event in events], default=0)
    number_late(rows, lines)
    rows = fold(rows, zero)
    for row in rows:
        row.brief = row.text or says(row, brief=True)
        row.text = row.text or says(row)
    return Ladder(columns, rows, lines, totals(exchange), zero)


def rows_of(event, events):
    """One row, or two where the call waits while others act."""
    if waits(event, events):
        yield Row(event.start, "begins", event.column, event)
        if event.end is not None:
            yield Row(event.end, "returns", event.column, event)
    else:
        yield Row(event.when, "whole", event.column, event)


def waits(event, events):
    if event.kind not in ("take", "look", "accept", "connect", "send"):
        return False
    if event.end is None or event.end - event.start > LONG:
        return True
    if event.kind in ("connect", "send"):
        return False
    key = lambda one: one.when
    between = events[
        bisect_right(events, event.start, key=key) : bisect_left(events, event.end, key=key)
    ]
    return any(one.column is not event.column for one in between)


def calm(exchange):
    """The states of TCP, without those that the next one replaces before a call notices."""
    times = [event.when for event in exchange.events]
    kept = []
    for when, column, state in exchange.states:
        for i, (before, where, _) in enumerate(kept):
            if where is column and bisect_left(times, before) == bisect_left(times, when):
                del kept[i]
                break
        if state not in ("SYN-SENT",):
            kept.append((when, column, state))
    return kept


# ---- Too much for a page


def plain(row):
    """Whether a row is one of thousands: bytes that move, or a look for some."""
    return row.kind != "state" and row.event.kind in ("send", "take", "look")


def usual(row):
    """The same, and nothing was amiss."""
    event = row.event
    ended = event.kind == "take" and event.call.result == 0
    return plain(row) and not (event.call.error or ended or is_part(event))


def sum_up(rows, most):
    """First what is usual is summed up; if that does not do, all that is plain but for the first of
    each kind; at last the middle, whatever it is."""
    if len(rows) <= most:
        return rows
    seen, firsts = set(), set()
    for row in rows:
        if plain(row) and not usual(row) and row.kind != "begins":
            event = row.event
            kind = event.column, event.kind, event.call.error, is_part(event)
            if kind not in seen:
                firsts.add(event)
            seen.add(kind)
    shorter = summed(rows, usual, AROUND)
    if len(shorter) > most:
        shorter = summed(rows, lambda row: plain(row) and row.event not in firsts, 2)
    if len(shorter) > most:
        shorter = summed(rows, lambda row: True, most // 2 - 10)
    return shorter


def summed(rows, test, around):
    """The rows, with the middle of each long run of those that pass the test summed up."""
    result, run = [], []
    for row in [*rows, None]:
        if row and (row.kind == "state" or test(row)):
            run.append(row)
            continue
        if len(run) > 2 * around + 4:
            run = run[:around] + sums(run[around:-around]) + run[-around:]
        result += run + ([row] if row else [])
        run = []
    return result


def sums(rows):
    """A row for each column that says what was in these. A column that has few keeps them."""
    many = {
        column for column, count in Counter(row.column for row in rows).items() if count > 4
    }
    found, kept = {}, []
    for row in rows:
        if row.kind == "state" or row.column not in many:
            kept.append(row)
            continue
        one = found.setdefault(row.column, Row(row.when, "sum", row.column, events={}))
        one.events[row.event] = None  # once, although it may have two rows
    for one in found.values():
        one.events = list(one.events)
    return [*found.values(), *kept]


def fold(rows, zero):
    """Says how long it was where nobody did anything for long."""
    result, busy = [], zero
    for row in rows:
        if row.when - busy > SILENCE:
            result.append(Row(busy, "silence", lasts=row.when - busy))
        result.append(row)
        busy = max([busy, row.when, *(e.start for e in row.events if not in_vain(e))])
    return result


def in_vain(event):
    """Whether nothing came of a call: many of these are a silence, too."""
    return event.call.error == "EAGAIN" or event.kind == "look" and event.call.result == 0


# ---- Arrows between rows


def connect(exchange, home):
    joined = {}
    for event in exchange.events:
        if event.kind == "fork":
            arrow = Arrow("fork", event, None, event.column, event.child, when=event.start)
            row = home.get(event)
            joined[id(arrow)] = Line(arrow, row, None, 1)
            row.leaves.append(joined[id(arrow)])
    for arrow in exchange.arrows:
        source, target = home.get(arrow.source), home.get(arrow.target)
        many = source and source.kind == "sum" or target and target.kind == "sum"
        key = (
            (id(source), id(target), arrow.kind, id(arrow.origin), id(arrow.goal), arrow.lost)
            if many
            else id(arrow)
        )
        if key not in joined:
            joined[key] = Line(arrow, source, target)
            if source:
                source.leaves.append(joined[key])
            if target:
                target.comes.append(joined[key])
        joined[key].count += 1
        joined[key].size += arrow.size
    return list(joined.values())


def number_late(rows, lines):
    """An arrow whose end is far from its beginning has a number, at both."""
    place = {id(row): i for i, row in enumerate(rows)}
    count = 0
    for line in sorted(lines, key=lambda line: line.arrow.when):
        if line.source and line.target:
            between = rows[place[id(line.source)] + 1 : place[id(line.target)]]
            busy = [
                row
                for row in between
                if row.column is line.target.column
                and row.event is not line.target.event
                and row.event
                and row.event.kind != "look"
            ]
            if busy or len(between) > 6:
                count += 1
                line.number = count
                line.target.takes.append(count)


# ---- Bands: what stands side by side


@dataclass(eq=False)
class Band:
    """One line of the drawing: rows of several columns, or an arrow, or a silence."""

    lives: set  # columns
    waits: set  # columns that are in a call at this height
    rows: list = field(default_factory=list)
    line: Line = None
    silence: Row = None


def bands(ladder):
    """The ladder, cut into bands from top to bottom."""
    lives = set(ladder.columns) - {
        line.arrow.goal for line in ladder.lines if line.arrow.kind == "fork"
    }
    waits, result, open_band = set(), [], None
    for row in ladder.rows:
        for line in row.comes:
            if not line.source:
                result.append(Band(set(lives), set(waits), line=line))
                open_band = None
        if row.kind == "silence":
            result.append(Band(set(lives), set(waits), silence=row))
            open_band = None
            continue
        if row.kind != "state":
            waits.discard(row.column)
        beside = row.kind in ("begins", "state", "sum") and open_band
        if not beside or any(one.column is row.column for one in open_band.rows):
            open_band = Band(set(lives), set(waits))
            result.append(open_band)
        open_band.rows.append(row)
        if row.kind == "begins":
            waits.add(row.column)
        if row.event and row.event.kind == "exit":
            lives.discard(row.column)
        for line in row.leaves:
            if line.arrow.kind == "fork":
                lives.add(line.arrow.goal)
            result.append(Band(set(lives), set(waits), line=line))
            open_band = None
    return result


# ---- Words

NOT_TCP = {  # what it is called where there are no segments
    "SYN": "connect",
    "FIN": Say("fin", "end"),
    "RST": "reset",
}


def octets(size):
    return f"{number(size)} {Say('o', 'B')}"


def circled(value):
    return chr(0x2460 + value - 1) if value <= 20 else f"({value})"


def label(line, room):
    """What stands on an arrow, in at most so many characters."""
    arrow = line.arrow
    if arrow.kind == "fork":
        fds = ", ".join(map(str, arrow.source.passed))
        what = "thread" if arrow.goal.thread else "fork"
        return (
            f"{what} {Say('copie', 'copies')} {fds}" if fds and len(fds) + 14 < room else what
        )
    if arrow.kind != "bytes":
        ours = arrow.source or arrow.target
        unix = any(one.kind.startswith("UNIX") for one in [ours.socket, *ours.looks_at] if one)
        return str(NOT_TCP[arrow.kind]) if unix else arrow.kind
    ending = ""
    for here, there, beside in arrow.passed:
        ending += f" + fd {here} → {there if there is not None else '?'}"
    lost = f" {Say('jamais lu', 'never read')}" if arrow.lost else ""
    all_lost = f" {Say('jamais lus', 'never read')}" if arrow.lost else ""  # so many bytes
    if line.count > 1 or not arrow.data:
        many = f" {Say('en', 'in')} {number(line.count)}" if line.count > 1 else ""
        return f"{octets(line.size)}{many}{ending}{all_lost}"
    text = f'"{readable(arrow.data)}"{ending}{lost}'
    if len(text) <= room and len(arrow.data) == arrow.size:
        return text
    ending = f" {octets(arrow.size)}{ending}{all_lost}"
    size = min(len(arrow.data), room)
    while (
        size > 0
        and len(readable(arrow.data[: boundary(arrow.data, size)])) + 3 + len(ending) > room
    ):
        size -= 1
    start = arrow.data[: boundary(arrow.data, size)]
    return f'"{readable(start)}…"{ending}' if start else ending.strip()


def name(column):
    if column.number:
        what = "thread" if column.thread else Say("fils", "child")
        return f"{what} {column.number}"
    return str(column.name)


def duration(seconds):
    if seconds >= 1:
        return f"{number(seconds, 1)} s"
    return f"{number(1000 * seconds, 0 if seconds >= 0.01 else 1)} ms"


def says(row, brief=False):
    """What a row says of its call: as it stands in a program, with its result."""
    if row.kind == "silence":
        return str(Say("rien pendant {}", "nothing for {}")).format(duration(row.lasts))
    if row.kind == "sum":
        moved = sum(event.size for event in row.events)
        if brief:
            calls = Say("… {} appels", "… {} calls").format_plain(number(len(row.events)))
            failed = Counter(event.call.error for event in row.events if event.call.error)
            errors = [f"{number(count)} {error}" for error, count in failed.most_common(1)]
            return ", ".join([calls, *errors, octets(moved)])
        names = Counter(kind_of(event) for event in row.events)
        counts = ", ".join(f"{number(count)} {each}" for each, count in names.most_common(4))
        return f"… {counts}" + (f"{Say(' : ', ': ')}{octets(moved)}" if moved else "")
    event = row.event
    call, kind = event.call, event.kind
    if row.kind == "begins":
        return asks(event, brief) + " …"
    result = outcome(event)
    if row.kind == "returns" or brief and call.error:
        return f"{short(call.name, call)} {result}"
    return f"{asks(event, brief)} {result}".rstrip()


def kind_of(event):
    """A word or two for one of many."""
    what = short(event.call.name, event.call)
    if event.call.error or is_part(event):
        return f"{what} {event.call.error or Say('une partie', 'a part')}"
    return what


def short(called, call):
    """The name as it stands in a program: send is sendto without an address."""
    if called in ("sendto", "recvfrom") and (len(call.args) < 5 or call.args[4] == "NULL"):
        return {"sendto": "send", "recvfrom": "recv"}[called]
    return {"accept4": "accept", "pselect6": "select", "clone": "fork", "clone3": "fork"}.get(
        called, called
    )


def asks(event, brief):
    """A call as it stands in a program, with what matters of its arguments."""
    call, kind, fd = event.call, event.kind, event.fd
    called = short(call.name, call)
    if kind in ("send", "take"):
        return (
            f"{called}({fd}, {event.asked})" if event.asked and not brief else f"{called}({fd})"
        )
    if kind == "look":
        ways = {fd: "|".join(found) for fd, found in sorted(event.fds.items())}
        fds = [f"{fd} {way}" if way not in ("IN", "") else str(fd) for fd, way in ways.items()]
        few = len(fds) <= (2 if brief else MEMBERS)
        asked = f"{{{', '.join(fds)}}}" if few else f"{len(fds)} fd"
        return f"{called}({asked})" if fds else f"{called}()"
    if kind in ("connect", "bind"):
        where = event.socket.there if kind == "connect" else event.socket.here
        if event.socket.kind.startswith("UNIX"):
            where = event.socket.here if kind == "bind" else ""
            where = where.rpartition("/")[2]
        elif brief:
            where = ":" + where.rpartition(":")[2] if kind == "bind" else ""
        return f"{called}({fd}{', ' + where if where else ''})"
    if kind == "socket":
        return f"socket({event.socket.kind.removesuffix('v6')})"
    if kind == "shutdown":
        return f"shutdown({fd}, {event.asked})"
    if kind == "fork":
        return "clone()" if event.child.thread else "fork()"
    if kind == "exit":
        if call.error:
            return str(Say("tué par {}", "killed by {}")).format(call.error)
        return f"exit {call.result}"
    if kind == "signal":
        return call.name
    return f"{called}({fd})"


def outcome(event):
    call, kind = event.call, event.kind
    if kind in ("exit", "signal"):
        return ""
    if call.end is None:
        return "…"
    if call.error.startswith("ERESTART"):
        return f"= {Say('interrompu', 'interrupted')}"
    if call.error:
        return f"= {call.error}"
    if kind == "look":
        return f"= {ready(event)}"
    if kind == "take" and call.result == 0 and event.socket.stream and event.asked != "0":
        return f"= 0 {Say('fin', 'end')}"
    if kind in ("send", "take") and event.fd is not None and call.result is not None:
        return f"= {call.result}{Say(' une partie', ' a part') if is_part(event) else ''}"
    if kind == "fork":
        return f"= {name(event.child)}"
    if kind in ("accept", "socket"):
        return f"= {call.result}"
    if kind == "connect":
        return "= 0"
    return ""


def is_part(event):
    """Whether the kernel took less than it was given."""
    return event.kind == "send" and event.asked.isdigit() and 0 < event.size < int(event.asked)


def ready(event):
    """What a poll or a select found."""
    call = event.call
    if not call.result:
        return f"0 {Say('délai écoulé', 'timed out')}"
    found = []
    if call.name in ("poll", "ppoll"):
        for fd, what in re.findall(r"fd=(\d+)(?:<.*?>)?, revents=([\w|]+)", call.detail):
            found.append(f"{fd} {what.replace('POLL', '').replace('RDNORM', '').strip('|')}")
    elif call.name in ("select", "pselect6"):
        for way, fds in re.findall(r"(in|out|except) \[([^\]]*)\]", call.detail):
            found += [
                f"{fd} {way.upper()}" for fd in re.findall(r"(?<![\w.:])(\d+)(?=[\s<]|$)", fds)
            ]
    elif call.args and len(call.args) > 1:
        for what, fd in re.findall(r"events=([\w|]+), data=\{u32=(\d+)", call.args[1]):
            found.append(f"{fd} {what.replace('EPOLL', '')}")
    return ", ".join(found[:3]) + (" …" if len(found) > 3 else "") or str(call.result)


def totals(exchange):
    """How many bytes went each way, and how many of them nobody took."""
    found = {}
    for arrow in exchange.arrows:
        if arrow.size:
            way = found.setdefault((arrow.origin, arrow.goal), [0, 0])
            way[0] += arrow.size
            way[1] += arrow.size * arrow.lost
    never = Say("dont {} jamais lus", "{} of them never read")
    return [
        f"{name(origin)} → {name(goal)} {octets(size)}"
        + (f" ({never.format_plain(number(lost))})" if lost else "")
        for (origin, goal), (size, lost) in found.items()
    ]


def clock(row, ladder):
    """Milliseconds since the first connect (without any, a client's first call)."""
    since = 1000 * (row.when - ladder.zero)
    return number(since, 1 if since < 999 else 0) if since >= 0 else ""


def tint(row):
    """ "bad", "dim" or "": how a row is coloured."""
    event = row.event
    if (
        event
        and row.kind != "begins"
        and (
            event.kind == "signal"
            or event.kind == "exit"
            and event.call.result != 0
            or event.call.error not in ("", "EAGAIN", "EINPROGRESS")
        )
    ):
        return "bad"
    return "dim" if row.kind in ("state", "begins", "sum") else ""


def is_bad(line):
    return line.arrow.lost or line.arrow.kind == "RST"
