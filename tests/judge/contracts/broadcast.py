"""The room: everyone hears everyone, in one order, whole, and nothing is lost."""

import re
import select
import time

from contract import Fault, Ladder
from contracts.echo import leaves_nothing, stops_reading
from conversation import EVERY_BYTE, Broken
from places import Place
from words import Say, number

ladder = Ladder(
    "broadcast",
    "tcp",
    "./moi {port}",
    Say(
        """Un serveur TCP sur 127.0.0.1, où chaque ligne est envoyée à tous. Le port est le
dernier mot de sa commande. Le texte est en UTF-8, une ligne se termine par `\\n` et par rien
d'autre, et tout autre octet est renvoyé tel quel.

Chaque client reçoit un nom de trois caractères parmi A-Z, a-z et 0-9, unique parmi les
présents. À celui qui arrive, d'abord :

    je suis : ABC

aux autres :

    ABC est connecté

Une ligne X d'ABC est envoyée à tous, lui compris :

    Message de ABC : X

Quand il s'en va (il ferme, ferme son sens d'envoi, ou coupe), les autres reçoivent :

    ABC est déconnecté

Une dernière ligne sans `\\n` est un message, qui se termine par `\\n` comme les autres. Un client
qui ferme son sens d'envoi (demi-fermeture) reçoit encore tout ce qui lui est dû, ses messages
compris, puis le serveur ferme. Deux messages ne se mêlent jamais, tous les voient dans le même
ordre, et aucun n'est perdu.

Une ligne compte au plus 65 536 octets, sans son `\\n`. Au client qui en envoie une plus longue,
le serveur envoie `erreur : ligne trop longue`, puis il ferme ; les autres apprennent son départ.

Un client lent ne perd rien : quand il a plus de 256 Kio de retard, le serveur ne lit plus rien de
ceux qui envoient. Un client qui prend alors moins de 64 Kio en cinq secondes est exclu, et les
autres apprennent son départ. D'un client parti, il ne reste rien. SIGTERM arrête le serveur, et
on peut le relancer aussitôt sur le même port.""",
        """A TCP server on 127.0.0.1 where everyone hears everyone. The port is the last word of its
command. The text is UTF-8, a line ends in `\\n` and in nothing else, and every other byte
goes out as it came.

Each client gets a name of three characters of A-Z, a-z and 0-9, unique among those
connected. To the newcomer, first:

    je suis : ABC

to the others:

    ABC est connecté

A line X of ABC goes to everyone, the sender included:

    Message de ABC : X

When it leaves (it closes, half-closes, or resets), the others get:

    ABC est déconnecté

A last line without `\\n` is a message, and ends in `\\n` like the others. Who half-closes
still gets what is owed, its own messages too, and then the server closes. Messages never
interleave, everyone sees them in the same order, and none is lost.

A line has up to 65,536 bytes, its `\\n` not counted; who sends a longer one gets `erreur :
ligne trop longue` and a close, and the others hear that it has left.

Who reads slowly loses nothing: when it is more than 256 KiB behind, the server stops
reading from those who send. If it then takes less than 64 KiB in five seconds it is
dropped, and the others hear that it has left. Nothing is left of a client that has gone.
SIGTERM ends the server, and it can be started again at once on the same port.""",
    ),
)

LONGEST = 65_536
MIB = 1 << 20


class Guest:
    """A client that has had its name."""

    def __init__(self, server, likely=None, **options):
        self.client = server.connect(None, **options)
        greeting = self.client.reads_until(b"\n", likely, most=200)
        match = re.fullmatch(rb"je suis : ([A-Za-z0-9]{3})\n", greeting)
        if not match:
            raise Fault(
                Say(
                    "Au nouveau venu : `je suis : ` et trois caractères parmi A-Z, a-z, 0-9.",
                    "To the newcomer: `je suis : ` and three characters of A-Z, a-z, 0-9.",
                ),
                b"je suis : ABC\n",
                greeting,
            )
        self.name = match[1]
        self.came, self.left = (
            self.name + " est connecté\n".encode(),
            self.name + " est déconnecté\n".encode(),
        )

    def said(self, *lines):
        """What everyone hears when this guest says them."""
        return b"".join(b"Message de " + self.name + b" : " + line + b"\n" for line in lines)

    def says(self, *lines, quietly=False):
        self.client.sends(b"".join(line + b"\n" for line in lines), quietly)
        return self

    def hears(self, expected, likely=None, silence=None):
        self.client.expects(expected, likely, silence)
        return self


