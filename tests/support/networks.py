"""Tests that run in a network of their own, in which they may do as they like."""

import fcntl
import os
import re
import subprocess
import sys
import termios

import pytest
from wants import ROOT, needs_hosts, needs_namespace, peer

ONE_PORT = 40_000


def run_again(test, words, mark):
    """Runs a test in a pytest of its own, which these words start; `mark` is set there, to 1."""
    result = subprocess.run(
        [*words, sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
         f"{test.__code__.co_filename}::{test.__name__}"],
        capture_output=True, text=True, cwd=ROOT, timeout=120, env=dict(os.environ, **{mark: "1"}),
    )  # fmt: skip
    if result.returncode != 0:
        pytest.fail(result.stdout + result.stderr, pytrace=False)
    if "1 passed" not in result.stdout:
        pytest.skip(re.search(r"^SKIPPED .*?: (.*)", result.stdout, re.MULTILINE)[1])


def with_one_port(test):
    """Makes of a test one that runs in a network where whoever connects does so from ONE_PORT."""
    if "WITH_ONE_PORT" in os.environ:
        return test

    def outside():
        peer("ip")
        limit = f"echo {ONE_PORT} {ONE_PORT} > /proc/sys/net/ipv4/ip_local_port_range"
        script = f'ip link set lo up && {limit} && exec "$@"'
        run_again(test, [*needs_namespace("--net"), "sh", "-c", script, "sh"], "WITH_ONE_PORT")

    outside.__name__, outside.__doc__ = test.__name__, test.__doc__
    return outside


def unacknowledged(client):
    """How many bytes that it has sent are not acknowledged yet (tcp(7), SIOCOUTQ)."""
    size = fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(size, sys.byteorder)


def has_keepalive(port, peer_port):
    """Whether the socket of this machine between these two ports, which is silent, has a timer that
    will ask its peer within a minute whether it is still there."""
    words = [peer("ss"), "-tnoH", f"sport = :{port} and dport = :{peer_port}"]
    seen = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout
    return re.search(r"timer:\(keepalive,(1min|[1-5]?\dsec)", seen)


def named(tmp_path, *addresses):
    """The words under which the name `many.addresses` has these."""
    needs_hosts()
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{address} many.addresses\n" for address in addresses))
    mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return [*needs_namespace("--mount"), "sh", "-c", mount, hosts]
