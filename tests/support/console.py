"""Runs the ```console blocks of a note, and compares what they print with what the note shows.

    python3 tests/support/console.py notes/echo.md       runs every block of the note
    python3 tests/support/console.py notes/echo.md 2     runs the third (counted from 0)

In a block, a line is one of

    $ COMMAND           typed at a terminal; what follows is what it shows, until it ends
    NAME$ COMMAND       the same at a terminal called NAME, for sessions that need several
    NAME> LINE          typed into what runs there; ^C and ^D are the keys
    NAME: LINE          what NAME's terminal shows now, after something happened elsewhere
    LINE                what the terminal named last shows
    ...                 whatever it shows, for zero or more lines

A command may go on over lines after a backslash at its end. A comment before the block,

    <!-- varies: K3x 2026-11-22 -->

names words that are different each time: each matches any run of characters but blanks, the same
one throughout; the blank before it may be several (the first of a month is "Dec  1"). Commands run
in bash from the project's root, with build/ made, in a network namespace of their own where the
system allows (`unshare --net`), so that the ports in the text are free.
"""

import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90  # seconds; the judge before a class, on a busy machine, is quiet for 40
# A `make` in a note is the reader's own, not a part of the `make test` that runs it.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not re.fullmatch("MAKE.*|MFLAGS", name)
}


def blocks(path):
    """The console blocks of a Markdown file: [(line number, lines, words that vary)]."""
    found, block, varies = [], None, []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if block is not None and line.startswith("```"):
            found.append((start, block, varies))
            block, varies = None, []
        elif block is not None:
            block.append(line)
        elif line.startswith("```console"):
            start, block = number, []
        elif comment := re.fullmatch(r"<!-- varies: (.*) -->", line):
            varies = comment[1].split()
        elif line.strip():
            varies = []
    return found


class Terminal:
    """A command with its standard input, and what it has shown and nobody has looked at yet."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.shown, self.ended = [], False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.shown.append(line.rstrip("\n"))
        self.ended = True

    def type(self, text):
        if text == "^C":
            os.killpg(self.process.pid, signal.SIGINT)
        elif text == "^D":
            self.process.stdin.close()
        else:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()

    def next_line(self):
        """The next line shown, or None when the command has ended without one."""
        deadline = time.monotonic() + PATIENCE
        while not self.shown:
            if self.ended and not self.shown:
                return None
            if time.monotonic() > deadline:
                raise AssertionError("nothing more is shown")
            time.sleep(0.01)
        return self.shown.pop(0)

    def rest(self):
        """What is shown until the command ends."""
        return list(iter(self.next_line, None))

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Words:
    """Compares lines, with the words that vary matched by what they turn out to be."""

    def __init__(self, varies):
        self.known = dict.fromkeys(varies)

    def match(self, expected, shown):
        pattern = re.escape(expected.rstrip())
        fresh = []
        for word, value in self.known.items():
            place = re.escape(word)
            pattern = pattern.replace(re.escape(" ") + place, " +" + place)
            if value is not None:
                pattern = pattern.replace(place, re.escape(value))
            elif place in pattern:
                pattern = pattern.replace(place, rf"(?P<v{len(fresh)}>\S+?)", 1).replace(
                    place, rf"(?P=v{len(fresh)})"
                )
                fresh.append(word)
        matched = re.fullmatch(pattern, shown.rstrip())
        if matched:
            self.known.update({word: matched[f"v{i}"] for i, word in enumerate(fresh)})
        return matched is not None

    def spoken(self, typed):
        """What is typed may name a word seen before."""
        for word, value in self.known.items():
            typed = typed.replace(word, value or word)
        return typed


def run(lines, varies=()):
    """Runs one block. Raises AssertionError that says where it differs."""
    terminals, words, name, skipping = {}, Words(varies), "", False
    lines = re.sub(r"\\\n> ?", "\\\n", "\n".join(lines)).replace("\\\n", "\0").split("\n")

    def settle():
        """Nothing more may be shown by a command whose terminal is wanted for the next one."""
        nonlocal skipping
        if name in terminals and not skipping:
            surplus = terminals[name].rest()
            assert not surplus, f"shown but not in the note: {surplus}"
        elif name in terminals:
            terminals[name].rest()
        skipping = False

    try:
        for line in lines:
            prompt = re.match(
                r"(\w*)\$ (.*)|(\w+)> ?(.*)|(\w+): ", line.replace("\0", "\\\n"), re.DOTALL
            )
            if prompt and prompt[2] is not None:
                name = prompt[1]
                settle()
                terminals[name] = Terminal(words.spoken(prompt[2]))
                continue
            if prompt and prompt[3] in terminals:
                name, skipping = prompt[3], False
                terminals[name].type(words.spoken(prompt[4]))
                continue
            if prompt and prompt[5] in terminals:
                name, skipping = prompt[5], False
                line = line[prompt.end() :]
            if line == "...":
                skipping = True
                continue
            while True:
                shown = terminals[name].next_line()
                assert shown is not None, f"the command ended; the note goes on with: {line}"
                if words.match(line, shown):
                    skipping = False
                    break
                assert skipping, f"\nthe note:  {line}\nit showed: {shown}"
        # The unnamed terminal's command comes to its end.
        if name in terminals and not re.search(r"\w", name):
            settle()
        for other, terminal in terminals.items():
            if not (other == name and skipping):
                assert not terminal.shown, f"shown but not in the note: {terminal.shown}"
    finally:
        for terminal in terminals.values():
            terminal.kill()


def loopback_up():
    """A new network namespace has its loopback down (netdevice(7): SIOCSIFFLAGS, IFF_UP)."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))


if __name__ == "__main__":
    # In a background job SIGINT is ignored, and the commands would inherit that; not a handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.get("CONSOLE_OWN_NETWORK"):
        loopback_up()
    found = blocks(sys.argv[1])
    for index in map(int, sys.argv[2:]) if sys.argv[2:] else range(len(found)):
        number, lines, varies = found[index]
        try:
            run(lines, varies)
        except AssertionError as difference:
            sys.exit(f"{sys.argv[1]}:{number}: {difference}")
