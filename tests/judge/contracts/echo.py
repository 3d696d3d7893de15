"""The echo server: it greets, and answers each line with that line."""

import re
import time

from contract import Fault, Ladder
from conversation import EVERY_BYTE, Broken
from places import Place
from words import Say, number

GREETING = "Le serveur écoute.\n".encode()
PREFIX = "le serveur répond : ".encode()
MIB = 1 << 20
ENDLESS = 256  # bytes of a greeting without a newline
SILENT = 2.5  # seconds that a client says nothing; a limit of a second or two is not a rare thing

ladder = Ladder(
    "echo",
    "tcp",
    "python3 moi.py {port}",
    Say(
        """Un serveur TCP sur 127.0.0.1. Le port est le dernier mot de sa commande.

À chaque client qui se connecte, il envoie d'abord une ligne, sans rien attendre :

    Le serveur écoute.

À chaque ligne X du client, il répond par la ligne :

    le serveur répond : X

Le texte est en UTF-8. Une ligne se termine par `\\n` (un octet, 10) et par rien d'autre. Tout
autre octet est renvoyé tel quel, dans le même ordre : les accents, les espaces au début, au
milieu et à la fin, `\\r`, l'octet 0, `\\`, `*`, et ce qui n'est pas de l'UTF-8. Une ligne vide
a sa réponse : `le serveur répond : ` et `\\n`. Une ligne peut compter des millions d'octets ;
la réponse peut commencer avant la fin de la ligne.

Quand le client ferme son sens d'envoi (demi-fermeture : recv rend 0), le serveur envoie tout
ce qu'il doit encore, puis ferme. Si la dernière ligne n'a pas de `\\n`, il y répond aussi, et
sa réponse n'en a pas non plus.

Il sert plusieurs clients à la fois : un client qui se tait, ou qui ne lit jamais ses
réponses, ne fait attendre personne ; le serveur ne le déconnecte pas pour autant (pas de
délai), et ne garde pas sans limite ce que ce client ne lit pas. Un client qui coupe (RST) ou
part au milieu d'une ligne ne met fin qu'à sa connexion. D'un client parti, il ne reste rien : ni
descripteur, ni processus, ni thread. SIGTERM arrête le serveur, et on peut le relancer aussitôt
sur le même port.""",
        """A TCP server on 127.0.0.1. The port is the last word of its command.

To each client that connects it first sends a line, and waits for nothing:

    Le serveur écoute.

To each line X of the client it answers with the line:

    le serveur répond : X

The text is UTF-8. A line ends in `\\n` (one byte, 10) and in nothing else. Every other byte
comes back as it went, in the same order: accents, blanks at the beginning, in the middle
and at the end, `\\r`, the byte 0, `\\`, `*`, and what is no UTF-8. An empty line has its
answer: `le serveur répond : ` and `\\n`. A line may have millions of bytes; its answer may
begin before it has ended.

When the client closes its direction (half-close: recv returns 0), the server sends all that
it still owes, and then closes. If the last line has no `\\n`, it is answered too, and its
answer has none either.

It serves several clients at once: one who says nothing, or never reads the answers, makes
nobody wait, is not cut for that (there is no time limit), and does not make it keep without
limit what is not read. A client that resets (RST) or leaves in the middle of a line ends its
own connection only. Nothing is left of a client that has gone: no descriptor, no process, no
thread. SIGTERM ends the server, and it can be started again at once on the same port.""",
    ),
)


