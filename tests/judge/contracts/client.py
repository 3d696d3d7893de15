"""The client: here the judge is the server."""

import os
import queue
import socket
import threading
import time

from contract import Fault, Ladder
from conversation import EVERY_BYTE, Client, Piece
from likely import guess
from places import Place
from submission import START, NotStarted, Process
from words import Say

ladder = Ladder(
    "client",
    "client",
    "./moi {host} {port}",
    Say(
        """Un client TCP, en IPv4. Les deux derniers mots de sa commande sont l'adresse et le port.

Ce qui arrive sur l'entrée standard part aussitôt vers le serveur, ligne après ligne ; ce qui
arrive du serveur est écrit aussitôt sur la sortie standard, même sans fin de ligne. Les deux
sens sont indépendants : le serveur peut parler quand personne ne tape, et l'on peut taper
quand il se tait. Tout octet est possible ; aucun n'est perdu, ajouté ou changé, si lente que
soit l'autre extrémité.

À la fin de l'entrée, le client ferme son sens d'envoi (demi-fermeture, shutdown SHUT_WR), et
affiche encore tout ce qui arrive. Quand le serveur ferme, le client se termine, avec le code 0,
même si l'entrée est ouverte. Quand un appel échoue (personne n'écoute, la connexion est coupée),
il se termine avec le code 1, et une ligne sur la sortie d'erreur. SIGTERM l'arrête.""",
        """A TCP client, IPv4. The last two words of its command are the address and the port.

What comes on standard input goes to the server, at once, line by line; what comes from the
server is written to standard output, at once, without an end of line too. The two
directions are independent: the server may speak when nobody types, and one may type when it
is silent. Any byte may come; none is lost, added or changed, however slow the other is.

At the end of the input, the client closes its direction (half-close, shutdown SHUT_WR), and
goes on showing all that comes. When the server closes, the client ends, with status 0, even
if its input is open. When a call fails (nobody listens, the connection is reset), it ends
with status 1, and one line on standard error. SIGTERM ends it.""",
    ),
)

KEYBOARD, SERVER, SCREEN = (
    Say("clavier", "keyboard"),
    Say("serveur", "server"),
    Say("écran", "screen"),
)


