"""Write the missing server: echo/daytime says in one line what time it is, and closes."""

import signal
import time

from harness import eventually
from spoken import say

PROGRAMS = {"echo/daytime": "echo/fork"}
THERE = {"TZ": "<+05>-5"}  # local time, wherever this is: five hours ahead of UTC


def says_the_time(connect):
    """connect() returns a client; it must be told the second of now: one of those while this
    runs."""
    before = int(time.time())
    client = connect()
    line = client.line("Nous sommes le JJ/MM/AAAA, il est HH:MM:SS.")
    after = int(time.time())
    form = "Nous sommes le %d/%m/%Y, il est %H:%M:%S."
    right = [
        time.strftime(form, time.gmtime(second + 5 * 3600)) for second in range(before, after + 1)
    ]
    there = say(
        "(local time is five hours ahead of UTC here)",
        "(l'heure locale a ici cinq heures d'avance sur UTC)",
    )
    shown = f"  {right[0]!r} {there}\n    {say('received', 'reçu'):8}  {line!r}"
    assert line in right, f"    {say('expected', 'attendu'):8}{shown}"
    client.expect_end()
    return after


def test_it_says_the_time_and_closes(start):
    says_the_time(start("echo/daytime", env=THERE).connect)


def test_it_says_the_time_of_each_client(start):
    server = start("echo/daytime", env=THERE)
    second = says_the_time(server.connect)
    eventually(lambda: time.time() >= second + 1)
    says_the_time(server.connect)


def test_it_waits_for_no_client(start):
    server = start("echo/daytime", env=THERE)
    server.connect()  # says nothing, reads nothing, stays
    says_the_time(server.connect)


def test_who_has_already_said_something_is_answered_too_and_not_reset(start):
    server = start("echo/daytime", env=THERE)

    def speak_first():
        server.process.send_signal(signal.SIGSTOP)  # what is sent now is there before accept
        client = server.connect()
        client.send("Quelle heure est-il ?\n")
        server.process.send_signal(signal.SIGCONT)
        return client

    says_the_time(speak_first)
