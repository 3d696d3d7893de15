#!/usr/bin/env python3
"""make room: is this machine ready for the course? Looks at what a lab needs, in ten seconds, changes
nothing, and says what is missing, what is lost without it, and who can help.

    tests/room.py [--lang fr|en]

Wants nothing but Python. Status 0: the course can be held here; 1: something that every session
needs is missing. What only some sessions need is named, and costs nothing else.
"""

import importlib.util
import os
import re
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import spoken  # noqa: E402
from packages import PACKAGES  # noqa: E402
from spoken import say  # noqa: E402

LIMIT = 5  # seconds for a command
# The ports that the sessions type, and the notes that type them.
PORTS = {9090: "start, echo, tcp, broadcast, commands", 9091: "start, tcp", 9191: "echo", 4000: "forward",
         8080: "web", 8081: "web", 8082: "web"}  # fmt: skip
PROGRAM = """
#include <sys/socket.h>
#include <iostream>
#include <span>
#include <thread>
int main() {
    std::thread([] { std::cout << socket(AF_INET, SOCK_STREAM, 0); }).join();
}
"""

OK, LOST, MISSING = "✓", "–", "✗"


class Found:
    """One thing that was looked at: what it is, whether it is there, and what to do."""

    def __init__(self, what, there, details="", needed=False, lost="", helper=""):
        self.what, self.there, self.details = what, there, details
        self.needed, self.lost, self.helper = needed, lost, helper

    def lines(self):
        mark = OK if self.there else MISSING if self.needed else LOST
        yield f"{mark} {self.what:24} {self.details}".rstrip()
        if not self.there:
            yield f"    {say('without it:', 'sans cela :')} {self.lost}"
            yield f"    {say('who can help:', 'qui peut aider :')} {self.helper}"


