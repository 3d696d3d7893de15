"""Runs one program of a stranger, and sees to it that nothing of it is left: python3 keeper.py
WORDS...

It stands between the judge and the program, and talks to the judge over two pipes, whose numbers
come in the environment: it reads orders (JUDGE_ORDERS) and writes reports, one a line
(JUDGE_REPORTS).

    orders     T             SIGTERM for the program, and for nobody else: as `kill PID` does
               end of input  the judge is done, or dead: all is to end
    reports    root PID      the process below which everything is, as the judge sees it
               started       the program runs
               failed WHY    it could not be started
               ended N       it has ended; N is as waitpid gives it
               too much WHAT it had too many processes, or too much memory, and all was ended

Where the system allows it, the program has a PID namespace of its own (unshare(2), CLONE_NEWPID;
for others than root in a user namespace of their own). There all that it starts has an end with
this process, its init: however it has forked, whatever its session. It cannot signal anybody
outside, its parent neither. Elsewhere the keeper is a "subreaper" (prctl(2)): orphans become its
children, so that the tree below it is complete, and is killed from its top. On other systems the
tree is what `ps` says, and the program's session.

A fork bomb is ended by counting: RLIMIT_NPROC counts all processes of the user, and does not hold
root at all.
"""

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time

MOST_PROCESSES = 600
MOST_TO_ASK = 200  # so many can be asked what they share before a bomb has doubled
MOST_MEMORY = 2 << 30
LARGEST_FILE = 256 << 20
DESCRIPTORS = 1024  # what a student's terminal allows

LINUX = sys.platform == "linux"
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
MS_REC_PRIVATE = 0x4000 | 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
libc = ctypes.CDLL(None, use_errno=True)


def own_namespace():
    """Gives the children of this process a PID namespace of their own. Returns whether the
    system let it."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWPID | CLONE_NEWNS | (CLONE_NEWUSER if uid else 0)) != 0:
        return False
    if uid:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None)
    return True


def in_a_child(attempt):
    """Whether it can be done: half done, a namespace cannot be left again."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if attempt() and os.fork() >= 0 else 1)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def own_proc():
    """A /proc of the new namespace; where it cannot be had, the old one shows more, and does no
    harm."""
    return libc.mount(b"proc", b"/proc", b"proc", 0, None) == 0


def table():
    """{pid: (parent, resident bytes)} of all processes that can be seen."""
    found = {}
    if LINUX:
        page = os.sysconf("SC_PAGE_SIZE")
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as file:
                        fields = file.read().rpartition(b")")[2].split()
                    found[int(name)] = int(fields[1]), int(fields[21]) * page
                except (OSError, IndexError):
                    pass  # it has just ended
        return found
    listed = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,rss="], stdout=subprocess.PIPE, text=True
    ).stdout
    for line in listed.splitlines():
        pid, parent, kilobytes = map(int, line.split())
        found[pid] = parent, kilobytes * 1024
    return found


def own_memory(pid, resident):
    """Its resident bytes, of what it shares its part only (proc(5), Pss): after a fork that is
    nearly all."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return int(file.read().partition(b"\nPss:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        return resident


def below(root, known=None):
    """The processes that descend from `root`."""
    known = known or table()
    children = {}
    for pid, (parent, _) in known.items():
        children.setdefault(parent, []).append(pid)
    found, left = [], [root]
    while left:
        new = children.get(left.pop(), [])
        found += new
        left += new
    return found


def kill_tree(root, session=None, seen=()):
    """Kills all that descends from `root`: stopped first, so that nothing forks while we
    look. Where orphans go to somebody else (`seen`: what was once below it), as far as they
    are known."""
    for _ in range(200):
        pids = {*below(root), *seen}
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
        if session:
            try:
                os.killpg(session, signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def start(words, report):
    """The program, as a child of this process, in a session of its own."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        limits = {"CORE": 0, "FSIZE": LARGEST_FILE, "NOFILE": DESCRIPTORS}
        if LINUX and os.getuid():
            limits["NPROC"] = len(os.listdir("/proc")) + 2 * MOST_PROCESSES
        for name, most in limits.items():
            kind = getattr(resource, "RLIMIT_" + name)
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, hard if name == "NOFILE" else most))
        os.environ.pop("JUDGE_ORDERS"), os.environ.pop("JUDGE_REPORTS")
        os.execvp(words[0], words)
    except BaseException as error:
        os.write(
            report, f"failed {words[0]}: {getattr(error, 'strerror', None) or error}\n".encode()
        )
    os._exit(127)


def watch(words, orders, report, alone):
    """The keeper's life: starts the program, reaps, obeys. `alone`: we are the init of a namespace.
    Returns the program's session, and the processes that were seen below us."""
    own_table = alone and own_proc()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    program = session = start(words, report)
    seen = set()
    if alone and os.getuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # a bomb has as many turns as it has processes
    for standard in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), standard)
    os.write(report, b"started\n")
    looked, others = 0.0, len(os.listdir("/proc")) if LINUX else 0
    while True:
        ready = select.select([orders, wake_read], [], [], 0.1)[0]
        if wake_read in ready:
            os.read(wake_read, 4096)
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == program:
                    program = None
                    os.write(report, b"ended %d\n" % ended[1])
        except ChildProcessError:
            pass
        if orders in ready:
            order = os.read(orders, 1)
            if order == b"T" and program:
                os.kill(program, signal.SIGTERM)
            if not order:
                return session, seen
        there = len(os.listdir("/proc")) - others if LINUX else 0
        if alone and there > MOST_PROCESSES:
            os.write(report, b"too much processes\n")
            return session, seen
        if alone and not own_table:
            continue  # the numbers in the old /proc are not those of this namespace
        if time.monotonic() > looked + 0.5 or there > MOST_PROCESSES:
            known = table()
            ours = (
                [pid for pid in known if pid != 1] if own_table else below(os.getpid(), known)
            )
            looked = time.monotonic()
            if not LINUX:
                seen.update(ours)
            used = sum(known[pid][1] for pid in ours)
            if used > MOST_MEMORY and len(ours) < MOST_TO_ASK:
                used = sum(own_memory(pid, known[pid][1]) for pid in ours)
            if len(ours) > MOST_PROCESSES or used > MOST_MEMORY:
                os.write(
                    report,
                    b"too much "
                    + (b"processes\n" if len(ours) > MOST_PROCESSES else b"memory\n"),
                )
                return session, seen


def main():
    orders, report = int(os.environ["JUDGE_ORDERS"]), int(os.environ["JUDGE_REPORTS"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.set_inheritable(orders, False), os.set_inheritable(report, False)
    if LINUX and (os.getuid() == 0 or in_a_child(own_namespace)) and own_namespace():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # with the judge, and init with us
        init = os.fork()
        if init == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            watch(sys.argv[1:], orders, report, True)
            os._exit(0)  # and the kernel kills the rest
        os.write(report, b"root %d\n" % init)
        for standard in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), standard)
        os.waitpid(init, 0)
    else:
        if LINUX:
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        os.write(report, b"root %d\n" % os.getpid())
        kill_tree(os.getpid(), *watch(sys.argv[1:], orders, report, False))


if __name__ == "__main__":
    main()
