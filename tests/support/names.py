"""Tests whose names are looked up from a name server of the test's own.

@with_a_name_server makes of a test one that runs in a network, and a pytest, of its own, where
every name is asked for at 127.0.0.9. A question that nobody answers is given up after 30 s."""

import os
import queue
import socket
import struct
import threading

from harness import PATIENCE
from networks import run_again
from wants import needs_namespace, peer

A, AAAA = 1, 28


def with_a_name_server(test):
    if "WITH_A_NAME_SERVER" in os.environ:
        return test

    def outside(tmp_path):
        peer("ip")
        resolv = tmp_path / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.9\noptions timeout:30 attempts:1\n")
        script = 'mount --bind "$0" /etc/resolv.conf && ip link set lo up && exec "$@"'
        words = [*needs_namespace("--net", "--mount"), "sh", "-c", script, resolv]
        run_again(test, words, "WITH_A_NAME_SERVER")

    outside.__name__, outside.__doc__ = test.__name__, test.__doc__
    return outside


class NameServer:
    """Hears every question, and says nothing until it is told what to answer."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.9", 53))
        self.heard = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            message, asker = self.socket.recvfrom(512)
            labels, at = [], 12
            while length := message[at]:
                labels.append(message[at + 1 : at + 1 + length].decode())
                at += 1 + length
            (kind,) = struct.unpack_from(">H", message, at + 1)
            self.heard.put((".".join(labels), kind, message[: at + 5], asker))

    def question(self, name):
        """The next question, which is for this name, to be answered."""
        question = self.heard.get(timeout=PATIENCE)
        assert question[0] == name
        return question

    def answer(self, question, *addresses):
        """Answers with those of the addresses that are of the kind asked for. None at all: there is
        no such name."""
        _, kind, message, asker = question
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}[kind]
        found = [
            socket.inet_pton(family, address)
            for address in addresses
            if (":" in address) == (family == socket.AF_INET6)
        ]
        flags = 0x8180 if addresses else 0x8183  # NXDOMAIN
        head = message[:2] + struct.pack(">5H", flags, 1, len(found), 0, 0) + message[12:]
        records = [
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(address)) + address
            for address in found
        ]
        self.socket.sendto(head + b"".join(records), asker)

    def answer_next(self, name, *addresses):
        """Answers the two questions, for IPv4 and for IPv6, that a look-up asks at once."""
        for _ in range(2):
            self.answer(self.question(name), *addresses)
