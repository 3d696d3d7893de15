"""The three servers of unix_domain/ and their path: made, refused, replaced, removed."""

import fcntl
import os
import signal
import socket
import stat
import subprocess

import pytest
from harness import PATIENCE, Program, binary, eventually, needs_plain_build, peer, run, strace
from preload import library
from unix_sockets import (
    SERVERS,
    arguments,
    as_nobody,
    bound,
    dial,
    is_listening,
    is_served,
    kind,
)
from wants import MODES_COUNT, NOBODY, full_disk, needs_root, open_files, proc

LONGEST = 107  # what sun_path holds, with a NUL after it

STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]

each_server = pytest.mark.parametrize("server", SERVERS)


def refused(server, path, **options):
    """The one line that the server ends with when it cannot serve at `path`."""
    ended = run(server, *arguments(server, path), **options)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line.removeprefix(server + ": ")


def dead_socket(path, type):
    bound(path, type).close()


@each_server
def test_it_says_where_it_listens_and_serves(start, place, server):
    program = start(server, *arguments(server, place / "s"))
    assert program.log == [f"listening on {place}/s"]
    assert is_served(server, place / "s")


@each_server
@pytest.mark.parametrize("how", STOPS, ids=lambda how: how.name)
def test_a_signal_removes_the_path(start, place, server, how):
    program = start(server, *arguments(server, place / "s"))
    assert (place / "s").is_socket()
    program.stop(how)
    assert list(place.iterdir()) == []


