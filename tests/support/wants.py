"""What a test may want and this machine may lack: without it the test is skipped, with the reason,
or fails under REQUIRE_PEERS=1 (CI, which has everything)."""

import contextlib
import functools
import importlib.util
import os
import resource
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from packages import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
HOSTS = Path("/etc/hosts")
# For a file in memory; None is the usual place of temporary files.
SHARED_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def lacking(reason):
    """Skips the test for want of something that CI has."""
    (pytest.fail if os.environ.get("REQUIRE_PEERS") == "1" else pytest.skip)(reason)


def missing(what):
    lacking(f"{what} is missing: install the package {PACKAGES[what]}")


def peer(name):
    """The path of a real peer."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin:{ROOT}/build/peers/usr/sbin"
    return shutil.which(name, path=path) or missing(name)


def needs_python_module(name):
    if importlib.util.find_spec(name) is None:
        missing(name)


def needs_node_module(name):
    if not Path("/usr/share/nodejs", name).exists():
        missing(name)


NOBODY = 65534
AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []}


# What root may do to any file would hide what its mode says (capabilities(7)): words before a
# command.
MODES_COUNT = (
    ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)


@functools.cache
def is_root():
    """Whether we are root, and may become somebody else: in a user's own namespace root may not."""
    try:
        return subprocess.run(["true"], **AS_NOBODY).returncode == 0
    except OSError:
        return False


def needs_root():
    """For what takes a second user, or more than one user's rights. CI may be anybody."""
    if not is_root():
        pytest.skip("takes root")


def needs_descriptors(count):
    """For a test that has so many open at once, in this process or in the server, and a few more."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < count + 200:
        lacking(f"takes more descriptors than this system allows, {most} (ulimit -Hn)")


@functools.cache
def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


def needs_ipv6(*addresses):
    """For a test that uses these addresses, if one of them is of IPv6."""
    if any(":" in address for address in addresses or ["::1"]) and not has_ipv6():
        lacking("IPv6 is switched off here")


def needs_hosts(*words):
    """For a test that takes localhost for a name, if one of these words does."""
    if any("localhost" in word for word in words or ["localhost"]) and not HOSTS.exists():
        lacking(f"there is no {HOSTS} here, which says what localhost is")


@functools.cache
def namespace(*kinds):
    """The words that give a command namespaces of its own, namespace("--net"), or None where the
    system allows none."""
    unshare = shutil.which("unshare")
    for more in ([], ["--map-root-user"]):
        words = [unshare, *kinds, *more]
        if unshare and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words
    return None


def needs_namespace(*kinds):
    peer("unshare")
    return namespace(*kinds) or lacking(f"unshare {' '.join(kinds)} is not allowed here")


def proc(*path):
    """A file of /proc, where Linux tells what its processes and sockets do."""
    if not Path("/proc/self/stat").exists():
        lacking("there is no /proc here, where Linux tells what a process does")
    return Path("/proc", *map(str, path))


def full_disk():
    """A file that can be opened, and takes nothing: ENOSPC (full(4))."""
    if not Path("/dev/full").exists():
        lacking("there is no /dev/full here")
    return open("/dev/full", "wb", buffering=0)


@contextlib.contextmanager
def kernel_log():
    """The log of the kernel (dmesg): a file to write to, of which poll never says that there is
    room; and a function that returns what has come into it since, of ours and of others."""
    try:
        kernel = os.open("/dev/kmsg", os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        pytest.skip("the kernel's log cannot be written to here")
    os.lseek(kernel, 0, os.SEEK_END)

    def records():
        read = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                read += os.read(kernel, 8192)
        return read

    try:
        yield kernel, records
    finally:
        os.close(kernel)


def read_by_nobody():
    """The end of a pipe whose other end is closed: EPIPE (pipe(7))."""
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "wb", buffering=0)


def needs_linux(module, *names):
    """For a test that uses what a module of Python has on Linux only."""
    if not all(hasattr(module, name) for name in names):
        lacking(f"this system has no {' nor '.join(names)}")


def open_files(pid):
    """{descriptor: what it is open on} of a process."""
    found = {}
    for entry in os.scandir(proc(pid, "fd")):
        try:
            found[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:
            pass  # closed while we looked
    return found


def cpu_time(pid):
    """Seconds of processor time that a process has used, user and system."""
    fields = proc(pid, "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid, which="VmRSS"):
    """Bytes of memory: resident now (VmRSS), the most that ever were (VmHWM), or all of its address
    space (VmSize), which RLIMIT_AS bounds."""
    for line in proc(pid, "status").read_text().splitlines():
        if line.startswith(which + ":"):
            return 1024 * int(line.split()[1])
    raise AssertionError(f"no {which}")


def threads(pid):
    """How many threads it has."""
    return len(os.listdir(proc(pid, "task")))


def children(pid):
    """The processes whose parent it is, zombies among them: [(pid, state)]."""
    found = []
    for number in filter(str.isdigit, os.listdir(proc())):
        try:
            state, parent = proc(number, "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has ended meanwhile
        if int(parent) == pid:
            found.append((int(number), state))
    return found