def answer(sent):
    """What is owed for `sent`, without the greeting."""
    return b"".join(PREFIX + line for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", sent))


def greeting_of(server):
    """The greeting as this server gives it: a wrong one costs its own points, and not those of all
    the others."""
    if "greeting" not in server.judge.known:
        learn_greeting(client := server.connect(quietly=True))
        client.closes()
    return server.judge.known["greeting"]


def learn_greeting(client):
    """What a server says first. One that has no end is none that a client could wait for."""
    greeting = b""
    while (
        len(greeting) < ENDLESS
        and not greeting.endswith(b"\n")
        and isinstance(piece := client.receive(1, 0.3 if greeting else None), bytes)
    ):
        greeting += piece
    client.check.judge.known["greeting"] = greeting if len(greeting) < ENDLESS else b""
    return greeting


def greeted(server, name=None, likely=None, **options):
    """A client that has had its greeting."""
    expected = greeting_of(server)
    return server.connect(name, **options).expects(expected, likely)


def serves_another(server, likely):
    """A new client is served, now."""
    client = greeted(server, str(Say("un autre", "another")), likely)
    client.sends(b"encore\n").expects(answer(b"encore\n"), likely)
    client.closes()


@ladder.check(
    "accept",
    1,
    Say("Il accepte une connexion, et la garde.", "It accepts a connection, and keeps it."),
    Place("accept"),
)
def accept(server):
    event = server.connect().reads_for(SILENT)
    if event != "silence":
        raise Broken(
            event,
            Say("la connexion reste", "the connection stays"),
            Say("la fin de la connexion", "its end"),
            Say(
                "Un client qui se tait ne gêne personne : votre serveur le garde, sans durée limite.",
                "A client that says nothing disturbs nobody: your server keeps it, without a limit.",
            ),
        )


@ladder.check(
    "greeting",
    1,
    Say(
        "Il envoie d'abord `Le serveur écoute.`, sans rien attendre.",
        "It first says `Le serveur écoute.`, and waits for nothing.",
    ),
    Place("session"),
)
def greeting(server):
    likely = Say(
        (
            "Votre serveur attend sans doute un mot du client, alors que c'est au serveur de "
            "parler le premier. Ou bien la ligne reste dans un tampon : videz-le (flush)."
        ),
        (
            "Your server probably waits for a word of the client: it is to speak first. Or the"
            " line stays in a buffer: flush it."
        ),
    )
    client = server.connect()
    greeting = learn_greeting(client)
    if greeting != GREETING:
        how = "different" if not GREETING.startswith(greeting) else "silence"
        raise Broken(how, GREETING, greeting, {"silence": likely})
    client.expects_silence(0.2)


@ladder.check(
    "one-line",
    1,
    Say(
        "À la ligne `bonjour`, il répond `le serveur répond : bonjour`.",
        "To the line `bonjour` it answers `le serveur répond : bonjour`.",
    ),
    Place("session"),
)
def one_line(server):
    client = greeted(server)
    for word in (b"bonjour\n", b"et encore\n"):
        client.sends(word).expects(
            answer(word),
            {
                "silence": Say(
                    (
                        "Votre serveur attend peut-être la fin de la connexion avant de"
                        " répondre : répondez à chaque ligne, dès son `\\n`."
                    ),
                    (
                        "Your server may wait for the end of the connection before it answers:"
                        " answer each line at its `\\n`."
                    ),
                ),
                "closed": Say(
                    "Une réponse n'est pas la fin : le client peut avoir d'autres lignes.",
                    "An answer is not the end: the client may have more lines.",
                ),
            },
        )
    client.expects_silence(0.1)


STRANGE = [
    "une ligne, avec des accents : éàü €\n".encode(),
    b"  blancs devant,   au milieu, et derri\xc3\xa8re  \n",
    b"\ttabulation\t\n",
    b"* ? [a-z] $HOME `id` $(id) 'a' \"b\" %s {0}\n",
    b"un \\ deux \\\\ trois \\n\\\n",
    b"telnet\r\n",
    b"\r\r\n",
    b"-n\n",
    b"NUL \0 dedans\n",
    b"\0\n",
    b"\xff\xfe pas de l'UTF-8 \xc3\n",
    "ligne\u2028pas\u0085finie\x0b\x0c\x1c\n".encode(),
    EVERY_BYTE + b"\n",
]


@ladder.check(
    "bytes",
    1,
    Say(
        (
            "La réponse contient tous les octets de la ligne : accents, espaces, `*`, `\\`, "
            "`\\r`, l'octet 0, ce qui n'est pas de l'UTF-8."
        ),
        (
            "The answer has every byte of the line: accents, blanks, `*`, `\\`, `\\r`, the byte"
            " 0, what is no UTF-8."
        ),
    ),
    Place("bytes"),
)
def every_byte(server):
    for line in STRANGE:
        client = greeted(server)
        client.sends(line).expects(
            answer(line),
            {
                "closed": Say(
                    (
                        "Cette ligne met fin à la connexion : votre serveur essaie sans "
                        "doute de la décoder en texte, et échoue. Traitez des octets."
                    ),
                    (
                        "This line ends the connection: your server probably decodes it into"
                        " text, and cannot. Pass bytes on."
                    ),
                ),
                "silence": Say("Cette ligne reste sans réponse.", "This line has no answer."),
                "different": Say(
                    "Un octet a changé en route : regardez au-dessus du ^.",
                    "A byte has changed on the way: see the ^.",
                ),
            },
        )
        client.closes()


@ladder.check(
    "no-delay",
    1,
    Say(
        "Aucune réponse n'attend un acquittement (40 ms à chaque ligne).",
        "No answer waits for an acknowledgement (40 ms a line).",
    ),
    Place("delay"),
)
def no_delay(server):
    import time

    client = greeted(server)
    took = []
    for i in range(24):
        line = b"%d\n" % i
        client.sends(line).expects(answer(line)[:1])  # it may take its time to begin
        start = time.monotonic()
        client.expects(answer(line)[1:])
        took.append(time.monotonic() - start)
    quick = sorted(took[4:])[4]  # a busy machine makes a few slow, and this fault all but a few
    if quick > 0.03:
        raise Fault(
            Say(
                (
                    "Votre serveur envoie sa réponse en plusieurs morceaux, et le noyau "
                    "retient le deuxième jusqu'à l'acquittement du premier (Nagle) : un seul "
                    "send par réponse, ou TCP_NODELAY."
                ),
                (
                    "Your server sends its answer in several pieces, and the kernel keeps the"
                    " second until the first is acknowledged (Nagle): one send for an answer,"
                    " or TCP_NODELAY."
                ),
            ),
            Say(
                "la réponse entière en une milliseconde ou deux, au plus",
                "the whole answer within a millisecond or two",
            ),
            Say(
                f"sa fin {number(quick * 1000)} ms après son début, ou plus",
                f"its end {number(quick * 1000)} ms after its beginning, or more",
            ),
        )


@ladder.check(
    "two-lines",
    1,
    Say(
        "Deux lignes qui arrivent d'un coup ont chacune leur réponse.",
        "Two lines that come at once have an answer each.",
    ),
    Place("lines"),
)
def two_lines(server):
    sent = b"un\ndeux\n"
    client = greeted(server)
    client.sends(sent).expects(answer(sent))
    client.sends(b"trois\nquatre\ncinq\n").expects(
        answer(b"trois\nquatre\ncinq\n")
    ).expects_silence(0.1)


@ladder.check(
    "pieces",
    1,
    Say(
        "Une ligne qui arrive en morceaux reste une seule ligne.",
        "A line that comes in pieces is one line.",
    ),
    Place("lines"),
)
def pieces(server):
    import time

    client = greeted(server)
    for piece in (b"bon", b"jo", b"ur \xc3", b"\xa0 tous\nsa"):
        client.sends(piece)
        time.sleep(0.15)  # so that each is a recv of its own at the other end
    client.sends(b"lut\n").expects(answer("bonjour à tous\nsalut\n".encode())).expects_silence(
        0.1
    )


@ladder.check(
    "empty-line",
    1,
    Say("Une ligne vide a sa réponse.", "An empty line has its answer."),
    Place("lines"),
)
def empty_line(server):
    likely = Say(
        "Une ligne vide n'est pas la fin : la fin, c'est recv qui rend 0 octet.",
        "An empty line is not the end: only recv returning 0 is.",
    )
    client = greeted(server)
    for line in (b"\n", b"\n", b"x\n", b"\n"):
        client.sends(line).expects(answer(line), likely)


@ladder.check(
    "last-line",
    1,
    Say(
        "Une dernière ligne sans `\\n` a sa réponse, sans `\\n` elle aussi.",
        "A last line without `\\n` has its answer, without one too.",
    ),
    Place("lines"),
)
def last_line(server):
    likely = Say(
        (
            "Votre serveur ne répond qu'aux lignes terminées : à la fin de l'entrée, ce qui "
            "reste est aussi une ligne."
        ),
        (
            "Your server answers ended lines only: at the end of the input, what is left is a"
            " line too."
        ),
    )
    client = greeted(server)
    client.sends(b"un\n").expects(answer(b"un\n"))
    client.sends(b"sans fin de ligne").half_closes()
    client.expects(answer(b"sans fin de ligne"), {"silence": likely, "closed": likely})
    client.expects_end(
        {
            "silence": Say(
                "Après la fin de l'entrée, votre serveur doit fermer la connexion.",
                "After the end of the input, your server is to close.",
            ),
            "more": Say(
                "La réponse à une ligne sans `\\n` n'en a pas.",
                "The answer to a line without `\\n` has none.",
            ),
        }
    )


@ladder.check(
    "half-close",
    3,
    Say(
        (
            "Après la demi-fermeture du client, tout ce qui lui est dû arrive encore, puis le"
            " serveur ferme."
        ),
        (
            "After the client's half-close all that it is owed still comes, and then the server"
            " closes."
        ),
    ),
    Place("half-close"),
    limit=20,
)
def half_close(server):
    likely = Say(
        (
            "Votre serveur prend la demi-fermeture pour une fermeture. Le client n'a plus rien"
            " à dire, mais il écoute encore : envoyez ce que vous lui devez, puis fermez."
        ),
        (
            "Your server takes the half-close for a close. The client has nothing more to say,"
            " but it still listens: send what you owe it, and then close."
        ),
    )
    why = {"closed": likely, "reset": likely}
    stays = {
        "silence": Say(
            (
                "Après avoir tout envoyé, votre serveur doit fermer : sinon, le client "
                "attend indéfiniment."
            ),
            "After it has sent all, your server is to close: or the client waits for ever.",
        )
    }
    for sent in (b"un\n", b""):
        client = greeted(server)
        client.sends(sent).half_closes()
        client.expects(answer(sent), why).expects_end(stays)
    # And with more than the buffers on the way hold, for one who reads slowly. (How lines are
    # told apart is the matter of other checks.)
    sent = b"".join(b"%0999d\n" % i for i in range(6000))
    client = greeted(server, receive_buffer=65536)
    client.sends(sent).half_closes()
    client.reads_late()
    got = client.reads_all(why)
    plain = [text.replace(PREFIX, b"").translate(None, b" \n") for text in (sent, got)]
    if plain[0] != plain[1]:
        count = Say("{} octets", "{} bytes")
        raise Fault(
            likely,
            count.format_plain(number(len(answer(sent)))),
            count.format_plain(number(len(got))),
        )


ONE_BY_ONE = Say(
    (
        "Votre serveur s'occupe d'un client à la fois : un thread ou un processus par client,"
        " ou select, poll, asyncio."
    ),
    (
        "Your server looks after one client at a time: a thread or a process a client, or"
        " select, poll, asyncio."
    ),
)


@ladder.check(
    "second-client",
    1,
    Say(
        "Un deuxième client n'attend pas que le premier, qui se tait, s'en aille.",
        "A second client does not wait until the first, who says nothing, leaves.",
    ),
    Place("second"),
)
def second_client(server):
    greeted(server).sends(b"je n'ai pas fi")
    second = greeted(server, likely=ONE_BY_ONE)
    second.sends(b"et moi\n").expects(answer(b"et moi\n"), ONE_BY_ONE)
    second.sends(b"fin\n").expects(answer(b"fin\n"), ONE_BY_ONE)


@ladder.check(
    "hundred",
    1,
    Say(
        "Cent clients à la fois reçoivent chacun leurs réponses, et jamais celles d'un autre.",
        "A hundred clients at once have their own answers, and nobody those of another.",
    ),
    Place("second"),
    limit=20,
)
def hundred(server):
    clients = []
    for i in range(100):  # one after the other: how long the backlog is, is not the question
        clients.append(greeted(server, likely=ONE_BY_ONE, quietly=i > 2))
        clients[-1].sends(b"client %d\n" % i).expects(
            answer(b"client %d\n" % i), {"silence": ONE_BY_ONE}
        )
    for turn in range(2):
        for i, client in enumerate(clients):
            client.sends(b"client %d, tour %d\n" % (i, turn))
        for i, client in enumerate(clients):
            client.expects(answer(b"client %d, tour %d\n" % (i, turn)), {"silence": ONE_BY_ONE})


@ladder.check(
    "long-line",
    1,
    Say(
        "Une ligne de 5 Mo est une ligne comme une autre.",
        "A line of 5 MB is a line like any other.",
    ),
    Place("part"),
    limit=20,
)
def long_line(server):
    line = (b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-" * 80_000)[
        : 5_000_000 - 1
    ] + b"\n"
    client = greeted(server)
    likely = Say(
        "Votre serveur limite la longueur d'une ligne : le contrat ne fixe pas de limite.",
        "Your server has a limit for a line: the promise has none.",
    )
    client.sends(line).expects(
        answer(line),
        {
            "closed": likely,
            "reset": likely,
            "silence": Say(
                (
                    "Votre serveur ne lit plus, ou cherche `\\n` depuis le début à chaque recv"
                    " : le coût croît alors comme le carré de la longueur."
                ),
                (
                    "Your server reads no more, or looks for `\\n` from the start at each recv:"
                    " that costs the square of the length."
                ),
            ),
        },
    )
    client.sends(b"fin\n").expects(answer(b"fin\n"))


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
            "Après un client qui a coupé, votre serveur ne répond plus : recv échoue alors "
            "avec ECONNRESET, et send avec EPIPE (ou SIGPIPE). Ces erreurs mettent fin à "
            "cette connexion, et à rien d'autre."
        ),
        (
            "After a client that reset, your server serves no more: recv then says ECONNRESET,"
            " and send EPIPE (or SIGPIPE). These errors end that connection, and nothing else."
        ),
    )
    for i in range(6):
        greeting = greeting_of(server)
        client = server.connect()
        if i % 2:
            client.expects(greeting)
            client.sends(b"une\ndeux\n" * 2000)
            client.receive(100, 0.2)
        elif i == 2:
            client.expects(greeting).sends(b"une ligne interrom")
        elif i:
            client.sends(b"\n\n\n").half_closes()
        client.resets()
    serves_another(server, likely)