@each_server
def test_a_signal_that_was_blocked_at_its_start_ends_it(start, place, server):
    """Who starts it may have blocked signals for a reason of its own; a child inherits that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        program = start(server, *arguments(server, place / "s"))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    program.stop()
    assert list(place.iterdir()) == []


@each_server
def test_a_signal_that_was_ignored_at_its_start_does_not_end_it(start, place, server):
    """nohup."""
    program = Program(
        server,
        *arguments(server, place / "s"),
        under=["nohup"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    program.logged("listening on ")
    program.process.send_signal(signal.SIGHUP)
    assert is_served(server, place / "s")
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0
    assert list(place.iterdir()) == []


@each_server
def test_a_signal_in_the_moment_of_bind_removes_the_path(place, server):
    program = Program(
        server, *arguments(server, place / "s"), under=strace("bind", "bind:signal=SIGTERM")
    )
    assert program.wait() == 0
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("server", ["unix_domain/stream_server", "unix_domain/fd_server"])
def test_a_failure_after_bind_removes_the_path(place, server):
    program = Program(
        server, *arguments(server, place / "s"), under=strace("listen", "listen:error=EINVAL")
    )
    assert program.wait() == 1
    assert list(place.iterdir()) == []


@each_server
@pytest.mark.parametrize(
    "closed, numbers", [("<&-", [0]), (">&-", [1]), ("2>&-", [2]), ("<&- >&- 2>&-", [0, 1, 2])]
)
def test_a_standard_descriptor_that_came_closed_is_not_taken_for_a_socket(
    place, server, closed, numbers
):
    proc()
    words = [binary(server), *arguments(server, place / "s")]
    program = subprocess.Popen(["bash", "-c", f'exec "$@" {closed}', "bash", *words], cwd=place)
    try:
        eventually(lambda: is_listening(place / "s"))
        files = open_files(program.pid)
        assert {files[number] for number in numbers} == {"/dev/null"}
        assert is_served(server, place / "s")
    finally:
        program.terminate()
        assert program.wait(PATIENCE) == 0
    assert list(place.iterdir()) == []


@each_server
def test_the_file_has_mode_0600_from_its_first_moment(place, server):
    """Whatever the umask: looked at while strace holds the server back inside bind."""
    program = Program(
        server,
        *arguments(server, place / "s"),
        under=strace("bind", "bind:delay_exit=300000"),
        umask=0,
    )
    first = eventually(lambda: os.stat(place / "s") if os.path.lexists(place / "s") else None)
    assert stat.S_IMODE(first.st_mode) == 0o600
    program.logged("listening on ")
    assert stat.S_IMODE(os.stat(place / "s").st_mode) == 0o600
    program.stop()


@each_server
@pytest.mark.parametrize(
    "left", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=lambda kind: kind.name
)
def test_a_dead_socket_is_replaced(start, place, server, left):
    dead_socket(place / "s", left)
    start(server, *arguments(server, place / "s"))
    assert is_served(server, place / "s")


@each_server
def test_the_socket_of_a_server_that_was_killed_is_replaced(start, place, server):
    killed = Program(server, *arguments(server, place / "s"))
    killed.logged("listening on ")
    killed.process.kill()
    killed.wait()
    assert (place / "s").is_socket()
    start(server, *arguments(server, place / "s"))
    assert is_served(server, place / "s")


@each_server
def test_a_dead_socket_that_nobody_may_connect_to_is_replaced(start, place, server):
    dead_socket(place / "s", kind(server))
    (place / "s").chmod(0o400)
    start(server, *arguments(server, place / "s"), under=MODES_COUNT)
    assert is_served(server, place / "s")


@each_server
def test_a_live_one_that_nobody_may_connect_to_keeps_its_mode(place, server):
    with bound(place / "s", kind(server)):
        (place / "s").chmod(0o400)
        said = refused(server, place / "s", under=MODES_COUNT)
        assert said == f"bind {place}/s: Address already in use"
        assert stat.S_IMODE((place / "s").stat().st_mode) == 0o400


@each_server
def test_the_mode_of_what_a_stranger_put_there_is_not_changed(place, tmp_path, server):
    """He could put a link to a file of ours in its place, between our look and our chmod."""
    needs_root()
    dead_socket(place / "s", kind(server))
    os.chown(place / "s", NOBODY, NOBODY)
    (place / "s").chmod(0o455)
    tracer = [peer("strace"), "-o", tmp_path / "trace", "-e", "trace=?chmod,fchmodat,bind"]
    said = refused(server, place / "s", under=[*tracer, *MODES_COUNT])
    assert said == f"bind {place}/s: Address already in use"
    trace = (tmp_path / "trace").read_text()
    assert "bind(" in trace and "chmod" not in trace


@each_server
@pytest.mark.parametrize("other", SERVERS)
def test_a_live_server_is_refused_and_goes_on(start, place, server, other):
    start(other, *arguments(other, place / "s"))
    assert refused(server, place / "s") == f"bind {place}/s: Address already in use"
    assert is_served(other, place / "s")


@each_server
def test_a_socket_that_is_bound_and_does_not_listen_yet_is_alive(place, server):
    with bound(place / "s"):
        assert refused(server, place / "s") == f"bind {place}/s: Address already in use"
        assert (place / "s").is_socket()


@each_server
def test_a_server_whose_queue_is_full_is_alive(place, server):
    with bound(place / "s", kind(server)) as live:
        waiting = []
        if kind(server) == socket.SOCK_STREAM:
            live.listen(0)
            waiting.append(dial(place / "s"))
        else:
            waiting.append(dial(place / "s", socket.SOCK_DGRAM))
            waiting[0].setblocking(False)
            with pytest.raises(BlockingIOError):
                for _ in range(1000):
                    waiting[0].send(b"x")
        assert refused(server, place / "s") == f"bind {place}/s: Address already in use"
        assert (place / "s").is_socket()


def regular_file(path):
    path.write_text("kept")


def directory(path):
    path.mkdir()


def fifo(path):
    os.mkfifo(path)


def link_to_a_file(path):
    path.with_name("target").write_text("kept")
    path.symlink_to("target")


def link_to_a_dead_socket(path):
    dead_socket(path.with_name("target"), socket.SOCK_STREAM)
    path.symlink_to("target")


def link_to_nothing(path):
    path.symlink_to("target")


OBSTACLES = [regular_file, directory, fifo, link_to_a_file, link_to_a_dead_socket, link_to_nothing]


@each_server
@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda make: make.__name__)
def test_what_is_no_socket_is_neither_removed_nor_followed(place, server, obstacle):
    obstacle(place / "s")
    before = {entry: os.lstat(entry) for entry in place.iterdir()}
    assert refused(server, place / "s") == f"bind {place}/s: Address already in use"
    assert {entry: os.lstat(entry) for entry in place.iterdir()} == before


@each_server
@pytest.mark.parametrize("count", [2, 5])
def test_servers_at_once_on_a_dead_socket_are_one(place, server, count):
    """All find it dead: strace holds the first back, just before it removes it."""
    dead_socket(place / "s", kind(server))
    hold = strace("?unlink,unlinkat", "?unlink,unlinkat:delay_enter=500000:when=1")
    running = [Program(server, *arguments(server, place / "s"), under=hold)]
    eventually((place / "s.lock").exists)
    running += [Program(server, *arguments(server, place / "s")) for _ in range(1, count)]
    eventually(lambda: sum(program.process.poll() is None for program in running) == 1)
    (winner,) = [program for program in running if program.process.poll() is None]
    for loser in running:
        if loser is not winner:
            assert loser.wait() == 1
            assert loser.log == [f"{server}: bind {place}/s: Address already in use"]
    winner.logged("listening on ")
    assert list(place.iterdir()) == [place / "s"]
    assert is_served(server, place / "s")
    winner.stop()
    assert list(place.iterdir()) == []


def sleeps_and_catches(pid, how):
    status = dict(line.split(":\t") for line in proc(pid, "status").read_text().splitlines())
    return status["State"].startswith("S") and int(status["SigCgt"], 16) >> (how - 1) & 1


@each_server
def test_a_signal_ends_it_while_it_waits_for_the_lock(place, server):
    dead_socket(place / "s", kind(server))
    with open(os.open(place / "s.lock", os.O_RDWR | os.O_CREAT, 0o600), "rb+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        program = Program(server, *arguments(server, place / "s"))
        eventually(lambda: sleeps_and_catches(program.pid, signal.SIGTERM))
        program.process.terminate()
        assert program.wait(1) == 0
    assert program.log == []
    assert sorted(place.iterdir()) == [place / "s", place / "s.lock"]  # another's, both of them


@each_server
def test_a_directory_that_a_stranger_has_locked_keeps_no_server_from_starting(start, place, server):
    dead_socket(place / "s", kind(server))
    directory = os.open(place, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    start(server, *arguments(server, place / "s"))
    assert is_served(server, place / "s")
    os.close(directory)


# As on a file server without locks.
NO_LOCKS = r"""
#include <errno.h>
#include <sys/types.h>
int lockf(int fd, int how, off_t size) {
    (void)fd, (void)how, (void)size;
    errno = ENOLCK;
    return -1;
}
int lockf64(int fd, int how, off_t size) { return lockf(fd, how, size); }
"""


@each_server
def test_where_there_are_no_locks_a_dead_socket_is_replaced(start, place, server, tmp_path):
    needs_plain_build(server)
    dead_socket(place / "s", kind(server))
    preloaded = {"LD_PRELOAD": str(library(NO_LOCKS, tmp_path))}
    start(server, *arguments(server, place / "s"), env=preloaded)
    assert is_served(server, place / "s")
    assert list(place.iterdir()) == [place / "s"]


# Another has the lock for ever; and a signal comes while ours asks for it, not while it waits.
A_SIGNAL_MEANWHILE = r"""
#include <errno.h>
#include <signal.h>
#include <sys/types.h>
int lockf(int fd, int how, off_t size) {
    (void)fd, (void)how, (void)size;
    static int calls;
    if (calls++ == 0) raise(SIGTERM);
    errno = EAGAIN;
    return -1;
}
int lockf64(int fd, int how, off_t size) { return lockf(fd, how, size); }
"""


@each_server
def test_a_signal_between_two_waits_for_the_lock_ends_it(place, server, tmp_path):
    needs_plain_build(server)
    dead_socket(place / "s", kind(server))
    preloaded = {"LD_PRELOAD": str(library(A_SIGNAL_MEANWHILE, tmp_path))}
    program = Program(server, *arguments(server, place / "s"), env=preloaded)
    assert program.wait(2) == 0
    assert program.log == []


# In the last moment somebody moves PATH.new to PATH.
MOVED_THERE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static void move_there(const char* path) {
    char other[200];
    snprintf(other, sizeof other, "%s.new", path);
    if (faccessat(AT_FDCWD, other, F_OK, AT_SYMLINK_NOFOLLOW) == 0) unlinkat(AT_FDCWD, path, 0);
    renameat(AT_FDCWD, other, AT_FDCWD, path);
}
int rename(const char* from, const char* to) {
    move_there(from);
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
int unlink(const char* path) {
    move_there(path);
    return unlinkat(AT_FDCWD, path, 0);
}
"""


