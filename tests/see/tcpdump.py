"""What tcpdump writes, as segments of TCP, and the states that they bring both ends to.

    tcpdump -i lo -n -tt -S -l --immediate-mode 'tcp port 9090'

writes one line for each: `SECONDS IP SOURCE > DESTINATION: Flags [P.], seq FIRST:LAST, ...`.
"""

import re
from collections import namedtuple

WORDS = ["tcpdump", "-i", "lo", "-n", "-tt", "-S", "-l", "--immediate-mode"]

LINE = re.compile(
    r"(\d+\.\d+) (?:\S+ +(?:In|Out) +)?IP6? (\S+)\.(\d+) > (\S+)\.(\d+): Flags \[([^\]]*)\]"
    r"(?:,(?: cksum [^,]*,)? seq (\d+)(?::(\d+))?)?(?:, ack (\d+))?"
)

Segment = namedtuple("Segment", "when source target flags seq ack size")


def read(lines):
    """The segments in lines of tcpdump."""
    found = []
    for line in lines:
        if match := LINE.match(line):
            when, host, port, to_host, to_port, flags, first, last, ack = match.groups()
            size = int(last) - int(first) if last else 0
            found.append(
                Segment(
                    float(when),
                    name(host, port),
                    name(to_host, to_port),
                    flags,
                    int(first or 0),
                    int(ack or 0),
                    size,
                )
            )
    return found


def name(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cuts(segments):
    """{(source, target): where in the stream of its bytes a segment ends, in order}."""
    begins, ends = {}, {}
    for one in segments:
        way = one.source, one.target
        if "S" in one.flags:
            begins[way], ends[way] = one.seq + 1, set()
        elif one.size and way in begins:
            ends[way].add((one.seq + one.size - begins[way]) % 2**32)
    return {way: sorted(places) for way, places in ends.items()}


# RFC 9293, figure 5: the next state of an end, by what happens to it.
FIN_SENT = {"ESTABLISHED": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}
FIN_RECEIVED = {
    "ESTABLISHED": "CLOSE-WAIT",
    "FIN-WAIT-1": "CLOSING",
    "FIN-WAIT-2": "TIME-WAIT",
}
FIN_ACKNOWLEDGED = {"FIN-WAIT-1": "FIN-WAIT-2", "LAST-ACK": "CLOSED", "CLOSING": "TIME-WAIT"}


def states(segments):
    """[(when, end, other end, state)]: what each segment makes of the two ends (RFC 9293, figure 5),
    in order. The side that only waits for its `accept` is ESTABLISHED all the same: the kernel has
    shaken hands for it."""
    now, fins, changes = {}, {}, []

    def becomes(one, end, other, state):
        if now.get((end, other)) != state:
            now[end, other] = state
            changes.append((one.when, end, other, state))

    def moves(one, ends, after):
        if state := after.get(now.get(ends)):
            becomes(one, *ends, state)

    for one in segments:
        here, there = (one.source, one.target), (one.target, one.source)
        if "R" in one.flags:
            becomes(one, *here, "CLOSED")
            becomes(one, *there, "CLOSED")
        elif "S" in one.flags:
            becomes(one, *here, "SYN-RECEIVED" if one.ack else "SYN-SENT")
            if one.ack:
                becomes(one, *there, "ESTABLISHED")
            continue
        elif now.get(here) == "CLOSED":
            continue
        if now.get(there) == "SYN-RECEIVED":
            becomes(one, *there, "ESTABLISHED")
        # The FIN of the other end, acknowledged?
        if there in fins and (one.ack - fins[there]) % 2**32 < 2**31:
            moves(one, there, FIN_ACKNOWLEDGED)
        if "F" in one.flags and here not in fins:
            fins[here] = one.seq + one.size + 1
            moves(one, here, FIN_SENT)
            moves(one, there, FIN_RECEIVED)
    return changes
