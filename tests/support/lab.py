"""Tests that run in the lab (tests/lab/lab): the course page's four machines, each with a network
of its own.

@in_the_lab makes of a test one that runs on so-high, in a lab and a pytest of its own. There `on`
and `firewall` are commands: on("sas1", "tcp/probe", "roucas101", 9090) is `on sas1 build/tcp/probe
roucas101 9090`."""

import functools
import os
import subprocess

from harness import PATIENCE, binary
from networks import run_again
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
        run_again(test, [LAB], "IN_THE_LAB")

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


def firewall(machine, verdict, port, way="in"):
    subprocess.run(["firewall", machine, verdict, str(port), way], check=True, timeout=PATIENCE)