class Run:
    """The client, at work: its keyboard, its screen, and our end of its connection."""

    def __init__(self, trial, listening=True, receive_buffer=None):
        self.trial, self.seen = trial, 0
        self.listener = socket.socket()
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        if listening:
            self.listener.listen(5)
            self.listener.settimeout(START)
        else:
            self.listener.close()
        self.process = trial.server.process = Process(
            trial.server.words(port), trial.server.folder, typed=True, keep_all=16 << 20
        )
        trial.server.used = True
        trial.said_before = 0
        self.typed, keys = queue.Queue(), self.process.stdin
        self.process.stdin = None
        threading.Thread(target=self._type, args=[keys], daemon=True).start()
        trial.clients.append(self)
        self.socket = self.listener  # what trial.close() closes
        if listening:
            self.peer = self._accept()

    def _accept(self):
        known = self.trial.judge.known
        # One that has never come does not have the time to start each time.
        limit = START if known.get("comes", True) else self.trial.patience
        deadline = time.monotonic() + limit
        self.listener.settimeout(0.05)
        while True:
            try:
                connection, _ = self.listener.accept()
            except socket.timeout:
                if not self.process.ended and time.monotonic() < deadline:
                    continue
                ended = self.process.how_it_ended()
                known.setdefault("comes", False)
                if not ended:
                    self.trial.heard_nothing(limit)
                raise Fault(
                    Say(
                        (
                            "Votre client ne se connecte pas à l'adresse et au port de sa"
                            " commande."
                        ),
                        "Your client does not connect to the address and port of its command.",
                    ),
                    Say("une connexion", "a connection"),
                    ended or Say("rien", "nothing"),
                ) from None
            known["comes"] = True
            self.trial.clients.append(client := Client(self.trial, SERVER, connection))
            return client

    def _type(self, keys):
        try:
            while (data := self.typed.get()) is not None:
                while data:
                    data = data[os.write(keys, data) :]
        except OSError:
            pass  # the client has ended
        os.close(keys)

    def types(self, data):
        self.trial.lines.append((self.trial.now(), KEYBOARD, ">", Piece(data)))
        self.typed.put(memoryview(data))
        return self

    def ends_input(self):
        self.trial.note(KEYBOARD, Say("fin de l'entrée (Ctrl-D)", "end of the input (Ctrl-D)"))
        self.typed.put(None)
        return self

    def shows(self, expected, likely=None, silence=None):
        """These bytes come on the screen next."""
        output, silence = self.process.output, silence or self.trial.patience
        until = time.monotonic() + silence
        with output.changed:
            count = output.count
            while (
                len(output.first) - self.seen < len(expected)
                and not output.ended
                and time.monotonic() < until
            ):
                if self.peer.unsent:
                    output.changed.release()
                    self.peer.pump()
                    output.changed.acquire()
                output.changed.wait(0.02 if self.peer.unsent else until - time.monotonic())
                if output.count != count:
                    until, count = time.monotonic() + silence, output.count
            got = output.first[self.seen : self.seen + len(expected)]
            late = not output.ended
        self.trial.lines.append((self.trial.now(), SCREEN, "<", Piece(got)))
        self.seen += len(got)
        if got != expected:
            how = (
                "different" if not expected.startswith(got) else "silence" if late else "closed"
            )
            if how == "silence":
                self.trial.heard_nothing(silence)
            raise Fault(guess(how, expected, got, likely), expected, got)
        return self

    def ends(self, status, likely, one_line=False):
        """It ends by itself, with this status; with one line on standard error, or with none."""
        if not self.process.wait(self.trial.patience):
            self.trial.heard_nothing(self.trial.patience)
            raise Fault(
                likely,
                Say(
                    f"le client se termine, avec le code {status}",
                    f"the client ends, with status {status}",
                ),
                Say("il tourne toujours", "it still runs"),
            )
        self.trial.note(Say("client", "client"), self.process.how_it_ended())
        errors = self.process.errors
        with errors.changed:
            errors.changed.wait_for(lambda: errors.ended, 1)
        lines = errors.since().splitlines()
        if self.process.status != status or one_line and len(lines) != 1:
            for line in lines[-4:]:
                self.trial.note(Say("sortie d'erreur", "stderr"), line)
            raise Fault(
                likely,
                Say(f"le code de retour {status}", f"exit status {status}").format_plain()
                + (
                    str(
                        Say(
                            ", une ligne sur la sortie d'erreur", ", one line on standard error"
                        )
                    )
                    if one_line
                    else ""
                ),
                f"{self.process.how_it_ended()}"
                + (
                    str(Say(", {} lignes", ", {} lines")).format(len(lines)) if one_line else ""
                ),
            )


def begin(server):
    """Before the first check. Raises NotStarted when the client cannot even be started."""
    process = Process(server.words(9), server.folder, typed=True)
    process.wait(0.3)
    server.process = process
    if process.failed or process.status == 127:
        raise NotStarted(process.how_it_ended())


@ladder.check(
    "connects",
    1,
    Say(
        "Il se connecte à l'adresse et au port de sa commande.",
        "It connects to the address and port of its command.",
    ),
    Place("session"),
)
def connects(trial):
    Run(trial).peer.expects_silence(0.2)


@ladder.check(
    "sends",
    2,
    Say("Une ligne tapée part aussitôt.", "A line that is typed goes out at once."),
    Place("session"),
)
def sends(trial):
    likely = {
        "silence": Say(
            (
                "La ligne reste dans votre client : il attend le serveur, ou la fin de"
                " l'entrée, ou garde ce qu'il lit dans un tampon."
            ),
            (
                "The line stays in your client: it waits for the server, or the end of the"
                " input, or keeps what it reads in a buffer."
            ),
        )
    }
    run = Run(trial)
    for line in (b"bonjour\n", "et à bientôt\n".encode()):
        run.types(line)
        run.peer.expects(line, likely)


@ladder.check(
    "shows",
    2,
    Say("Ce qu'envoie le serveur s'affiche aussitôt.", "What the server says is shown at once."),
    Place("session"),
)
def shows(trial):
    run = Run(trial)
    for line in (b"Le serveur \xc3\xa9coute.\n", b"et encore\n"):
        run.peer.sends(line)
        run.shows(
            line,
            {
                "silence": Say(
                    (
                        "Le tampon de la sortie standard n'est vidé qu'à la fin, si ce n'est"
                        " pas un terminal : flush."
                    ),
                    (
                        "The buffer of standard output is emptied only at the end, if that is"
                        " no terminal: flush."
                    ),
                )
            },
        )