@ladder.check(
    "mid-line",
    1,
    Say(
        "Un client qui part au milieu d'une ligne ne dérange personne.",
        "A client that leaves in the middle of a line disturbs nobody.",
    ),
    Place("gone"),
)
def mid_line(server):
    likely = Say(
        (
            "Après un client parti au milieu d'une ligne, votre serveur ne répond plus : il "
            "attend sans doute la fin de cette ligne, ou une erreur l'a arrêté."
        ),
        (
            "After a client that left in mid-line, your server serves no more: it probably"
            " waits for the end of that line, or an error has ended it."
        ),
    )
    for sent in (b"une ligne interrom", b"une ligne interrom", b"deux lignes\net une moit"):
        client = greeted(server)
        client.sends(sent)
        client.reads_for(0.1)  # what may have come is read, or the close is a reset: another check
        client.closes()
    serves_another(server, likely)


@ladder.check(
    "never-reads",
    1,
    Say(
        (
            "Un client qui ne lit jamais n'occupe pas la mémoire sans limite, et ne fait"
            " attendre personne."
        ),
        "A client that never reads does not take memory without limit, and makes nobody wait.",
    ),
    Place("part"),
    limit=20,
)
def never_reads(server):
    deaf = greeted(server, receive_buffer=4096)
    waits = Say(
        "Votre serveur attend dans send que ce client lise, et personne d'autre n'est servi.",
        "Your server waits in send until this client reads, and nobody else is served.",
    )
    stops_reading(server, deaf, b"0123456789" * 100 + b"\n")
    serves_another(server, {"silence": waits, "closed": waits})


