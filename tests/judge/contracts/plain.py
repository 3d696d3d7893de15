"""RFC 862: every byte goes back as it came. One client after the other will do."""

import time

from contract import Ladder
from contracts.echo import SILENT, leaves_nothing, stops_reading
from conversation import EVERY_BYTE
from places import Place
from words import Say

ladder = Ladder(
    "plain",
    "tcp",
    "./moi {port}",
    Say(
        """Un serveur TCP sur 127.0.0.1, en IPv4 (RFC 862). Le port est le dernier mot de sa
commande.

Chaque octet envoyé par un client lui est renvoyé tel quel, dans le même ordre, aussitôt ; le
serveur n'attend pas de fin de ligne, n'ajoute rien, et n'envoie pas de message d'accueil. Tout
octet est possible, y compris l'octet 0 et ce qui n'est pas de l'UTF-8. Un client peut se taire
aussi longtemps qu'il le veut.

Quand le client ferme son sens d'envoi (demi-fermeture : recv rend 0), le serveur envoie tout
ce qu'il doit encore, puis ferme, et prend le client suivant. Un client après l'autre suffit :
les autres attendent leur tour. Un client qui coupe (RST), ou qui part sans lire, ne met fin
qu'à sa connexion. D'un client parti, il ne reste rien. SIGTERM arrête le serveur, et on peut le
relancer aussitôt sur le même port.""",
        """A TCP server on 127.0.0.1, IPv4 (RFC 862). The port is the last word of its command.

Every byte that a client sends goes back to it as it came, in the same order, at once; the
server waits for no end of a line, adds nothing, and greets nobody. Any byte may come, the
byte 0 and what is no UTF-8 too. A client may say nothing for as long as it likes.

When the client closes its direction (half-close: recv returns 0), the server sends all that
it still owes, then closes, and takes the next client. One client after the other will do:
the others wait for their turn. A client that resets (RST), or leaves without reading, ends
its own connection only. Nothing is left of a client that has gone. SIGTERM ends the server,
and it can be started again at once on the same port.""",
    ),
)

COUNT = 5_000_000


def echoes(client, data, likely=None):
    client.sends(data).expects(data, likely)
    return client


def serves_the_next(server, likely):
    client = server.connect(str(Say("un autre", "another")))
    echoes(client, b"encore\n", likely).closes()


@ladder.check(
    "accept",
    1,
    Say("Il accepte une connexion, et la garde.", "It accepts a connection, and keeps it."),
    Place("accept"),
)
def accept(server):
    server.connect().expects_silence(
        SILENT,
        {
            "more": Say(
                "Ici, pas de message d'accueil : le serveur ne fait que renvoyer ce qu'il "
                "reçoit.",
                "Here nobody is greeted: only what the client sends comes back.",
            )
        },
    )


@ladder.check(
    "one-line",
    2,
    Say("`bonjour` est renvoyé tel quel.", "`bonjour` comes back as it went."),
    Place("session"),
)
def one_line(server):
    client = server.connect()
    for line in (b"bonjour\n", b"et encore\n"):
        echoes(client, line)
    client.expects_silence(0.1)


@ladder.check(
    "no-newline",
    2,
    Say(
        "Il n'attend pas de fin de ligne : un octet seul revient aussitôt.",
        "It waits for no end of a line: a single byte comes back at once.",
    ),
    Place("lines"),
)
def no_newline(server):
    likely = {
        "silence": Say(
            (
                "Votre serveur attend la fin de la ligne (readline, ou un tampon à vider) : "
                "ici, il n'y a pas de lignes, seulement des octets."
            ),
            (
                "Your server waits for the end of the line (readline, or a buffer to flush):"
                " here there are no lines, only bytes."
            ),
        )
    }
    client = server.connect()
    for byte in "à toi".encode():
        echoes(client, bytes([byte]), likely)


@ladder.check(
    "bytes",
    2,
    Say(
        "Les 256 octets possibles reviennent tous.",
        "All the 256 bytes that there are come back.",
    ),
    Place("bytes"),
)
def every_byte(server):
    for data in (
        "éàü € \u2028\n".encode(),
        b"\r\n\0\n",
        b"\xff\xfe\xc3\n",
        bytes(range(256)),
        bytes(range(255, -1, -1)) * 5,
        EVERY_BYTE,
    ):
        client = server.connect()
        echoes(client, data).closes()