def room(server, count, **options):
    """`count` guests, each of whom has heard the others come."""
    guests = []
    for _ in range(count):
        newcomer = Guest(server, **options)
        for guest in guests:
            guest.hears(newcomer.came)
        guests.append(newcomer)
    return guests


def converse(guests, likely=None):
    """Each says a line, and all hear it."""
    for i, speaker in enumerate(guests):
        speaker.says(b"ici %d" % i)
        for guest in guests:
            guest.hears(speaker.said(b"ici %d" % i), likely)


@ladder.check(
    "greeting",
    1,
    Say(
        "Au nouveau venu : `je suis : ABC`, son nom de trois caractères.",
        "To the newcomer: `je suis : ABC`, its name of three characters.",
    ),
    Place("room"),
)
def greeting(server):
    Guest(server).client.expects_silence(0.2)


@ladder.check(
    "names",
    1,
    Say(
        "Deux clients présents n'ont jamais le même nom.", "Two who are there never have the same name."
    ),
    Place("room"),
)
def names(server):
    guests = [Guest(server, quietly=i > 2) for i in range(60)]
    known = {}
    for i, guest in enumerate(guests):
        if guest.name in known:
            raise Fault(
                Say(
                    (
                        "Votre serveur ne vérifie pas si le nom est pris (ou tire les noms "
                        "du port, ou au sort parmi trop peu de valeurs)."
                    ),
                    (
                        "Your server does not look whether the name is taken (or takes names"
                        " from the port, or from too little chance)."
                    ),
                ),
                Say("soixante noms différents", "sixty different names"),
                Say(f"{guest.name.decode()} deux fois", f"{guest.name.decode()} twice"),
            )
        known[guest.name] = i


@ladder.check(
    "announced",
    1,
    Say(
        "Aux autres, et à eux seuls : `ABC est connecté`.",
        "To the others, and to them alone: `ABC est connecté`.",
    ),
    Place("room"),
)
def announced(server):
    guests = room(server, 3)
    for guest in guests:
        guest.client.expects_silence(0.1)


@ladder.check(
    "message",
    2,
    Say(
        "Une ligne est envoyée à tous, y compris à celui qui l'a écrite.",
        "A line goes to everyone, to the one who said it too.",
    ),
    Place("room"),
)
def message(server):
    guests = room(server, 3)
    likely = Say(
        "Un message va aussi à celui qui l'envoie.", "A message goes to its sender too."
    )
    guests[0].says(b"bonjour")
    guests[0].hears(guests[0].said(b"bonjour"), {"silence": likely})
    for guest in guests[1:]:
        guest.hears(guests[0].said(b"bonjour"))
    converse(guests)


@ladder.check(
    "bytes",
    1,
    Say(
        "Tout octet passe, sauf `\\n`, qui termine la ligne.",
        "Every byte passes, but `\\n`, which ends the line.",
    ),
    Place("bytes"),
)
def every_byte(server):
    guests = room(server, 2)
    for line in (
        b"  blancs ",
        b"CRLF\r",
        b"a\0b",
        b"\\n \\ %s $HOME *",
        b"\xff\xfe\xc3",
        "é€ \u2028\x0b\x0c\x85".encode(),
        b"\x1b[31m",
        EVERY_BYTE,
    ):
        guests[0].says(line)
        for guest in guests:
            guest.hears(guests[0].said(line))


@ladder.check(
    "two-lines",
    1,
    Say(
        "Plusieurs lignes d'un coup sont autant de messages.",
        "Several lines at once are as many messages.",
    ),
    Place("lines"),
)
def two_lines(server):
    guests = room(server, 2)
    lines = [b"ligne %d" % i for i in range(200)]
    guests[0].says(*lines)
    for guest in guests:
        guest.hears(guests[0].said(*lines))


@ladder.check(
    "pieces",
    1,
    Say(
        "Une ligne reçue en morceaux forme un seul message, qui ne se mêle à aucun autre.",
        "A line in pieces is one message, and mixes with no other.",
    ),
    Place("lines"),
)
def pieces(server):
    alice, bob = room(server, 2)
    likely = Say(
        (
            "Votre serveur relaie ce que recv a rendu : gardez le début de chaque client"
            " jusqu'à son `\\n`."
        ),
        (
            "Your server relays what recv returned: keep the beginning of each client up to its"
            " `\\n`."
        ),
    )
    for piece in ("bon", "jour à ", "to"):
        alice.client.sends(piece.encode())
        time.sleep(0.1)  # so that each is a recv of its own at the other end
        bob.says(b"oui")
        for guest in (alice, bob):
            guest.hears(bob.said(b"oui"), likely)
    alice.client.sends(b"us\n")
    for guest in (alice, bob):
        guest.hears(alice.said("bonjour à tous".encode()), likely)