@each_server
@pytest.mark.parametrize("make", [regular_file, link_to_a_file], ids=lambda make: make.__name__)
def test_what_takes_the_place_of_a_dead_socket_is_not_removed(place, server, tmp_path, make):
    needs_plain_build(server)
    dead_socket(place / "s", kind(server))
    make(place / "s.new")
    before = os.lstat(place / "s.new").st_ino
    preloaded = {"LD_PRELOAD": str(library(MOVED_THERE, tmp_path))}
    line = refused(server, place / "s", env=preloaded)
    assert line == f"bind {place}/s: Address already in use"
    assert (place / "s").read_text() == "kept" and os.lstat(place / "s").st_ino == before
    assert {entry.name for entry in place.iterdir()} <= {"s", "target"}


@each_server
def test_a_directory_that_takes_the_place_of_a_dead_socket_has_its_name_back(
    place, server, tmp_path
):
    """It can have no second name (link: EPERM)."""
    needs_plain_build(server)
    dead_socket(place / "s", kind(server))
    (place / "s.new").mkdir()
    (place / "s.new" / "kept").touch()
    preloaded = {"LD_PRELOAD": str(library(MOVED_THERE, tmp_path))}
    line = refused(server, place / "s", env=preloaded)
    assert line == f"bind {place}/s: Address already in use"
    assert [*place.iterdir()] == [place / "s"] and (place / "s" / "kept").exists()


