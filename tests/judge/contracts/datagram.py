"""The echo server without a connection: each datagram has its answer."""

import select
import socket

from contract import Fault, Ladder
from contracts.echo import PREFIX
from conversation import EVERY_BYTE, Piece
from likely import guess
from places import Place
from words import Say, number

ladder = Ladder(
    "datagram",
    "udp",
    "./moi {port}",
    Say(
        """Un serveur UDP sur 127.0.0.1. Le port est le dernier mot de sa commande.

À chaque datagramme X, il répond par un datagramme, à l'adresse d'où X est venu :

    le serveur répond : X

Le texte est en UTF-8. Rien n'est ajouté, ni fin de ligne, ni autre chose ; X est renvoyé tel
quel, quels que soient ses octets. Un datagramme vide reçoit aussi une réponse. Il n'y a pas de
message d'accueil, puisque personne ne se connecte. Un datagramme compte au plus 65 507 octets ;
une réponse qui serait plus longue (EMSGSIZE) n'est pas envoyée, et le serveur continue.

Rien de ce qui arrive n'arrête le serveur, pas même l'erreur ICMP qui revient quand un client
est parti (ECONNREFUSED). SIGTERM l'arrête, et on peut le relancer aussitôt sur le même
port.""",
        """A UDP server on 127.0.0.1. The port is the last word of its command.

To each datagram X it answers with a datagram, to the address that X came from:

    le serveur répond : X

The text is UTF-8. Nothing is added, no end of line and nothing else; X goes back as it
came, whatever its bytes. An empty datagram has its answer too. There is no greeting: nobody
connects. A datagram has up to 65,507 bytes; an answer that would be longer (EMSGSIZE) is
not sent, and the server goes on.

Nothing that comes ends the server, nor does the ICMP error that comes back when a client
has gone (ECONNREFUSED). SIGTERM ends it, and it can be started again at once on the same
port.""",
    ),
)

LARGEST = 65507


class Sender:
    """A UDP socket of ours, connected to the server: what comes from anywhere else is not heard."""

    def __init__(self, trial, name=None):
        trial.count += 1
        self.trial, self.name = trial, name or (
            "client" if trial.count == 1 else f"client {trial.count}"
        )
        self.socket = trial.server.socket()
        self.socket.setblocking(False)
        trial.clients.append(self)

    def sends(self, data):
        self.trial.lines.append((self.trial.now(), self.name, ">", Piece(data)))
        try:
            self.socket.send(data)
        except ConnectionRefusedError:
            self.nobody()
        return self

    def nobody(self):
        self.trial.note(
            self.name,
            Say(
                "apprend que personne n'est là (ECONNREFUSED)",
                "is told that nobody is there (ECONNREFUSED)",
            ),
        )
        raise Fault(
            Say("Votre serveur s'est arrêté.", "Your server has ended."),
            Say("une réponse", "an answer"),
            Say("rien", "nothing"),
        )

    def hears(self, silence=None):
        """The next datagram, or None."""
        silence = self.trial.patience if silence is None else silence
        if not select.select([self.socket], [], [], silence)[0]:
            self.trial.heard_nothing(silence)
            return None
        try:
            data = self.socket.recv(1 << 17)
        except ConnectionRefusedError:
            self.nobody()
        self.trial.lines.append((self.trial.now(), self.name, "<", Piece(data)))
        return data

    def expects(self, expected, likely=None):
        got = self.hears()
        if got is None:
            raise Fault(guess("silence", expected, b"", likely), expected, b"")
        if got != expected:
            raise Fault(guess("different", expected, got, likely), expected, got)
        return self

    def asks(self, data, likely=None):
        return self.sends(data).expects(PREFIX + data, likely)


def still_answers(server, likely):
    Sender(server, str(Say("un autre", "another"))).asks(b"encore", likely)


@ladder.check(
    "answer",
    3,
    Say(
        "Au datagramme `bonjour`, il répond `le serveur répond : bonjour`.",
        "To the datagram `bonjour` it answers `le serveur répond : bonjour`.",
    ),
    Place("datagrams"),
)
def answers(server):
    Sender(server).asks(
        b"bonjour",
        Say(
            "Appelez sendto avec l'adresse que recvfrom a donnée.",
            "sendto, to the address that recvfrom gave.",
        ),
    )