@ladder.check(
    "empty-line",
    1,
    Say("Une ligne vide est un message.", "An empty line is a message."),
    Place("lines"),
)
def empty_line(server):
    alice, bob = room(server, 2)
    alice.says(b"")
    for guest in (alice, bob):
        guest.hears(alice.said(b""))
    converse([alice, bob])


@ladder.check(
    "last-line",
    1,
    Say(
        "Une dernière ligne sans `\\n` est un message.",
        "A last line without `\\n` is a message.",
    ),
    Place("lines"),
)
def last_line(server):
    alice, bob = room(server, 2)
    alice.client.sends(b"sans fin").half_closes()
    bob.hears(
        alice.said(b"sans fin"),
        Say(
            "Ce qui reste à la fin de l'entrée est aussi une ligne.",
            "What is left at the end of the input is a line too.",
        ),
    )


@ladder.check(
    "leaves",
    1,
    Say(
        (
            "Un client qui ferme son sens d'envoi reçoit encore ses messages, puis la fin ; les "
            "autres reçoivent `ABC est déconnecté`."
        ),
        (
            "Who half-closes still gets its messages, and then an end; the others hear `ABC est"
            " déconnecté`."
        ),
    ),
    Place("half-close"),
)
def leaves(server):
    alice, bob = room(server, 2)
    likely = Say(
        (
            "Votre serveur prend la demi-fermeture pour une fermeture : envoyez d'abord ce "
            "que vous devez."
        ),
        "Your server takes the half-close for a close: first send what you owe.",
    )
    lines = [b"ligne %d" % i for i in range(500)]
    alice.says(*lines).client.half_closes()
    alice.hears(alice.said(*lines), {"closed": likely, "reset": likely})
    alice.client.expects_end(
        {"silence": Say("Puis votre serveur ferme.", "Then your server closes.")}
    )
    bob.hears(alice.said(*lines) + alice.left)
    bob.client.expects_silence(
        0.1, Say("Un départ n'est annoncé qu'une fois.", "The leaving is said once.")
    )


@ladder.check(
    "reset",
    1,
    Say(
        "Quand un client coupe net (RST), les autres apprennent son départ.",
        "Of a client that resets (RST) the others hear that it has left.",
    ),
    Place("gone"),
)
def reset(server):
    alice, bob = room(server, 2)
    likely = Say(
        "recv échoue avec ECONNRESET, ou send avec EPIPE : c'est un départ comme un autre.",
        "recv says ECONNRESET, or send EPIPE: that is a leaving like any other.",
    )
    bob.client.resets()
    alice.hears(bob.left, likely)
    carol = Guest(server)
    alice.hears(carol.came, likely)
    converse([alice, carol], likely)


@ladder.check(
    "one-order",
    2,
    Say(
        (
            "Vingt clients parlent à la fois : tous reçoivent tout, dans le même ordre, et "
            "rien n'est coupé."
        ),
        (
            "Twenty clients speak at once: all hear everything, in the same order, and nothing"
            " is cut."
        ),
    ),
    Place("room"),
    limit=25,
)
def one_order(server):
    guests = room(server, 20, quietly=True)
    count = 100
    size = sum(
        len(guest.said(b"%02d %03d" % (i, k)))
        for i, guest in enumerate(guests)
        for k in range(count)
    )
    for start in range(0, count, 10):
        for i, guest in enumerate(guests):
            guest.says(*[b"%02d %03d" % (i, k) for k in range(start, start + 10)])
    server.note(
        Say("vingt clients", "twenty clients"),
        Say(f"envoient {count} lignes chacun", f"say {count} lines each"),
    )
    heard = hear_all(server, guests, size)
    for guest in guests:
        if heard[guest] != heard[guests[0]]:
            raise Fault(
                Say(
                    (
                        "Tous ne reçoivent pas la même chose dans le même ordre : un message "
                        "doit être ajouté une seule fois, à un seul endroit, pour tous."
                    ),
                    (
                        "Not all hear the same in the same order: a message is to be added"
                        " once, in one place, for all."
                    ),
                ),
                heard[guests[0]],
                heard[guest],
            )
    lines = heard[guests[0]].split(b"\n")[:-1]
    for i, guest in enumerate(guests):
        own = [line for line in lines if line.startswith(b"Message de " + guest.name + b" : ")]
        if b"".join(line + b"\n" for line in own) != guest.said(
            *[b"%02d %03d" % (i, k) for k in range(count)]
        ):
            raise Fault(
                Say(
                    (
                        "Des messages manquent, ou sont coupés ou mêlés : écrivez chaque"
                        " message entier, et gardez ce que send n'a pas pris."
                    ),
                    (
                        "Messages are missing, or cut or mixed: write each message whole, and"
                        " keep what send did not take."
                    ),
                ),
                guest.said(*[b"%02d %03d" % (i, k) for k in range(count)]),
                b"".join(line + b"\n" for line in own),
            )


