"""Tests that run in the lab (tests/lab/lab): the course page's four machines, each with a network
of its own.

@in_the_lab makes of a test one that runs on so-high, in a lab and a pytest of its own. There `on`
and `firewall` are commands: on("sas1", "tcp/probe", "roucas101", 9090) is `on sas1 build/tcp/probe
roucas101 9090`."""

import functools
import os
import re
import subprocess
import sys

import pytest
from harness import PATIENCE, binary
from wants import ROOT, lacking, needs_hosts, peer

LAB = str(ROOT / "tests/lab/lab")
LAB_TOOLS = ["ip", "nft", "unshare"]
INSIDE = "IN_THE_LAB" in os.environ


@functools.cache
def refusal():
    """What the lab says when this system has none for us; empty when it has."""
    return subprocess.run([LAB, "true"], capture_output=True, text=True, timeout=PATIENCE).stderr


def needs_the_lab():
    """Skips a test where there is no lab to be had, as harness.peer does where a peer is
    missing."""
    for name in LAB_TOOLS:
        peer(name)
    needs_hosts()
    if refusal():
        lacking(refusal().splitlines()[0])


def in_the_lab(test):
    if INSIDE:
        return test

    def outside():
        needs_the_lab()
        result = subprocess.run(
            [LAB, sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
             f"{test.__code__.co_filename}::{test.__name__}"],
            capture_output=True, text=True, cwd=ROOT, timeout=120,
            env=dict(os.environ, IN_THE_LAB="1"),
        )  # fmt: skip
        if result.returncode != 0:
            pytest.fail(result.stdout + result.stderr, pytrace=False)
        if "1 passed" not in result.stdout:
            pytest.skip(re.search(r"^SKIPPED .*?: (.*)", result.stdout, re.MULTILINE)[1])

    outside.__name__, outside.__doc__ = test.__name__, test.__doc__
    return outside


def on(machine, program, *args, **options):
    """Runs a program of ours on a machine to its end, with its output captured as text."""
    return subprocess.run(
        ["on", machine, binary(program), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **options,
    )


def firewall(machine, verdict, port):
    subprocess.run(["firewall", machine, verdict, str(port)], check=True, timeout=PATIENCE)