@each_server
def test_what_takes_the_place_of_its_own_at_the_end_is_not_removed(start, place, server, tmp_path):
    needs_plain_build(server)
    preloaded = {"LD_PRELOAD": str(library(MOVED_THERE, tmp_path))}
    program = start(server, *arguments(server, place / "s"), env=preloaded)
    (place / "s.new").write_text("kept")
    program.stop()
    assert (place / "s").read_text() == "kept"
    assert list(place.iterdir()) == [place / "s"]


@each_server
def test_a_start_for_which_there_is_no_descriptor_leaves_no_lock(place, server):
    """The lock takes the last one, and to ask once more whether the socket is dead would take another."""
    needs_plain_build(server)
    dead_socket(place / "s", kind(server))
    descriptors = 8 if server == "unix_domain/fd_server" else 7
    line = refused(server, place / "s", under=["prlimit", f"--nofile={descriptors}"])
    assert line == "socket: Too many open files"
    assert list(place.iterdir()) == [place / "s"]


@each_server
def test_a_file_whose_name_begins_as_its_own_is_kept(place, server):
    """Its log, say, with its process id, as shells make such names."""
    dead_socket(place / "s", kind(server))
    command = 'exec "$0" "$@" 2>s.$$'
    words = ["sh", "-c", command, binary(server), *map(str, arguments(server, place / "s"))]
    program = subprocess.Popen(words, cwd=place)
    log = place / f"s.{program.pid}"
    try:
        eventually(lambda: log.exists() and log.read_text() == f"listening on {place}/s\n")
    finally:
        program.terminate()
        assert program.wait(PATIENCE) == 0
    assert log.read_text() == f"listening on {place}/s\n"
    assert list(place.iterdir()) == [log]