def hear_all(server, guests, size, asleep=(None, 0)):
    """{guest: all that it heard}: `size` bytes each, read from all of them together; one may sleep
    until a time."""
    heard = {guest: bytearray() for guest in guests}
    sockets = {guest.client.socket: guest for guest in guests}
    patience, sleeper = server.patience, asleep[0]
    last = time.monotonic()
    while any(len(heard[guest]) < size for guest in guests):
        for guest in guests:
            guest.client.pump()
        now = time.monotonic()
        sleeper = sleeper if now < asleep[1] else None
        waiting = [
            connection
            for connection, guest in sockets.items()
            if len(heard[guest]) < size and guest is not sleeper
        ]
        ready = select.select(waiting, [], [], 0.05)[0]
        if ready or sleeper:
            last = now
        elif now - last > patience or now > server.deadline:
            short = min(guests, key=lambda guest: len(heard[guest]))
            server.heard_nothing(patience)
            raise Fault(
                Say(
                    (
                        "Des messages se perdent : send ne prend parfois qu'une partie des "
                        "octets, ou rien (EAGAIN) ; gardez le reste."
                    ),
                    (
                        "Messages are lost: send sometimes takes a part only, or nothing"
                        " (EAGAIN); the rest is to be kept."
                    ),
                ),
                Say(f"{number(size)} octets pour chacun", f"{number(size)} bytes for each"),
                Say(
                    f"{number(len(heard[short]))} pour l'un d'eux",
                    f"{number(len(heard[short]))} for one of them",
                ),
            )
        for connection in ready:
            guest = sockets[connection]
            piece = guest.client.receive(min(1 << 18, size - len(heard[guest])), 0.1)
            if not isinstance(piece, bytes):
                raise Broken(
                    piece,
                    Say(f"{number(size)} octets", f"{number(size)} bytes"),
                    bytes(heard[guest]),
                    None,
                )
            heard[guest] += piece
    return {guest: bytes(data) for guest, data in heard.items()}


@ladder.check(
    "long-line",
    1,
    Say("Une ligne de 65 536 octets est un message.", "A line of 65,536 bytes is a message."),
    Place("long"),
    limit=15,
)
def long_line(server):
    alice, bob = room(server, 2)
    line = (b"0123456789abcdefghijklmnopqrstuvwxyz-" * 2000)[:LONGEST]
    alice.says(line)
    for guest in (alice, bob):
        guest.hears(alice.said(line))
    converse([alice, bob])


