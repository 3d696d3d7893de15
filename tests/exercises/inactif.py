"""A limit of time: two seconds of silence end a conversation."""

import time

from harness import eventually, receive, receive_until
from spoken import say

PROGRAMS = {"tcp/commands": "tcp/commands"}


def test_silence_is_told_and_ended(start):
    server = start("tcp/commands")
    before = server.descriptors()
    began = time.monotonic()
    says_nothing, says_half, has_quit = server.connect(), server.connect(), server.connect()
    says_half.send("hel")
    has_quit.send("quitter\n")
    has_quit.expect_end()
    for client in (says_nothing, says_half):
        client.expect("erreur : inactif\n")
        client.expect_end()
    assert time.monotonic() - began > 1.9, say("it was too early", "c'était trop tôt")
    # None of the three has closed. The server does not wait for that for ever, either.
    eventually(lambda: server.descriptors() == before)
    assert server.cpu() < 1, say(
        "the server is to sleep in poll, not to look at the clock again and again",
        "le serveur doit dormir dans poll, et non regarder sans cesse l'heure",
    )


def test_who_speaks_or_is_owed_something_stays(start, tmp_path):
    content = bytes(16 << 20)  # more than two sockets hold
    (tmp_path / "grand").write_bytes(content)
    server = start("tcp/commands", "-d", tmp_path, 0)
    speaks, reads_later = server.connect(), server.connect()
    reads_later.send("fichier grand\n")
    for byte in "hello\n":  # one every half second: three seconds in all
        time.sleep(0.5)
        speaks.send(byte)
    speaks.expect("hello\n")
    assert receive_until(reads_later.socket, b"\n") == b"grand 16777216\n"
    assert receive(reads_later.socket, len(content)) == content