@ladder.check(
    "nothing-added",
    2,
    Say(
        (
            "La réponse n'a rien de plus, et rien de moins : elle a une fin de ligne si la "
            "question en avait une."
        ),
        "The answer has nothing more and nothing less: an end of line is there if it came.",
    ),
    Place("datagrams"),
)
def nothing_added(server):
    likely = Say(
        "Un datagramme n'a pas besoin de `\\n` : ni ajouté, ni enlevé (strip).",
        "A datagram needs no `\\n`: none added, none taken off (strip).",
    )
    sender = Sender(server)
    for data in (b"sans", b"avec\n", b" blancs \r\n", b"deux\nlignes"):
        sender.asks(data, likely)


@ladder.check("bytes", 2, Say("Tous les octets passent.", "Every byte passes."), Place("bytes"))
def every_byte(server):
    for data in (
        "éàü €".encode(),
        b"a\0b",
        b"\0",
        b"\xff\xfe\xc3",
        b"* \\ %s $HOME `id`",
        bytes(range(256)),
        EVERY_BYTE,
    ):
        Sender(server).asks(
            data,
            {
                "silence": Say(
                    (
                        "Ce datagramme n'a pas de réponse : votre serveur le décode sans doute"
                        " en texte."
                    ),
                    "This datagram has no answer: your server probably decodes it into text.",
                )
            },
        )


@ladder.check(
    "empty",
    2,
    Say("Un datagramme vide a sa réponse.", "An empty datagram has its answer."),
    Place("datagrams"),
)
def empty(server):
    likely = {
        "silence": Say(
            "recvfrom rend 0 octet : en UDP, c'est un datagramme vide, et non une fin.",
            "recvfrom returns 0 bytes: with UDP that is an empty datagram, and no end.",
        )
    }
    Sender(server).asks(b"", likely).asks(b"apres", likely)
    still_answers(server, likely)


@ladder.check(
    "two-clients",
    2,
    Say(
        "Chacun reçoit ses propres réponses, et jamais celles d'un autre.",
        "Each gets its own answers, and nobody else's.",
    ),
    Place("datagrams"),
)
def two_clients(server):
    likely = Say(
        (
            "Votre serveur retient l'adresse du premier client : chaque réponse va à l'adresse de"
            " son datagramme."
        ),
        (
            "Your server keeps the address of the first: each answer goes to the address of its"
            " datagram."
        ),
    )
    senders = [Sender(server) for _ in range(5)]
    for turn in range(3):
        for i, sender in enumerate(senders):
            sender.sends(b"client %d, tour %d" % (i, turn))
        for i, sender in enumerate(senders):
            sender.expects(PREFIX + b"client %d, tour %d" % (i, turn), likely)


@ladder.check(
    "one-each",
    2,
    Say(
        "Vingt datagrammes de suite ont vingt réponses, dans l'ordre.",
        "Twenty datagrams in a row have twenty answers, in order.",
    ),
    Place("datagrams"),
)
def one_each(server):
    sender = Sender(server)
    for i in range(20):
        sender.sends(b"numero %d" % i)
    for i in range(20):
        sender.expects(PREFIX + b"numero %d" % i)
    extra = sender.hears(0.1)
    if extra is not None:
        raise Fault(
            Say("Une réponse de trop.", "An answer too many."), Say("rien", "nothing"), extra
        )


@ladder.check(
    "large",
    2,
    Say(
        "Un datagramme de 60 000 octets n'est pas coupé.",
        "A datagram of 60,000 bytes is not cut.",
    ),
    Place("datagrams"),
)
def large(server):
    likely = Say(
        "Ce qui dépasse le tampon de recvfrom est perdu : il en faut un de 65 536 octets.",
        "What is longer than the buffer of recvfrom is lost: it wants one of 65,536 bytes.",
    )
    sender = Sender(server)
    for size in (500, 1025, 2049, 9000, 60000):
        sender.asks((b"0123456789abcdefghijk" * 3000)[:size], likely)


