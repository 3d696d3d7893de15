"""Find the servers of a network: one datagram to everybody."""

import subprocess

import harness
from lab import LAB, needs_the_lab
from spoken import expect

PROGRAMS = {"echo/seek": "tcp/client", "echo/datagram": "echo/datagram"}
EVERYBODY = "127.255.255.255"  # the broadcast address of the loopback, as Linux has it


def seek(*words):
    return harness.run("echo/seek", *words, stdin=subprocess.DEVNULL)


def test_a_server_that_hears_everybodys_address_is_found(start):
    server = start("echo/datagram", "-b", "0.0.0.0", 0)
    said = seek(EVERYBODY, server.port)
    expect((said.stdout, said.stderr), (f"127.0.0.1:{server.port}\n", ""))
    expect(said.returncode, 0)


def test_where_none_answers_none_is_shown_and_the_status_is_1():
    said = seek(EVERYBODY, harness.free_port())
    expect((said.stdout, said.returncode), ("", 1))


def test_one_server_alone_may_be_asked_too(start):
    server = start("echo/datagram")
    said = seek("127.0.0.1", server.port)
    expect((said.stdout, said.returncode), (f"127.0.0.1:{server.port}\n", 0))


IN_THE_LAB = """
on sas1 ip address add 192.168.9.3/24 broadcast 192.168.9.255 dev roucas101
on roucas101 ip address add 192.168.9.4/24 broadcast 192.168.9.255 dev sas1
on roucas101 build/echo/datagram -b 0.0.0.0 2>&1 | (head -1; cat >/dev/null) > build/seek.log &
until grep -q listening build/seek.log; do sleep 0.1; done
on sas1 build/echo/seek 192.168.9.255 9090
"""


def test_in_the_lab_the_other_end_of_the_cable_is_found():
    needs_the_lab()
    (harness.ROOT / "build/seek.log").write_text("")
    said = subprocess.run(
        [LAB, "bash", "-c", IN_THE_LAB], capture_output=True, text=True, cwd=harness.ROOT,
        timeout=60,
    )  # fmt: skip
    expect((said.stdout, said.returncode), ("192.168.9.4:9090\n", 0))
