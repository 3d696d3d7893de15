"""What strace writes, as calls: who made them, when, with which arguments, and what came of them.

    strace -f -yy -T -s 4096 --absolute-timestamps=format:unix,precision:us -o FILE ...

writes one line for each call, `PID SECONDS NAME(ARGUMENTS) = RESULT <DURATION>`; a call that waits
while others go on is two lines, `NAME(... <unfinished ...>` and `<... NAME resumed>...`. With -yy it
says beside each descriptor what is open on it: 5<TCP:[127.0.0.1:9090->127.0.0.1:50001]>.
"""

import re
from dataclasses import dataclass, field

# What `see` has strace write down: what is said and heard, and what makes or ends who says it.
CALLS = (
    "%network,read,write,readv,writev,preadv,pwritev,splice,sendfile,close,dup,dup2,dup3,"
    "poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,epoll_pwait2,fork,vfork,clone,clone3,exit,exit_group"
)
KNOWN_TO_ALL = ",".join(name if name[0] == "%" else "?" + name for name in CALLS.split(","))
WORDS = [
    *("strace", "-f", "-yy", "-T", "-s", "4096"),
    *("--absolute-timestamps=format:unix,precision:us", "-e", "trace=" + KNOWN_TO_ALL),
]

LINE = re.compile(r"(?:(\d+) +)?(\d+\.\d+) (.*)", re.S)
BESIDE = r"<(?:[\w-]+:\[.*?\]|[^<>]*(?:<[^<>]*>)?)>"  # what stands beside a descriptor
TOKEN = re.compile(rf'"(?:[^"\\]|\\.)*"|(?<=\w){BESIDE}|/\*.*?\*/|.', re.S)
RESULT = re.compile(rf"\s*= (-?\d+|0x[0-9a-f]+|\?)({BESIDE})?(?: (E\w+))?(?: \((.*)\))?$")
DURATION = re.compile(r" <(\d+\.\d+)>$")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')
ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.S)
NAMED = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}


@dataclass
class Call:
    pid: int
    start: float
    end: float | None  # None: it had not returned when we stopped looking
    name: str
    args: list[str] = field(default_factory=list)
    result: int | None = None  # None: it has not returned, or it does not (exit)
    error: str = ""  # EAGAIN, ERESTARTSYS ...
    beside: str = ""  # what is open on the descriptor that came back
    detail: str = ""  # what stands in parentheses after the result


def read(lines):
    """The calls in lines of strace, in the order they began; a signal is a call named by it
    ("SIGPIPE"), the end of a process one named "exit"."""
    calls, begun, leaves = [], {}, {}
    for line in lines:
        if not (parts := LINE.match(line.rstrip("\n"))):
            continue
        pid, when, text = int(parts[1] or 0), float(parts[2]), parts[3]
        if text.startswith(("<... exit ", "<... exit_group ")):
            continue
        if text.startswith("<... "):
            call = begun.pop(pid, None)
            if call is None:  # it had begun before we looked
                name = text[5:].split()[0]
                call, before = Call(pid, when, None, name), name + "("
                calls.append(call)
            else:
                before = call.detail
            rest = text[text.index(">") + 1 :].lstrip(" ")
            if not rest.startswith("<unfinished"):
                finish(call, before + rest, when)
            else:
                begun[pid] = call
        elif text.startswith("--- "):
            calls.append(Call(pid, when, when, text.split()[1]))
        elif text.startswith("+++ "):
            how = re.search(r"exited with (\d+)|killed by (SIG\w+)", text)
            if how:
                status = int(how[1]) if how[1] else None
                begins = leaves.pop(pid, when)  # what it had open is closed from here on
                calls.append(Call(pid, begins, when, "exit", result=status, error=how[2] or ""))
        elif text.startswith(("exit(", "exit_group(")):
            leaves[pid] = when
        elif text.endswith("<unfinished ...>"):
            call = Call(pid, when, None, text.partition("(")[0])
            call.detail = text.removesuffix("<unfinished ...>").rstrip(" ")
            begun[pid] = call
            calls.append(call)
        elif "(" in text:
            call = Call(pid, when, when, text.partition("(")[0])
            finish(call, text, None)
            calls.append(call)
    for call in begun.values():
        call.args, _ = arguments(call.detail.partition("(")[2])
        call.detail = ""
    return sorted(calls, key=lambda call: call.start)


def finish(call, text, when):
    """Fills in a call whose text is whole. `when` it returned; None: start and duration say it."""
    duration = DURATION.search(text)
    text = text[: duration.start()] if duration else text
    if when is None:
        when = call.start + (float(duration[1]) if duration else 0)
    call.args, rest = arguments(text.partition("(")[2])
    if resumed := re.search(r"resuming interrupted (\w+)", text):
        call.name, call.args = resumed[1], []
    call.end, call.detail = when, ""
    if found := RESULT.match(rest):
        call.result = None if found[1] == "?" else int(found[1], 0)
        call.beside, call.error = (found[2] or "")[1:-1], found[3] or ""
        call.detail = found[4] or ""


def arguments(text):
    """(the arguments, what follows their closing parenthesis) of the text after the opening one."""
    found, depth, start, at = [], 0, 0, 0
    for token in TOKEN.finditer(text):
        at = token.start()
        if token[0] in ("(", "[", "{"):
            depth += 1
        elif depth == 0 and token[0] in (",", ")"):
            found.append(text[start:at].strip())
            start = token.end()
            if token[0] == ")":
                return [argument for argument in found if argument], text[start:]
        elif token[0] in (")", "]", "}"):
            depth -= 1
    found.append(text[start:].strip())
    return [argument for argument in found if argument], ""


def parts(text):
    """The elements of `[a, b]` or `{a, b}`, in words."""
    return arguments(text.strip()[1:-1])[0]


def fields(text):
    """{name: value} of `{fd=3, events=POLLIN}`."""
    return {
        name.strip(): value for name, _, value in (one.partition("=") for one in parts(text))
    }


def string(text):
    """The bytes of a string as strace writes it, and whether they are all: `"abc"...` was cut."""
    found = STRING.match(text)
    if not found:
        return b"", False
    plain = ESCAPE.sub(unescaped, found[1])
    return plain.encode("latin-1", "replace"), not found[2]


def unescaped(match):
    what = match[1]
    if what[0] in "01234567":
        return chr(int(what, 8) & 255)
    if what[0] == "x" and len(what) == 3:
        return chr(int(what[1:], 16))
    return NAMED.get(what, what)


def descriptor(text):
    """(number, what is open on it) of `5<TCP:[...]>`; (None, "") of anything else."""
    found = re.match(rf"(?:fd=)?(\d+)({BESIDE})?$", text)
    return (int(found[1]), (found[2] or "")[1:-1]) if found else (None, "")


def address(text):
    """`127.0.0.1:9090`, `[::1]:9090` or a path, of the address of a call; "" of anything else."""
    port = re.search(r"sin6?_port=htons\((\d+)\)", text)
    host = re.search(r'(?:inet_addr|inet_pton)\((?:AF_INET6, )?"([^"]*)"', text)
    if port and host:
        return f"[{host[1]}]:{port[1]}" if ":" in host[1] else f"{host[1]}:{port[1]}"
    path = re.search(r"sun_path=(@?)(\".*?[^\\]\")", text)
    return path[1] + string(path[2])[0].decode(errors="replace") if path else ""