@ladder.check(
    "too-long",
    1,
    Say(
        "À une ligne plus longue, il répond `erreur : ligne trop longue`, et ferme.",
        "To who sends a longer line: `erreur : ligne trop longue`, and an end.",
    ),
    Place("long"),
    limit=15,
)
def too_long(server):
    likely = Say(
        (
            "Une ligne sans fin remplit la mémoire : au-delà de 65 536 octets, envoyez "
            "l'erreur et fermez. Mais lisez d'abord ce qui arrive encore : sinon la "
            "fermeture devient un RST, et l'erreur se perd."
        ),
        (
            "A line without end fills the memory: past 65,536 bytes, say so and close. Read"
            " what still comes before you close: or the close is a RST, and the farewell is"
            " lost."
        ),
    )
    alice, bob = room(server, 2)
    alice.client.sends(b"x" * (LONGEST + 1) + b"\n")
    alice.hears("erreur : ligne trop longue\n".encode(), likely)
    alice.client.expects_end(likely)
    bob.hears(alice.left, likely)
    carol = Guest(server)
    bob.hears(carol.came)
    carol.client.sends(b"x" * (4 * MIB))
    carol.hears("erreur : ligne trop longue\n".encode(), likely)
    bob.hears(carol.left, likely)
    dora = Guest(server)
    bob.hears(dora.came)
    counts = Say(
        "La limite se compte en octets, et non en caractères : un é en compte deux.",
        "The limit counts bytes, and not characters: é has two of them.",
    )
    dora.says("é".encode() * (LONGEST // 2 + 1))
    dora.hears("erreur : ligne trop longue\n".encode(), counts)
    bob.hears(dora.left, counts)
    converse([bob])


SPEECH = [b"%0999d" % i for i in range(80)]


@ladder.check(
    "slow-reader",
    1,
    Say(
        "Un client lent ne perd rien : ceux qui envoient l'attendent.",
        "Who reads slowly loses nothing: those who send wait.",
    ),
    Place("slow"),
    limit=30,
)
def slow_reader(server):
    alice = Guest(server)
    slow = Guest(server, receive_buffer=4096)
    alice.hears(slow.came)
    block, count = alice.said(*SPEECH), 60
    for _ in range(count):
        alice.says(*SPEECH, quietly=True)
    server.note(
        "client", Say(f"envoie {count * len(SPEECH)} lignes", f"says {count * len(SPEECH)} lines")
    )
    server.note("client 2", Say("ne lit pas, pendant 1,5 s", "does not read, for 1.5 s"))
    heard = hear_all(
        server, [alice, slow], count * len(block), asleep=(slow, time.monotonic() + 1.5)
    )
    for guest in (alice, slow):
        if heard[guest] != block * count:
            raise Fault(
                Say(
                    (
                        "Un client lent perd des messages : send ne prend parfois qu'une "
                        "partie des octets, ou rien (EAGAIN)."
                    ),
                    (
                        "Messages are lost to who reads slowly: send sometimes takes only a"
                        " part, or nothing (EAGAIN)."
                    ),
                ),
                block * count,
                heard[guest],
            )
    Guest(server, receive_buffer=4096)  # never reads, and is not dropped before five seconds
    likely = Say(
        (
            "Votre serveur garde tout ce qu'un client ne lit pas : sa mémoire est à la merci d'un"
            " seul. Quand un client a plus de 256 Kio de retard, ne lisez plus rien de ceux qui"
            " envoient (contre-pression)."
        ),
        (
            "Your server keeps all that a client does not read: its memory is at the mercy of one."
            " When a client is more than 256 KiB behind, stop reading from those who send"
            " (backpressure)."
        ),
    )
    stops_reading(server, alice.client, b"0123456789" * 6000 + b"\n", likely, reading=True)


@ladder.check(
    "never-reads",
    1,
    Say(
        "Un client qui ne lit jamais est exclu au bout de quelques secondes, et les autres "
        "l'apprennent.",
        "Who never reads is dropped after some seconds, and the others are told.",
    ),
    Place("slow"),
    limit=40,
)
def never_reads(server):
    alice, bob = room(server, 2)
    deaf = Guest(server, receive_buffer=4096)
    for guest in (alice, bob):
        guest.hears(deaf.came)
    block, count = alice.said(*SPEECH), 100
    for _ in range(count):
        alice.says(*SPEECH, quietly=True)
    server.note(
        "client", Say(f"envoie {count * len(SPEECH)} lignes", f"says {count * len(SPEECH)} lines")
    )
    likely = Say(
        (
            "Un client qui ne lit jamais doit être exclu : sinon les autres attendent, ou la"
            " mémoire se remplit. Au-delà de 256 Kio de retard, il a cinq secondes pour prendre"
            " 64 Kio."
        ),
        (
            "A client that never reads has to be dropped: or the others wait, or the memory"
            " fills. Past 256 KiB behind, it has five seconds to take 64 KiB."
        ),
    )
    size = count * len(block) + len(deaf.left)
    server.patience, full = max(12, server.patience), server.patience
    try:
        heard = hear_all(server, [alice, bob], size)
    except Fault as fault:
        raise Fault(likely, fault.expected, fault.received) from None
    server.patience = full
    for guest in (alice, bob):
        before, news, after = heard[guest].partition(deaf.left)
        if not news or before + after != block * count:
            raise Fault(likely, block * count + deaf.left, heard[guest])
    alice.says(b"fin")
    for guest in (alice, bob):
        guest.hears(alice.said(b"fin"))


@ladder.check(
    "come-and-go",
    1,
    Say(
        "De deux mille clients venus et repartis, il ne reste rien.",
        "Two thousand clients come and go: nothing is left of them.",
    ),
    Place("zombies"),
    limit=40,
)
def come_and_go(server):
    def visit(i):
        guest = Guest(server, quietly=True)
        if i % 3 == 0:
            guest.says(b"bonjour")
        guest.client.resets() if i % 4 == 3 else guest.client.closes()
        server.clients.remove(guest.client)

    leaves_nothing(server, visit, server.judge.visits)
    time.sleep(0.1)
    guest = Guest(server)
    guest.client.receive(1 << 16, 0.2)  # the last of them may be announced as gone only now
    converse([guest])


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
    server.connect().receive(1 << 16, 0.2)
    server.comes_back()
    server.connect(str(Say("un nouveau", "a new one")))