KEEPS_ALL = Say(
    (
        "Votre serveur garde toutes les réponses qu'un client ne lit pas : sa mémoire est à la merci"
        " d'un seul. Tant que des réponses attendent, ne lisez plus rien de ce client"
        " (contre-pression ; en asyncio `await writer.drain()`, en Node pause())."
    ),
    (
        "Your server keeps all the answers that a client does not read: its memory is at the mercy"
        " of one. While answers wait, stop reading from that client (backpressure; in asyncio"
        " `await writer.drain()`, in Node pause())."
    ),
)


def stops_reading(server, client, piece, likely=KEEPS_ALL, reading=False):
    """Floods the server with what somebody has to be sent who does not read, `client` itself unless
    it is `reading`: the server has to stop reading, and the memory it takes to stay within bounds."""
    before = server.measure()
    went = client.floods(piece, most=64 * MIB, reading=reading)
    after = server.measure()
    grown = after.memory - before.memory if before and after else 0
    if went >= 64 * MIB or grown > 64 * MIB:
        raise Fault(
            likely,
            Say("le serveur cesse de lire", "the server stops reading"),
            Say(
                f"il a avalé {number(went)} octets, et pris {number(grown / MIB)} Mio de plus",
                f"it swallowed {number(went)} bytes, and took {number(grown / MIB)} MiB more",
            ),
        )