@ladder.check(
    "no-newline",
    1,
    Say("Ce qui arrive sans fin de ligne s'affiche aussi.", "Without an end of line, too."),
    Place("lines"),
)
def no_newline(trial):
    run = Run(trial)
    for piece in (b"mot de passe : ", b"?", "é".encode()):
        run.peer.sends(piece)
        run.shows(
            piece,
            {
                "silence": Say(
                    "Votre client attend la fin de la ligne pour l'afficher.",
                    "Your client waits for the end of the line before it shows it.",
                )
            },
        )


@ladder.check(
    "pieces",
    1,
    Say(
        "Une réponse en morceaux, ou plusieurs d'un coup : tout s'affiche, en entier.",
        "An answer in pieces, or several at once, are shown whole.",
    ),
    Place("lines"),
)
def pieces(trial):
    run = Run(trial)
    for piece in (b"le serveur r\xc3", b"\xa9pond", b" : bonj", b"our\nun\ndeux\ntrois\n"):
        run.peer.sends(piece)
        time.sleep(0.1)  # so that each is a recv of its own at the other end
    run.shows("le serveur répond : bonjour\nun\ndeux\ntrois\n".encode())


STRANGE = b"\r\n\0\xff\xfe\xc3 \t\\ %s *\x1b[0m \xe2\x80\xa8\x0b\n" + EVERY_BYTE + b"\n"


@ladder.check(
    "bytes",
    2,
    Say("Tous les octets passent, dans les deux sens.", "Every byte passes, both ways."),
    Place("bytes"),
)
def every_byte(trial):
    run = Run(trial)
    run.types(STRANGE)
    run.peer.expects(STRANGE)
    run.peer.sends(STRANGE)
    run.shows(STRANGE)


@ladder.check(
    "both-ways",
    2,
    Say(
        "Les deux sens sont indépendants : chacun peut parler quand l'autre se tait.",
        "The two directions are independent: each may speak when the other is silent.",
    ),
    Place("second"),
)
def both_ways(trial):
    likely = Say(
        (
            "Votre client attend dans un sens, et l'autre attend avec lui : deux threads, ou"
            " select sur les deux."
        ),
        (
            "Your client waits in one direction, and the other waits with it: two threads, or"
            " select on both."
        ),
    )
    run = Run(trial)
    for line in (b"un\n", b"deux\n", b"trois\n"):
        run.peer.sends(line)
        run.shows(line, {"silence": likely})
    for line in (b"quatre\n", b"cinq\n", b"six\n"):
        run.types(line)
        run.peer.expects(line, {"silence": likely})
    run.peer.sends(b"sept\n")
    run.shows(b"sept\n", {"silence": likely})


BIG = b"".join(b"ligne %d\n" % i for i in range(300_000))


@ladder.check(
    "big",
    1,
    Say(
        "Quatre mégaoctets arrivent entiers, dans chaque sens.",
        "Four megabytes arrive whole, each way.",
    ),
    Place("part"),
    limit=20,
)
def big(trial):
    likely = Say(
        "send et write ne prennent parfois qu'une partie des octets : il faut envoyer le "
        "reste ensuite.",
        "send and write sometimes take only a part: the rest is to be sent again.",
    )
    run = Run(trial)
    run.types(BIG)
    run.peer.expects(BIG, {"different": likely, "silence": likely})
    run.peer.sends(BIG)
    run.shows(BIG, {"different": likely, "silence": likely})


@ladder.check(
    "slow-server",
    1,
    Say(
        "Même si le serveur ne lit pas, ce qu'il envoie s'affiche, et rien n'est perdu.",
        (
            "A server that does not read does not keep from showing what it says, and nothing"
            " is lost."
        ),
    ),
    Place("part"),
    limit=20,
)
def slow_server(trial):
    likely = Say(
        "Votre client attend dans send, et n'affiche plus rien : les deux sens sont liés.",
        (
            "Your client waits in send, and shows nothing more: the two directions are tied"
            " together."
        ),
    )
    run = Run(trial, receive_buffer=4096)
    run.types(BIG)
    trial.settles(lambda: False, 0.3)
    run.peer.sends(b"patience\n")
    run.shows(b"patience\n", {"silence": likely})
    run.peer.expects(BIG)


