"""Types commands, each at a terminal of its own, as a reader does with a cell of the index, and says
which one does not work.

    python3 tests/support/typed.py 'tests/peers/echo.sh' 'nc 127.0.0.1 9090'

A command works when it has ended with status 0 (`probe`: 1, where a port is not open), or when it
goes on and listens, or shows something. What talks is given a line to say. All that was started is
gone in the end."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

from console import ENVIRONMENT, PATIENCE, ROOT, loopback_up

COMPLAINT = re.compile("not found|[Nn]o such file|refused|usage: |is missing|[Pp]ermission denied")


def listeners():
    """How many sockets listen in this network."""
    tables = [Path("/proc/net", name) for name in ("tcp", "tcp6")]
    lines = [line for table in tables if table.exists() for line in table.read_text().splitlines()]
    return sum(line.split()[3] == "0A" for line in lines)


class Terminal:
    def __init__(self, command):
        self.before, self.shown = listeners(), b""
        self.command = command
        self.screen, keyboard = pty.openpty()
        modes = termios.tcgetattr(keyboard)
        modes[3] &= ~termios.ECHO  # what is shown is the command's own
        termios.tcsetattr(keyboard, termios.TCSANOW, modes)
        self.process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=ROOT,
            env={**ENVIRONMENT, "TERM": "xterm"},
            stdin=keyboard,
            stdout=keyboard,
            stderr=keyboard,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(keyboard)

    def look(self):
        if select.select([self.screen], [], [], 0.05)[0]:
            try:
                self.shown += os.read(self.screen, 1 << 16)
            except OSError:  # EIO: nobody has the other end any more
                pass

    def complaint(self):
        """What is wrong with the command; None when it works."""
        if re.match("nc |socat -|build/tcp/netcat|build/.*client", self.command):
            os.write(self.screen, b"hello\n")
        deadline = time.monotonic() + PATIENCE
        status = None
        while status is None:
            status = self.process.poll()
            self.look()
            if status is None and (self.shown or listeners() > self.before):
                break
            if time.monotonic() > deadline:
                return "it neither ends, nor listens, nor shows anything"
        text = self.shown.decode(errors="replace")
        if status is None and COMPLAINT.search(text):  # what --help shows is no complaint: it ends
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self.process.wait(1)
        if status is None:
            return f"it showed {text!r}" if COMPLAINT.search(text) else None
        if status == 0 or (status == 1 and "/probe" in self.command):
            return None
        return f"status {status}; it showed {text!r}"

    def end(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(2)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        os.close(self.screen)


def main(commands):
    terminals = []
    try:
        for command in commands:
            terminals.append(Terminal(command))
            if wrong := terminals[-1].complaint():
                return f"{command}: {wrong}"
    finally:
        for terminal in reversed(terminals):
            terminal.end()
    return None


if __name__ == "__main__":
    if os.environ.get("CONSOLE_OWN_NETWORK"):
        loopback_up()
    sys.exit(main(sys.argv[1:]))
