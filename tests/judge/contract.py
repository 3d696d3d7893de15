"""A contract is a ladder of checks, each a promise in a sentence, with its points; together they
have twenty.

    @ladder.check("half-close", 3, Say("Après ...", "After ..."), note("echo", "half-close"))
    def half_close(server):
        client = server.connect()
        client.sends(b"un\\n").half_closes()
        client.expects(...).expects_end()

A check has passed when its function returns. Its fault is an exception (conversation.Fault). It
closes nothing: its clients are closed for it. It counts on no other check, and leaves a server
behind that serves.
"""

import re
import time
from collections import namedtuple

import conversation
import words
from conversation import Client, Conversation, Fault
from submission import CONNECT, END, NotStarted, Process
from words import Say, readable, shown

OF = 20
PATIENCE = 3.0  # seconds without a byte, after which nothing more is waited for
VISITS = 2000  # clients that come and go; the contracts whose clients cost more take half
HANGS = 2  # after so many of them, the patience is half

Check = namedtuple("Check", "id points says read run needs limit")
Place = namedtuple("Place", "note heading lead")


class Ladder:
    """A contract: its name, how it reads, and its checks, the easiest first."""

    def __init__(self, name, transport, example, explains, files=None, environment=None):
        self.name, self.transport, self.example, self.explains, self.files = (
            name,
            transport,
            example,
            explains,
            files,
        )
        self.environment = environment or {}
        self.checks = []

    def check(self, id, points, says, read, needs=None, limit=10):
        """`needs`: "start" for what only a server that we start can show, "dir" for what wants our
        folder. `limit`: seconds for all of it."""

        def add(run):
            self.checks.append(Check(id, points, says, read, run, needs, limit))
            return run

        return add

    @property
    def points(self):
        return sum(check.points for check in self.checks)


class Result:
    """What became of a check. passed is None for one that could not be judged here."""

    def __init__(self, check, passed, why=None):
        self.check, self.passed, self.why = check, passed, why
        self.sent = self.expected = self.received = self.likely = ""
        self.pair = (
            None  # expected and received as bytes, where the difference can be pointed at
        )
        self.table, self.said, self.seconds = [], [], 0.0

    @property
    def score(self):
        return self.check.points if self.passed else 0