@ladder.check(
    "big", 1, Say("5 Mo reviennent entiers.", "5 MB come back whole."), Place("part"), limit=20
)
def big(server):
    likely = Say(
        (
            "send ne prend parfois qu'une partie de ce qu'on lui donne : il rend le nombre "
            "d'octets pris, et il faut envoyer le reste (en Python, sendall)."
        ),
        (
            "send sometimes takes only a part of what it is given: it returns how much, and the"
            " rest is to be sent again (in Python, sendall)."
        ),
    )
    data = b"".join(b"%d," % i for i in range(COUNT // 7))
    echoes(server.connect(), data, {"different": likely, "silence": likely, "closed": likely})


@ladder.check(
    "half-close",
    3,
    Say(
        "Après la demi-fermeture du client, tout ce qui lui est dû arrive encore.",
        "After the client's half-close all that it is owed still comes.",
    ),
    Place("half-close"),
    limit=20,
)
def half_close(server):
    likely = Say(
        (
            "Votre serveur prend la demi-fermeture pour une fermeture. Le client n'a plus rien"
            " à dire, mais il écoute encore."
        ),
        (
            "Your server takes the half-close for a close. The client has nothing more to say,"
            " but it still listens."
        ),
    )
    why = {"closed": likely, "reset": likely}
    client = server.connect()
    client.sends(b"un\n").half_closes().expects(b"un\n", why)
    client.closes()
    data = b"".join(b"%0999d\n" % i for i in range(6000))
    client = server.connect(receive_buffer=65536)
    client.sends(data).half_closes()
    client.reads_late()
    client.expects(data, why)


@ladder.check(
    "end",
    1,
    Say("Puis il ferme la connexion.", "Then it closes the connection."),
    Place("half-close"),
)
def end(server):
    for data in (b"", b"fin"):
        client = server.connect()
        client.sends(data).half_closes()
        client.reads(len(data))
        client.expects_end(
            {
                "silence": Say(
                    (
                        "recv rend 0 : le client n'a plus rien à dire. Quand tout est envoyé,"
                        " fermez."
                    ),
                    (
                        "recv returns 0: the client has nothing more to say. When all is sent,"
                        " close."
                    ),
                )
            }
        )


@ladder.check(
    "next",
    2,
    Say("Il prend ensuite le client suivant.", "Then it takes the next client."),
    Place("second"),
)
def following(server):
    likely = Say(
        "Votre serveur ne sert que le premier client : mettez accept dans une boucle.",
        "Your server serves the first client only: accept stands in a loop.",
    )
    for i in range(5):
        client = server.connect()
        echoes(client, b"client %d\n" % i, likely)
        client.half_closes()
        client.reads(1)
        client.closes()


@ladder.check(
    "waiting",
    1,
    Say(
        "Un client qui se connecte entre-temps est servi, au plus tard quand le premier s'en "
        "va.",
        "Who connects meanwhile is served, at the latest when the first leaves.",
    ),
    Place("second"),
)
def waiting(server):
    first, second = server.connect(), server.connect()
    second.sends(b"et moi\n")
    echoes(first, b"moi d'abord\n")
    first.closes()
    second.expects(
        b"et moi\n",
        Say(
            "Le client qui attendait n'est pas servi.", "The client that waited is not served."
        ),
    )


@ladder.check(
    "reset",
    1,
    Say(
        "Un client qui coupe net (RST) ne met fin qu'à sa connexion.",
        "A client that resets ends its own connection only.",
    ),
    Place("gone"),
)
def reset(server):
    likely = Say(
        (
            "recv échoue alors avec ECONNRESET, et send avec EPIPE (ou SIGPIPE) : cela met "
            "fin à cette connexion, et à rien d'autre."
        ),
        (
            "recv then says ECONNRESET, and send EPIPE (or SIGPIPE): that ends this connection,"
            " and nothing else."
        ),
    )
    for i in range(6):
        client = server.connect()
        client.sends(b"une ligne\n" * (5000 if i % 2 else 1))
        if i % 3 == 0:
            client.receive(100, 0.2)
        client.resets()
    serves_the_next(server, likely)


@ladder.check(
    "leaves",
    1,
    Say(
        "Un client qui part sans lire ne met fin qu'à sa connexion.",
        "A client that leaves without reading ends its own connection only.",
    ),
    Place("gone"),
)
def leaves(server):
    likely = Say(
        (
            "Écrire à un client parti est une erreur (EPIPE, SIGPIPE) qui ne met fin qu'à "
            "cette connexion."
        ),
        (
            "To write to a client that has gone is an error (EPIPE, SIGPIPE) that ends this"
            " connection only."
        ),
    )
    for _ in range(4):
        client = server.connect(receive_buffer=4096)
        client.floods(b"0123456789" * 1000, most=8 << 20, patience=0.2, limit=2)
        client.closes()
        time.sleep(0.05)
    serves_the_next(server, likely)


@ladder.check(
    "never-reads",
    1,
    Say(
        "Un client qui ne lit jamais n'occupe pas la mémoire sans limite.",
        "A client that never reads does not take memory without limit.",
    ),
    Place("part"),
    limit=20,
)
def never_reads(server):
    deaf = server.connect(receive_buffer=4096)
    echoes(deaf, b"bonjour\n")
    stops_reading(server, deaf, b"0123456789" * 1000)


@ladder.check(
    "come-and-go",
    1,
    Say(
        "De mille clients venus et repartis, il ne reste rien.",
        "A thousand clients come and go: nothing is left of them.",
    ),
    Place("zombies"),
    limit=40,
)
def come_and_go(server):
    def visit(i):
        client = server.connect(f"client {i}", quietly=True)
        if i % 2:
            echoes(client, b"%d" % i)
        client.resets() if i % 4 == 3 else client.closes()
        server.clients.remove(client)

    leaves_nothing(server, visit, server.judge.visits // 2)
    serves_the_next(server, None)


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
    server.connect().sends(b"bonjour\n").receive(100, 0.3)
    server.comes_back()
    server.connect(str(Say("un nouveau", "a new one")))