def answer(words, **options):
    """(whether a command went well, what it said)"""
    try:
        ended = subprocess.run(
            words, capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return ended.returncode == 0, (ended.stdout + ended.stderr).strip()


def install(*packages):
    """Who installs a package."""
    command = f"apt install {' '.join(packages)}"
    if os.geteuid() == 0:
        return say(f"you: {command}", f"vous : {command}")
    if answer(["sudo", "-n", "true"])[0]:
        return say(f"you: sudo {command}", f"vous : sudo {command}")
    return say(f"who runs the machines (root): {command}",
               f"l'administrateur des machines (root) : {command}")


def compiler():
    words = shlex.split(os.environ.get("CXX", "c++"))
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "a.cpp", Path(folder) / "a"
        source.write_text(PROGRAM)
        built, said = answer([*words, "-std=c++20", "-pthread", "-o", str(program), str(source)])
        there, _ = answer([str(program)]) if built else (False, "")
    version = answer([*words, "--version"])[1].splitlines()[:1]
    return Found(
        say("C++20 compiler", "compilateur C++20"), there,
        "".join(version) if there else (said.splitlines() or [""])[0][:60], needed=True,
        lost=say("nothing is built", "rien ne se compile"), helper=install("g++"),
    )  # fmt: skip


def tool(name, needed, lost):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    return Found(name, bool(path), path or "", needed, lost, install(PACKAGES.get(name, name)))


def pytest():
    places = [ROOT / "build/venv/bin/python3", shutil.which("python3"), "/usr/bin/python3"]
    for python in filter(None, dict.fromkeys(map(str, filter(None, places)))):
        there, said = answer([python, "-c", "import pytest; print(pytest.__version__)"])
        if there:
            return Found("pytest", True, f"{said}, {python}")
    return Found(
        "pytest", False, needed=True,
        lost=say("no exercise can be tested: make exercise",
                 "aucun exercice ne peut être testé : make exercise"),
        helper=install("python3-pytest") + say(
            "; or each student: python3 -m venv build/venv && build/venv/bin/pip install pytest",
            " ; ou chaque élève : python3 -m venv build/venv && build/venv/bin/pip install pytest"),
    )  # fmt: skip


def namespaces():
    there, said = answer([str(ROOT / "tests/lab/lab"), "true"])
    return Found(
        say("network namespaces", "espaces de noms réseau"), there,
        "" if there else (said.splitlines() or [""])[0],
        lost=say("no make lab: the four machines of tcp.md and forward.md are shown, not typed",
                 "pas de make lab : les quatre machines de tcp.md et forward.md seront projetées, et non essayées"),
        helper=say("who runs the machines (root): sysctl kernel.unprivileged_userns_clone=1, and on"
                   " Ubuntu kernel.apparmor_restrict_unprivileged_userns=0",
                   "l'administrateur des machines (root) : sysctl kernel.unprivileged_userns_clone=1, et sous"
                   " Ubuntu kernel.apparmor_restrict_unprivileged_userns=0"),
    )  # fmt: skip


def owner(port):
    """Whose a port is, as ss tells it."""
    said = answer(["ss", "-Htlnp", f"sport = :{port}"])[1]
    found = re.search(r'"([^"]+)",pid=(\d+)', said)
    return f"{found[1]}, pid {found[2]}" if found else ""


def ports():
    taken = []
    for port in PORTS:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    whose = "; ".join(f"{port} ({owner(port)})" if owner(port) else str(port) for port in taken)
    notes = ", ".join(dict.fromkeys(note for port in taken for note in PORTS[port].split(", ")))
    return Found(
        "ports", not taken,
        " ".join(map(str, PORTS)) if not taken else say(f"taken: {whose}", f"pris : {whose}"),
        lost=say(f"the sessions of {notes} say: Address already in use",
                 f"les sessions de {notes} échouent : Address already in use"),
        helper=say("you, or the neighbour whose program it is: end it, or give every command another port",
                   "vous, ou le voisin dont c'est le programme : l'arrêter, ou prendre un autre port partout"),
    )  # fmt: skip


def loopback():
    def reaches(host):
        try:
            with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
                socket.create_connection(one.getsockname()[:2], timeout=LIMIT).close()
            return True
        except OSError:
            return False

    four, six = reaches("127.0.0.1"), reaches("::1")
    yield Found("127.0.0.1", four, "", needed=True, lost=say("nothing works", "rien ne marche"),
                helper=say("who runs the machines: ip link set lo up",
                           "l'administrateur des machines : ip link set lo up"))  # fmt: skip
    yield Found("::1", six, "", lost=say("no session over IPv6 in echo.md", "pas de session en IPv6 dans echo.md"),
                helper=say("who runs the machines: sysctl net.ipv6.conf.all.disable_ipv6=0",
                           "l'administrateur des machines : sysctl net.ipv6.conf.all.disable_ipv6=0"))  # fmt: skip
    try:
        named = any(place[4][0] == "127.0.0.1" for place in socket.getaddrinfo("localhost", 9090))
    except OSError:
        named = False
    yield Found("localhost", named, "", lost=say("no session that types the name", "pas de session où l'on tape ce nom"),
                helper=say("who runs the machines: 127.0.0.1 localhost in /etc/hosts",
                           "l'administrateur des machines : 127.0.0.1 localhost dans /etc/hosts"))  # fmt: skip


def descriptors():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    there = most == resource.RLIM_INFINITY or most >= 1024
    return Found(say("open files", "fichiers ouverts"), there, f"ulimit -Hn: {most}",
                 lost=say("not echo.md's lesson on 1024 clients", "pas de leçon sur 1024 clients (echo.md)"),
                 helper=say("who runs the machines: /etc/security/limits.conf",
                            "l'administrateur des machines : /etc/security/limits.conf"))  # fmt: skip


def disk():
    free = shutil.disk_usage(ROOT).free >> 20
    writable = os.access(ROOT, os.W_OK)
    return Found(say("room on the disk", "place sur le disque"), free >= 200 and writable,
                 say(f"{free} MiB free", f"{free} Mio libres") if writable
                 else say("this folder cannot be written to", "on ne peut pas écrire dans ce dossier"),
                 needed=True, lost=say("nothing is built", "rien ne se compile"),
                 helper=say("you: make clean, or another folder; who runs the machines: a larger quota",
                            "vous : make clean, ou un autre dossier ; l'administrateur des machines : un quota plus grand"))  # fmt: skip


def look():
    """What there is, what every session needs first."""
    yield compiler()
    yield tool("make", True, say("nothing is built", "rien ne se compile"))
    yield pytest()
    yield disk()
    yield from loopback()
    yield ports()
    yield tool("nc", False,
               say("type build/tcp/netcat where a note has nc", "taper build/tcp/netcat au lieu de nc"))  # fmt: skip
    yield namespaces()
    yield descriptors()
    for name, english, french in (
        ("strace", "no sections Seen from the kernel; one exercise less in start.md",
         "pas de sections Vu du noyau ; un exercice de moins dans start.md"),
        ("tcpdump", "no sections Seen on the wire (they want root, too)",
         "pas de sections Vu sur le réseau (il faut aussi être root)"),
        ("ss", "two exercises less in start.md; no make lab",
         "deux exercices de moins dans start.md ; pas de make lab"),
        ("socat", "not the course page's own servers", "pas de serveurs de la page du cours"),
        ("curl", "no sessions of web.md", "pas de sessions de web.md"),
        ("xxd", "one exercise less in start.md", "un exercice de moins dans start.md"),
        ("nft", "no firewall in make lab", "pas de firewall dans make lab"),
        ("tmux", "only one shell in each terminal", "un seul shell par terminal"),
        ("pandoc", "no make read: read the notes as files", "pas de make read : on lit les notes dans leurs fichiers"),
    ):  # fmt: skip
        yield tool(name, False, say(english, french))


def main(words):
    if "--lang" in words[:-1]:
        spoken.language = "fr" if words[words.index("--lang") + 1].startswith("fr") else "en"
    start, missing, lost, packages = time.monotonic(), 0, 0, []
    for found in look():
        for line in found.lines():
            print(line, flush=True)
        missing += not found.there and found.needed
        lost += not found.there and not found.needed
        if not found.there:
            packages += re.findall(r"apt install (\S+)", found.helper)
    seconds = time.monotonic() - start
    if packages:
        print(f"\n{say('All at once:', 'En une seule commande :')} apt install {' '.join(dict.fromkeys(packages))}")
    if missing:
        verdict = say("is not ready: what is marked ✗ is needed by all",
                      "n'est pas prête : ce qui porte ✗ est nécessaire à tous")
    elif lost:
        verdict = say("is ready, but for what is marked –", "est prête, sauf pour ce qui porte –")
    else:
        verdict = say("is ready", "est prête")
    print(f"\n{say('This machine', 'Cette machine')} {verdict}. ({seconds:.0f} s)")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