@ladder.check(
    "too-long",
    1,
    Say(
        "Une réponse trop longue pour un datagramme n'est pas envoyée, et le serveur continue.",
        "An answer too long for a datagram is not sent, and the server goes on.",
    ),
    Place("datagrams"),
)
def too_long(server):
    likely = Say(
        "sendto échoue avec EMSGSIZE : ce datagramme n'a pas de réponse, mais les autres en "
        "ont une.",
        "sendto says EMSGSIZE: this datagram has no answer, the others do.",
    )
    sender = Sender(server)
    for size in (LARGEST, LARGEST - len(PREFIX) + 1):
        sender.sends(b"x" * size)
        got = sender.hears(0.2)
        if got is not None:
            raise Fault(
                Say(
                    "Une réponse coupée n'est pas une réponse.",
                    "An answer that is cut is no answer.",
                ),
                Say("rien", "nothing"),
                Say(
                    f"un datagramme de {number(len(got))} octets",
                    f"a datagram of {number(len(got))} bytes",
                ),
            )
    sender.asks(b"x" * (LARGEST - len(PREFIX)), likely)
    still_answers(server, likely)


def sends_and_is_gone(server, data):
    """Sends from a socket that hears the server no more: the answer finds nobody, and an ICMP error
    comes back."""
    server.note(
        "client", Say("envoie un datagramme, et s'en va", "sends a datagram, and leaves")
    )
    address = server.server.address
    with socket.socket(
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM
    ) as leaving:
        try:
            leaving.connect((address[0], 9))  # what comes from elsewhere is not for it
            leaving.sendto(data, address)
        except (
            OSError
        ):  # not everywhere may it send to anybody else then: leaving soon has to do
            with server.server.socket() as other:
                other.send(data)
        server.settles(lambda: False, 0.05)


@ladder.check(
    "gone",
    2,
    Say(
        "L'erreur ICMP provoquée par un client parti n'arrête rien.",
        "The ICMP error that comes from a client that has gone ends nothing.",
    ),
    Place("gone"),
)
def gone(server):
    likely = Say(
        (
            "ECONNREFUSED vient d'une réponse précédente, à un client parti : ce n'est pas "
            "une raison de s'arrêter."
        ),
        (
            "ECONNREFUSED comes from an answer sent before, to a client that has gone: no"
            " reason to end."
        ),
    )
    for i in range(5):
        sends_and_is_gone(server, b"je pars %d" % i)
    for _ in range(3):
        still_answers(server, likely)


@ladder.check(
    "flood",
    1,
    Say(
        "Deux mille datagrammes de mille clients ne l'arrêtent pas.",
        "Two thousand datagrams of a thousand clients do not end it.",
    ),
    Place("datagrams"),
    limit=20,
)
def flood(server):
    before = server.measure()
    for i in range(1000):
        connection = server.server.socket()
        for _ in range(2):
            try:
                connection.send(b"%d" % i)
            except OSError:
                pass  # the error of one that went before
        connection.close()
    server.note(
        Say("clients", "clients"),
        Say(
            "mille clients envoient chacun deux datagrammes, et s'en vont",
            "a thousand clients send two each, and leave",
        ),
    )
    likely = Say(
        "Après beaucoup de datagrammes, votre serveur ne répond plus.",
        "After many datagrams, your server answers no more.",
    )
    for attempt in range(
        10
    ):  # what the flood left in the queue comes first, and ours may have been dropped
        if Sender(server).sends(b"encore").hears(server.patience / 3) == PREFIX + b"encore":
            break
    else:
        raise Fault(likely, PREFIX + b"encore", b"")
    if before:
        room = 40
        server.settles(
            lambda: max(
                have - had for have, had in zip((server.measure() or before)[:3], before)
            )
            <= room
        )
        more = [have - had for have, had in zip((server.measure() or before)[:3], before)]
        if max(more) > room:
            raise Fault(
                Say(
                    (
                        "Chaque datagramme laisse quelque chose derrière lui : descripteurs, "
                        "processus ou threads."
                    ),
                    "Something is left of each datagram: descriptors, processes or threads.",
                ),
                Say("autant qu'avant", "as many as before"),
                Say(f"{max(more)} de plus", f"{max(more)} more"),
            )


@ladder.check(
    "sigterm",
    1,
    Say(
        "SIGTERM l'arrête, et on peut le relancer aussitôt sur le même port.",
        "SIGTERM ends it, and it can be started again at once on the same port.",
    ),
    Place("port"),
    needs="start",
    limit=30,
)
def sigterm(server):
    Sender(server).sends(b"bonjour").hears(0.2)
    server.comes_back()