class Trial(Conversation):
    """One check under way: the server as the check sees it, and the record of what happens."""

    def __init__(self, judge, server, check):
        super().__init__()
        self.judge, self.server, self.patience = judge, server, judge.patience
        self.deadline = time.monotonic() + check.limit * max(1, judge.patience / PATIENCE)
        self.clients, self.count = [], 0
        self.said_before = server.process.output.count if server.process else 0

    def connect(self, name=None, receive_buffer=None, quietly=False):
        """A new client. The record calls it "client", "client 2" ..."""
        self.count += 1
        name = name or ("client" if self.count == 1 else f"client {self.count}")
        try:
            connection = self.server.socket(receive_buffer, self.judge.connecting)
        except OSError as error:
            if isinstance(error, TimeoutError):
                self.judge.hung()
            self.note(
                name,
                Say("ne peut pas se connecter ({})", "cannot connect ({})").format_plain(
                    error.strerror or error
                ),
            )
            raise Fault(
                Say(
                    "Plus personne n'écoute : votre serveur s'est arrêté, ou n'accepte plus.",
                    "Nobody listens any more: your server has ended, or accepts no more.",
                ),
                Say("une connexion", "a connection"),
                error.strerror or str(error),
            ) from None
        client = Client(Quiet(self) if quietly else self, name, connection)
        self.clients.append(client)
        return client

    def heard_nothing(self, silence):
        if silence >= self.patience:
            self.judge.hung()
        self.note(
            Say("(le juge)", "(the judge)"),
            Say("rien ne vient, pendant {} s", "nothing comes, for {} s").format_plain(
                words.number(silence, 1)
            ),
        )

    def measure(self):
        return self.server.measure()

    def now(self):
        return time.monotonic() - self.start

    def start_alone(self):
        """The program once more, nobody waiting for it to serve; who starts it ends it."""
        self.note(Say("juge", "judge"), Say("lance le serveur", "starts the server"))
        return Process(self.server.words(None), self.server.folder, self.server.environment)

    def comes_back(self):
        """SIGTERM ends the server, and it can be started again at once, where it was."""
        server, process, where = self.server, self.server.process, self.server.address
        who = Say("juge", "judge")
        self.note(who, Say("envoie SIGTERM", "sends SIGTERM"))
        process.terminate()
        if not process.wait(END):
            raise Fault(
                Say(
                    (
                        "Votre serveur ne s'arrête pas à SIGTERM : ne l'ignorez pas, et"
                        " n'attendez pas que tous les clients partent."
                    ),
                    (
                        "Your server does not end at SIGTERM: do not ignore it, and do not wait"
                        " for all clients to leave."
                    ),
                ),
                Say("il s'arrête en une seconde", "it ends within a second"),
                Say(f"il tourne encore au bout de {END} s", f"it still runs after {END} s"),
            )
        self.note(Say("serveur", "server"), process.how_it_ended())
        if not self.settles(lambda: not server.is_held(), 1):
            raise Fault(
                Say(
                    (
                        "Le programme lancé s'est arrêté, mais un autre processus occupe "
                        "encore le port : un processus fils doit fermer la socket d'écoute, "
                        "et un script doit lancer le serveur par `exec`."
                    ),
                    (
                        "The program that was started has ended, but somebody else still holds"
                        " the port: a child is to close the listener, and a script starts the"
                        " server with `exec`."
                    ),
                ),
                Say("le port est libre", "the port is free"),
                Say(
                    (
                        f"il reste {len(process.processes() or [])} processus, et le port"
                        " accepte encore"
                    ),
                    (
                        f"{len(process.processes() or [])} processes are left, and the port"
                        " still accepts"
                    ),
                ),
            )
        self.note(who, Say("le relance au même endroit", "starts it again in the same place"))
        self.said_before = 0  # it is another process, which has said nothing yet
        try:
            server.start(again_on=where if server.transport == "unix" else where[1])
        except NotStarted:
            said, received = server.said(), server.why_not()
            other = server.other_port() if server.transport == "tcp" else None
            if other:  # it took its port from the command the first time: bind has failed since
                received = Say(
                    f"il écoute sur le port {other}, et non sur {where[1]}",
                    f"it listens on port {other}, and not on {where[1]}",
                )
                likely = Say(
                    (
                        "bind a échoué, sans que le programme regarde ce qu'il rend, et listen"
                        " a pris un port au hasard. Le port est encore pris, par des connexions"
                        " en TIME-WAIT : SO_REUSEADDR avant bind."
                    ),
                    (
                        "bind has failed, the program has not looked at what it returns, and"
                        " listen has taken any port. The port is still taken, by connections"
                        " in TIME_WAIT: SO_REUSEADDR before bind."
                    ),
                )
            elif any("in use" in line.lower() or "eaddrinuse" in line.lower() for line in said):
                likely = Say(
                    (
                        "Le port est encore pris, par des connexions en TIME-WAIT :"
                        " SO_REUSEADDR avant bind (en Python `allow_reuse_address = True`, ou"
                        " socket.create_server)."
                    ),
                    (
                        "The port is still taken, by connections in TIME_WAIT: SO_REUSEADDR"
                        " before bind (in Python `allow_reuse_address = True`, or"
                        " socket.create_server)."
                    ),
                )
            else:
                likely = Say("Il ne redémarre pas.", "It does not start again.")
            raise Fault(
                likely, Say("il écoute de nouveau", "it listens again"), received
            ) from None

    def settles(self, condition, patience=5):
        """Waits until condition() is true; returns whether it became so."""
        deadline = time.monotonic() + patience
        while not (true := condition()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return true

    def close(self):
        for client in self.clients:
            client.socket.close()


class Quiet:
    """The record of clients of whom there are too many to tell."""

    def __init__(self, trial):
        self._trial = trial

    def note(self, *_):
        pass

    def __getattr__(self, name):
        return getattr(self._trial, name)


class Judge:
    """Tries the checks of a contract on a server, one after the other."""

    def __init__(self, ladder, server, patience=PATIENCE, visits=VISITS):
        self.ladder, self.server, self.full_patience, self.visits, self.hangs = (
            ladder,
            server,
            patience,
            visits,
            0,
        )
        self.known = (
            {}
        )  # what the checks have learned of this server, so that each fault is counted once

    @property
    def patience(self):
        return self.full_patience / (2 if self.hangs > HANGS else 1)

    @property
    def connecting(self):
        return min(CONNECT, self.patience) if self.hangs > HANGS else CONNECT

    def hung(self):
        self.hangs += 1

    def run(self, progress=lambda check: None, done=lambda result: None):
        """[Result], one a check. done() hears of each as it comes."""
        results = []
        for check in self.ladder.checks:
            progress(check)
            results.append(self.try_check(check))
            done(results[-1])
        return results

    def try_check(self, check):
        if check.needs and self.server.at:
            return Result(
                check,
                None,
                Say("le juge n'a pas lancé ce serveur", "the judge did not start this server"),
            )
        try:
            self.server.ready()
            fresh = not self.server.used
            result = self.once(check)
            if (
                not result.passed
                and not fresh
                and not self.server.at
                and self.ladder.transport != "client"
            ):
                # What an earlier check left behind is not this one's fault.
                self.server.restart()
                result = self.once(check)
            if not self.server.at and (not result.passed or self.ladder.transport == "client"):
                self.server.end()
        except NotStarted as why:
            result = Result(check, False)
            result.likely = str(
                Say(
                    "Votre serveur ne démarre plus : {}.",
                    "Your server does not start any more: {}.",
                ).format_plain(why)
            )
            result.said = self.server.said()
            self.server.end()
        return result

    def once(self, check):
        trial = Trial(self, self.server, check)
        result = Result(check, True)
        try:
            if fault := self.fault_in(check, trial):
                result.passed = False
                self.describe(result, trial, fault)
        finally:
            trial.close()
        result.seconds = time.monotonic() - trial.start
        return result

    @staticmethod
    def fault_in(check, trial):
        """What check.run(trial) finds, a Fault; or None."""
        try:
            check.run(trial)
        except Fault as fault:
            return fault
        except NotStarted as why:
            return Fault(why.args[0])
        except Exception as error:  # ValueError, RecursionError ...: of what no check has thought
            cannot = Say(
                "Le juge ne sait pas lire cette réponse ({}).",
                "The judge cannot read that answer ({}).",
            )
            return Fault(cannot.format_plain(f"{error!r:.100}"))
        return None

    def describe(self, result, trial, fault):
        ended = by_itself = None
        if trial.server.process and self.ladder.transport != "client":
            trial.server.process.wait(0.1)
            ended = trial.server.how_it_ended()
            by_itself = ended and trial.server.process.status == 0
            if by_itself and trial.server.is_held():
                ended = None  # that was a shell, which has put the server behind itself
        if ended:
            trial.note(Say("serveur", "server"), ended)
        likely = fault.likely
        if ended and "SIGPIPE" in ended.en:
            likely = Say(
                (
                    "Écrire à un client qui est parti envoie SIGPIPE, qui arrête le programme :"
                    " ignorez-le, et traitez l'erreur EPIPE."
                ),
                (
                    "To write to a client that has gone raises SIGPIPE, which ends the program:"
                    " ignore it, and handle EPIPE."
                ),
            )
        elif ended and trial.server.process.excess:
            likely = Say("Votre serveur : {}.", "Your server: {}.").format_plain(ended)
        elif ended and result.check.needs == "start":
            pass
        elif ended and by_itself:
            likely = Say(
                (
                    "Votre serveur s'est arrêté de lui-même, comme s'il avait fini : après un"
                    " client il attend le suivant, sans fin."
                ),
                (
                    "Your server ended by itself, as if it had done its work: after a client it"
                    " waits for the next, for ever."
                ),
            )
        elif ended:
            likely = Say(
                (
                    "Votre serveur s'est arrêté : l'erreur d'un seul client ne doit mettre "
                    "fin qu'à sa connexion."
                ),
                (
                    "Your server ended: an error of one client should end that client's"
                    " connection only."
                ),
            )
        result.likely = str(likely)
        result.sent = trial.sent()
        result.table = trial.table()
        said = trial.server.said(trial.said_before)
        result.said = (
            said
            if ended
            else [
                line
                for line in said
                if re.search("error|exception|panic|errno|erreur", line, re.I)
            ]
        )
        if (
            isinstance(fault.expected, (bytes, bytearray))
            and isinstance(fault.received, (bytes, bytearray))
            and fault.received
        ):
            result.pair = bytes(fault.expected), bytes(fault.received)
        result.expected, result.received = (
            (
                ""
                if what is None
                else shown(bytes(what)) if isinstance(what, (bytes, bytearray)) else str(what)
            )
            for what in (fault.expected, fault.received)
        )
        if result.expected and result.received in ("", '""'):
            result.received = str(Say("rien", "nothing"))


__all__ = ["Fault", "Judge", "Ladder", "Place", "Result", "Say", "conversation", "readable"]