NO_NEW_FILE = r"""
#include <errno.h>
#include <fcntl.h>
int open(const char* path, int flags, ...) {
    if ((flags & O_CREAT) == 0) return openat(AT_FDCWD, path, flags);
    errno = ENOSPC;
    return -1;
}
int open64(const char* path, int flags, ...) { return open(path, flags); }
"""


# The directory, too, has no room for one more name.
NO_NEW_NAME = NO_NEW_FILE + r"""
int rename(const char* from, const char* to) {
    (void)from, (void)to;
    errno = ENOSPC;
    return -1;
}
"""


def assert_replaced(start, place, server, preloaded):
    """A dead socket is, beside that library, and nothing is left in the end."""
    needs_plain_build(server)
    dead_socket(place / "s", kind(server))
    program = start(server, *arguments(server, place / "s"), env={"LD_PRELOAD": str(preloaded)})
    assert is_served(server, place / "s")
    program.stop()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("lacking", [NO_NEW_FILE, NO_NEW_NAME], ids=["file", "name"])
@each_server
def test_on_a_disk_that_is_full_a_dead_socket_is_removed_all_the_same(
    start, place, server, tmp_path, lacking
):
    assert_replaced(start, place, server, library(lacking, tmp_path))


OPEN_TO_ALL = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
int fstat(int fd, struct stat* status) {
    const int result = fstatat(fd, "", status, AT_EMPTY_PATH);
    if (S_ISREG(status->st_mode)) status->st_mode |= 0777;
    return result;
}
int fstat64(int fd, struct stat64* status) { return fstat(fd, (struct stat*)status); }
"""


@each_server
def test_on_a_disk_of_windows_a_dead_socket_is_removed_and_no_lock_is_left(
    start, place, server, tmp_path
):
    """There each file has mode 0777, and may be another's: so has a lock that is our own."""
    assert_replaced(start, place, server, library(OPEN_TO_ALL, tmp_path))


@each_server
def test_on_a_disk_that_is_full_what_takes_the_place_of_a_dead_socket_is_not_removed(
    place, server, tmp_path
):
    needs_plain_build(server)
    dead_socket(place / "s", kind(server))
    regular_file(place / "s.new")
    preloaded = {"LD_PRELOAD": str(library(NO_NEW_FILE + MOVED_THERE, tmp_path))}
    line = refused(server, place / "s", env=preloaded)
    assert line == f"bind {place}/s: Address already in use"
    assert list(place.iterdir()) == [place / "s"] and (place / "s").read_text() == "kept"