@ladder.check(
    "come-and-go",
    1,
    Say(
        (
            "De deux mille clients venus et repartis, il ne reste rien : ni descripteur, ni "
            "processus, ni thread."
        ),
        (
            "Two thousand clients come and go: nothing is left of them, no descriptor, process"
            " or thread."
        ),
    ),
    Place("zombies"),
    limit=40,
)
def come_and_go(server):
    greeting = greeting_of(server)

    def visit(i):
        client = server.connect(f"client {i}", quietly=True)
        if i % 4 == 0:
            client.expects(greeting).sends(b"%d\n" % i).expects(answer(b"%d\n" % i))
        elif i % 4 == 2:  # between two who do not wait: they fit any backlog
            client.expects(greeting)
        if i % 4 == 3:
            client.resets()
        else:
            client.closes()
        server.clients.remove(client)

    leaves_nothing(server, visit, server.judge.visits)
    serves_another(server, None)


def leaves_nothing(server, visit, count):
    """visit(i) for each of `count` clients; what the server has at the end is what it had after the
    first fifty. Between two it takes a moment for breath, where the backlog is too short for them:
    for want of room a SYN is lost, and sent again after a second (tcp(7))."""
    pause, before = 0, None
    for i in range(count):
        if i == 50:
            server.settles(lambda: False, 0.2)
            before = server.measure()
        start = time.monotonic()
        visit(i)
        if time.monotonic() - start > 0.9:
            pause = min(2 * pause + 0.001, 0.01)
        time.sleep(pause)
    server.note(
        Say("clients", "clients"),
        Say(f"{count} sont venus et repartis", f"{count} came and went"),
    )
    if before is None:
        return

    def excess():
        now = server.measure() or before
        return [max(0, had - have) for had, have in zip(now, before)]

    room = 40  # a runtime may keep a few threads, and their pipes
    if server.settles(lambda: max(excess()[:3]) <= room, 6):
        return
    more = excess()
    what = [
        (
            Say("descripteurs", "descriptors"),
            Say(
                "la socket d'un client parti n'est pas fermée",
                "you do not close the socket of a client that has gone",
            ),
        ),
        (
            Say("processus", "processes"),
            Say(
                "les processus fils terminés ne sont pas attendus (zombies : waitpid, ou "
                "SIGCHLD ignoré)",
                (
                    "nobody waits for children that have ended (zombies: waitpid, or SIGCHLD"
                    " ignored)"
                ),
            ),
        ),
        (
            Say("threads", "threads"),
            Say(
                "un thread ne se termine pas avec son client",
                "a thread does not end with its client",
            ),
        ),
    ]
    worst = max(range(3), key=lambda kind: more[kind])
    name, why = what[worst]
    raise Fault(
        Say(
            f"Il reste quelque chose de chaque client : {why.fr}.",
            f"Something is left of each client: {why.en}.",
        ),
        Say(
            f"autant de {name.fr} qu'avant ({before[worst]})",
            f"as many {name.en} as before ({before[worst]})",
        ),
        Say(
            f"{before[worst] + more[worst]} {name.fr}",
            f"{before[worst] + more[worst]} {name.en}",
        ),
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
    client = server.connect()
    client.receive(1 << 16, 0.2)
    server.comes_back()
    server.connect(str(Say("un nouveau", "a new one")))