@ladder.check(
    "half-close",
    3,
    Say(
        "La fin de l'entrée devient une demi-fermeture, et ce qui arrive encore s'affiche.",
        "The end of the input becomes a half-close, and what still comes is shown.",
    ),
    Place("half-close"),
)
def half_close(trial):
    run = Run(trial)
    run.types(b"bonjour\n")
    run.peer.expects(b"bonjour\n")
    run.types(b"fin sans fin de ligne").ends_input()
    run.peer.expects(b"fin sans fin de ligne")
    run.peer.expects_end(
        {
            "silence": Say(
                (
                    "À la fin de l'entrée, prévenez le serveur par shutdown(SHUT_WR). Sinon, "
                    "il attend indéfiniment."
                ),
                (
                    "At the end of the input, tell the server: shutdown(SHUT_WR). Or it waits"
                    " for ever."
                ),
            ),
            "reset": Say(
                "À la fin de l'entrée, votre client ferme tout, au lieu de fermer un seul "
                "sens.",
                "At the end of the input your client leaves, instead of closing one direction.",
            ),
        }
    )
    likely = Say(
        "Votre client s'est terminé à la fin de l'entrée, alors que le serveur a encore "
        "quelque chose à envoyer.",
        "Your client ended at the end of the input: the server has more to say.",
    )
    for line in (b"le serveur r\xc3\xa9pond : bonjour\n", b"et encore\n"):
        run.peer.sends(line)
        time.sleep(0.1)  # the second comes when a client that has closed has had its RST
    run.shows(
        "le serveur répond : bonjour\net encore\n".encode(),
        {"closed": likely, "silence": likely},
    )
    run.peer.closes()
    run.ends(
        0,
        Say(
            "Le serveur a fermé : votre client doit se terminer, avec le code 0.",
            "The server has closed: your client ends, with status 0.",
        ),
    )


@ladder.check(
    "end",
    1,
    Say(
        "Quand le serveur ferme, le client se termine, même si l'entrée est ouverte.",
        "When the server closes, the client ends, even if its input is open.",
    ),
    Place("half-close"),
)
def end(trial):
    run = Run(trial)
    run.peer.sends(b"adieu\n")
    run.shows(b"adieu\n")
    run.peer.closes()
    run.ends(
        0,
        Say(
            (
                "recv rend 0 : le serveur a fini, et votre client doit se terminer sans "
                "attendre une ligne de plus."
            ),
            (
                "recv returns 0: the server has finished, and so has your client, without"
                " waiting for another line."
            ),
        ),
    )


ONE_LINE = Say(
    (
        "Une erreur se signale par une ligne sur la sortie d'erreur, et le code 1 : ni "
        "silence, ni pile d'appels."
    ),
    "An error is one line on standard error, and status 1: no silence, and no traceback.",
)


@ladder.check(
    "reset",
    1,
    Say(
        "Une connexion coupée (RST) est une erreur, signalée en une ligne.",
        "A connection that is reset (RST) is an error, said in one line.",
    ),
    Place("gone"),
)
def reset(trial):
    run = Run(trial)
    run.types(b"bonjour\n")
    run.peer.expects(b"bonjour\n")
    run.peer.resets()
    run.ends(1, ONE_LINE, one_line=True)


@ladder.check(
    "refused",
    1,
    Say(
        "Si personne n'écoute, c'est une erreur, signalée en une ligne.",
        "Nobody listens: that is an error, said in one line.",
    ),
    Place("gone"),
)
def refused(trial):
    trial.note(
        Say("juge", "judge"),
        Say("lance le client, et n'écoute pas", "starts the client, and does not listen"),
    )
    Run(trial, listening=False).ends(1, ONE_LINE, one_line=True)


@ladder.check("sigterm", 1, Say("SIGTERM l'arrête.", "SIGTERM ends it."), Place("session"))
def sigterm(trial):
    run = Run(trial)
    run.process.terminate()
    if not run.process.wait(trial.patience):
        raise Fault(
            Say(
                "Votre client ne s'arrête pas à SIGTERM.",
                "Your client does not end at SIGTERM.",
            ),
            Say("il s'arrête en une seconde", "it ends within a second"),
            Say("il tourne toujours", "it still runs"),
        )