# As an overlay does it (index=off) with a file of its lower layer that has two names: what is renamed is copied.
COPIED_UP = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int rename(const char* from, const char* to) {
    static int copied = 0;
    if (!copied++) {
        struct sockaddr_un copy = {.sun_family = AF_UNIX};
        strcpy(copy.sun_path, from);
        const int bound = socket(AF_UNIX, SOCK_STREAM, 0);
        char other[200];
        snprintf(other, sizeof other, "%s.lower", from);
        renameat(AT_FDCWD, from, AT_FDCWD, other);
        bind(bound, (struct sockaddr*)&copy, sizeof copy);
        close(bound);
        unlinkat(AT_FDCWD, other, 0);
    }
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
"""


@each_server
def test_a_dead_socket_that_is_another_file_once_it_is_renamed_is_replaced(
    start, place, server, tmp_path
):
    assert_replaced(start, place, server, library(COPIED_UP, tmp_path))


def strangers_file(lock):
    """One that we could open, as he lets us; and he has locked it."""
    needs_root()
    lock.write_text("")
    os.chown(lock, NOBODY, NOBODY)
    lock.chmod(0o666)
    descriptor = os.open(lock, os.O_RDWR)
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    return descriptor


def open_to_others(lock):
    """A file of ours that others may open, and have locked."""
    lock.write_text("")
    lock.chmod(0o666)
    descriptor = os.open(lock, os.O_RDWR)
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    return descriptor


def link_elsewhere(lock):
    lock.symlink_to("kept")


def directory_of_that_name(lock):
    lock.mkdir()


def fifo_of_that_name(lock):
    needs_root()
    os.mkfifo(lock, 0o600)
    os.chown(lock, NOBODY, NOBODY)


def file_of_our_own(lock):
    """It has nothing to do with us: a lock of ours is empty."""
    lock.touch(mode=0o600)
    lock.write_text("4242\n")


def fifo_of_our_own(lock):
    os.mkfifo(lock, 0o600)


@each_server
@pytest.mark.parametrize(
    "squat",
    [
        strangers_file,
        open_to_others,
        link_elsewhere,
        directory_of_that_name,
        fifo_of_that_name,
        file_of_our_own,
        fifo_of_our_own,
    ],
    ids=lambda make: make.__name__,
)
def test_what_stands_in_the_place_of_the_lock_keeps_no_server_from_starting(
    start, place, server, squat
):
    dead_socket(place / "s", kind(server))
    descriptor = squat(place / "s.lock")
    before = os.lstat(place / "s.lock")
    start(server, *arguments(server, place / "s"))
    assert is_served(server, place / "s")
    assert os.lstat(place / "s.lock") == before
    assert not (place / "kept").exists()
    if descriptor:
        os.close(descriptor)


@each_server
def test_a_lock_file_that_a_killed_server_left_is_used_and_removed(start, place, server):
    dead_socket(place / "s", kind(server))
    (place / "s.lock").touch(mode=0o600)
    start(server, *arguments(server, place / "s"))
    assert list(place.iterdir()) == [place / "s"]
    assert is_served(server, place / "s")


@each_server
def test_a_dead_socket_of_somebody_else_in_a_sticky_directory_stays(place, server):
    dead_socket(place / "s", kind(server))
    os.chmod(place / "s", 0o777)
    os.chmod(place, 0o1777)
    before = os.lstat(place / "s")
    ended = as_nobody(server, *arguments(server, place / "s"), reachable=place)
    assert ended.returncode == 1
    assert ended.stderr == f"{server}: bind {place}/s: Address already in use\n"
    assert os.lstat(place / "s") == before
    assert len(list(place.iterdir())) == 2  # the socket, and the program


@each_server
def test_a_dead_socket_in_a_directory_that_we_may_not_write_to_stays(place, server):
    needs_root()
    dead_socket(place / "s", kind(server))
    os.chown(place / "s", NOBODY, NOBODY)
    ended = as_nobody(server, *arguments(server, place / "s"), reachable=place)
    assert ended.returncode == 1
    assert ended.stderr == f"{server}: bind {place}/s: Address already in use\n"
    assert (place / "s").is_socket()


@each_server
def test_a_file_in_the_place_of_its_own_is_not_removed(start, place, server):
    program = start(server, *arguments(server, place / "s"))
    (place / "s").unlink()
    (place / "s").write_text("kept")
    program.stop()
    assert (place / "s").read_text() == "kept"


@each_server
def test_another_server_in_its_place_is_not_removed(start, place, server):
    first = start(server, *arguments(server, place / "s"))
    (place / "s").unlink()
    start(server, *arguments(server, place / "s"))
    first.stop()
    assert is_served(server, place / "s")


@each_server
def test_a_path_that_was_removed_ends_as_usual(start, place, server):
    program = start(server, *arguments(server, place / "s"))
    (place / "s").unlink()
    program.stop()


@each_server
def test_the_longest_path_is_served(start, place, server):
    path = place / ("x" * (LONGEST - len(str(place)) - 1))
    start(server, *arguments(server, path))
    assert is_served(server, path)


@each_server
def test_a_longer_path_is_an_error_and_never_cut(place, server):
    path = place / ("x" * (LONGEST - len(str(place))))
    assert refused(server, path) == f"{path}: too long for a socket: 108 bytes, at most 107"
    assert list(place.iterdir()) == []


@each_server
@pytest.mark.parametrize("path", ["s", "./s", "a path with  blanks", "-s", "été\n2"], ids=repr)
def test_relative_paths_and_odd_names(start, place, server, path):
    words = ["--", path, *arguments(server, path)[1:]]
    program = start(server, *words, cwd=place)
    assert program.log == (f"listening on {path}").split("\n")
    assert is_served(server, place / path)
    program.stop()
    assert list(place.iterdir()) == []


@each_server
@pytest.mark.parametrize("path", ["d/", "d/s/", "absent/s"])
def test_a_path_that_can_be_no_socket(place, server, path):
    (place / "d").mkdir()
    dead_socket(place / "d" / "s", socket.SOCK_STREAM)
    assert refused(
        server, place / path if not path.endswith("/") else f"{place}/{path}"
    ).startswith("bind ")
    assert [entry.name for entry in (place / "d").iterdir()] == ["s"]


@each_server
def test_an_unwritable_directory_is_one_line(place, server):
    ended = as_nobody(server, *arguments(server, place / "s"), reachable=place)
    assert ended.returncode == 1
    assert ended.stderr == f"{server}: bind {place}/s: Permission denied\n"


@each_server
def test_another_user_is_refused_by_the_mode_of_the_file(start, place, server):
    start(server, *arguments(server, place / "s"))
    client = server.replace("server", "client")
    ended = as_nobody(
        client, place / "s", *["name"] * client.endswith("fd_client"), reachable=place
    )
    assert ended.returncode == 1
    assert ended.stderr == f"{client}: connect {place}/s: Permission denied\n"


@pytest.mark.parametrize(
    "program", [*SERVERS, *[server.replace("server", "client") for server in SERVERS]]
)
class TestCommandLine:
    def operands(self, program):
        return ["/tmp/no/such", "name"] if "fd_" in program else ["/tmp/no/such"]

    @pytest.mark.parametrize("word", ["-h", "--help"])
    def test_help(self, program, word):
        ended = run(program, word)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith(f"usage: {program} PATH")
        assert "  -h, --help  " in ended.stdout

    def test_help_on_a_full_disk_is_one_line(self, program):
        with full_disk() as full:
            ended = Program(program, "-h", stdout=full)
        assert ended.wait() == 1
        assert ended.log == [f"{program}: write: No space left on device"]

    def test_bad_usage(self, program):
        operands = self.operands(program)
        for words, wrong in [
            ([], "too few arguments"),
            (operands[:-1], "too few arguments"),
            ([*operands, "more"], "too many arguments"),
            (["-x", *operands], "unknown option -x"),
            (["--path", *operands], "unknown option --path"),
            (["", *operands[1:]], "empty argument"),
        ]:
            ended = run(program, *words)
            assert (ended.returncode, ended.stdout) == (2, "")
            assert ended.stderr.startswith(f"{program}: {wrong}\nusage: {program} PATH")

    def test_nothing_there_is_one_line(self, program):
        ended = run(program, *self.operands(program), stdin=subprocess.DEVNULL)
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"{program}: ") and line.endswith(": No such file or directory")


@pytest.mark.parametrize(
    "program, words",
    [
        ("unix_domain/stream_server", []),
        ("unix_domain/stream_client", []),
        ("unix_domain/datagram_server", []),
        ("unix_domain/datagram_client", []),
        ("unix_domain/fd_server", ["."]),
        ("unix_domain/fd_client", ["name"]),
    ],
)
@pytest.mark.parametrize("path", ["x" * 200, "nowhere/s"], ids=["too_long", "nowhere"])
def test_a_failure_that_nobody_reads_of_is_a_failure_all_the_same(place, program, words, path):
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "wb") as log:
        ended = subprocess.run(
            [binary(program), path, *words], cwd=place, stdin=subprocess.DEVNULL, stderr=log, timeout=PATIENCE
        )
    assert ended.returncode == 1
