"""A simple protocol: hello, the time, a file, the end."""

import datetime
import os
import re
import time
import zoneinfo
from pathlib import Path

from contract import Fault, Ladder
from contracts.echo import leaves_nothing, stops_reading
from conversation import EVERY_BYTE
from places import Place
from words import Say

BIG = b"".join(b"ligne %d d'un grand fichier\n" % i for i in range(100_000))
FILES = {
    "salut.txt": "Bonjour à tous.\n".encode(),
    "vide": b"",
    "un nom avec des blancs": b"\0\r\n\xff\xfe binaire \\ \n",
    "sous-dossier/plus bas/note": b"en bas, sans fin de ligne",
    "grand": BIG,
}
SECRET = b"CECI EST UN SECRET\n"


def files(folder):
    """A folder for the server, with what it may give, and what it may not."""
    for name, content in {
        **FILES,
        ".cache": SECRET,
        ".git/config": SECRET,
        "sous-dossier/.env": SECRET,
        "../secret": SECRET,
    }.items():
        path = Path(os.path.normpath(folder / name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "lien").symlink_to("../secret")
    (folder / "dehors").symlink_to("..")
    (folder / "sous-dossier" / "lien").symlink_to("../salut.txt")
    os.mkfifo(folder / "tube")
    return folder


# A zone whose offset nobody takes for another: is it the local time, or another one?
ZONE = "Asia/Kolkata" if os.path.exists("/usr/share/zoneinfo/Asia/Kolkata") else None

ladder = Ladder(
    "commands",
    "tcp",
    "./moi -d {dir} {port}",
    Say(
        """Un serveur TCP sur 127.0.0.1, qui obéit à des commandes. Le port est le dernier mot de sa
commande ; {dir} y est remplacé par un dossier que le juge a rempli. Une commande par ligne ; une
ligne se termine par `\\n` et par rien d'autre, tout autre octet en fait partie. La dernière
commande est exécutée même sans son `\\n`. Il n'y a pas de message d'accueil. Les réponses sont
envoyées dans l'ordre des commandes.

    hello         hello
    heure         l'heure locale, au format de la RFC 3339, avec son décalage :
                  2026-11-22T11:37:12+01:00
    fichier NOM   la ligne `NOM TAILLE`, puis TAILLE octets, ceux du fichier, et rien d'autre
                  ou la ligne : erreur : NOM : fichier introuvable
    quitter       le serveur envoie ce qu'il doit, et ferme
    autre chose   erreur : commande inconnue : X        où X est toute la ligne

NOM désigne un fichier ordinaire du dossier ou d'un de ses sous-dossiers. Tout le reste est
introuvable : `..`, un chemin absolu, un lien symbolique (où que ce soit dans le nom), un
dossier, un tube, un nom dont une partie commence par un point.

Après la demi-fermeture du client, le serveur envoie tout ce qu'il doit encore, puis ferme.
Il sert plusieurs clients à la fois ; un client qui se tait ou ne lit jamais ne fait attendre
personne, et ne remplit pas la mémoire du serveur. D'un client parti, il ne reste rien. SIGTERM
arrête le serveur, et on peut le relancer aussitôt sur le même port.""",
        """A TCP server on 127.0.0.1 that obeys commands. The port is the last word of its command;
{dir} becomes a folder that the judge has filled. One command a line; a line ends in `\\n`
and in nothing else, every other byte is a part of it. The last command is obeyed without
its `\\n` too. There is no greeting. The answers come in the order of the commands.

    hello         hello
    heure         the local time as RFC 3339 writes it, with its offset: 2026-11-22T11:37:12+01:00
    fichier NOM   the line `NOM SIZE`, then SIZE bytes, those of the file, and nothing else
                  or the line: erreur : NOM : fichier introuvable
    quitter       the server sends what it owes, and closes
    anything else erreur : commande inconnue : X        where X is the whole line

A file is a regular file of the folder or of one of its subfolders. Nothing else can be
named: no `..`, no absolute path, no symbolic link (nowhere in the name), no folder, no
pipe, no name of which a part starts with a dot.

After the client's half-close the server sends all that it still owes, then closes. It
serves several clients at once; who says nothing or never reads makes nobody wait, and does
not fill its memory. Nothing is left of a client that has gone. SIGTERM ends the server, and
it can be started again at once on the same port.""",
    ),
    files,
    {"TZ": ZONE} if ZONE else {},
)

HELLO = b"hello\n"


def unknown(line):
    return b"erreur : commande inconnue : " + line + b"\n"


def missing(name):
    return b"erreur : " + name + b" : fichier introuvable\n"


def file(name):
    content = FILES[name]
    return b"%s %d\n" % (name.encode(), len(content)) + content


def serves_another(server, likely):
    client = server.connect(str(Say("un autre", "another")))
    client.sends(HELLO).expects(HELLO, likely)
    client.closes()


@ladder.check(
    "hello",
    1,
    Say(
        "À `hello`, il répond `hello`, et n'envoie rien avant.",
        "To `hello` it answers `hello`, and says nothing before.",
    ),
    Place("commands"),
)
def hello(server):
    client = server.connect()
    client.expects_silence(
        0.2, {"more": Say("Ici, pas de message d'accueil.", "Here nobody is greeted.")}
    )
    client.sends(HELLO).expects(HELLO)
    client.sends(HELLO).expects(HELLO).expects_silence(0.1)


@ladder.check(
    "heure",
    1,
    Say(
        "À `heure`, il répond par l'heure locale, avec son décalage.",
        "To `heure` it answers the local time, with its offset.",
    ),
    Place("commands"),
)
def heure(server):
    client = server.connect()
    client.sends(b"heure\n")
    got = client.reads_until(b"\n", most=100).decode(errors="replace").rstrip("\n")
    zone = zoneinfo.ZoneInfo(ZONE) if ZONE and not server.server.at else None
    now = datetime.datetime.now(zone).astimezone(zone).replace(microsecond=0)
    shape = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?([+-]\d\d:\d\d)", got)
    expected = Say(now.isoformat(), now.isoformat())
    if not shape:
        raise Fault(
            Say(
                (
                    "La RFC 3339 demande AAAA-MM-JJThh:mm:ss, puis le décalage : +01:00, "
                    "avec son deux-points."
                ),
                "RFC 3339 wants YYYY-MM-DDThh:mm:ss, and the offset: +01:00, with its colon.",
            ),
            expected,
            got,
        )
    try:
        told = datetime.datetime.fromisoformat(shape[1] + shape[2])
    except ValueError:
        raise Fault(
            Say(
                "Cette date n'existe pas : `%m` est le mois, et `%M` la minute.",
                "There is no such date: `%m` is the month, and `%M` the minute.",
            ),
            expected,
            got,
        ) from None
    if abs((told - now).total_seconds()) > 5:
        raise Fault(
            Say(
                "Ce n'est pas l'heure qu'il est, avec ce décalage.",
                "That is not what time it is, with that offset.",
            ),
            expected,
            got,
        )
    if told.utcoffset() != now.utcoffset():
        raise Fault(
            Say(
                f"C'est l'heure d'un autre fuseau : l'heure locale suit la variable TZ ({ZONE}).",
                (
                    "That is the time of another zone: the local one follows the variable TZ"
                    f" ({ZONE})."
                ),
            ),
            expected,
            got,
        )


@ladder.check(
    "unknown",
    1,
    Say(
        "À autre chose : `erreur : commande inconnue : X`.",
        "To anything else: `erreur : commande inconnue : X`.",
    ),
    Place("chosen-commands"),
)
def unknown_command(server):
    client = server.connect()
    for line in (b"bonjour", b"Hello", b"hello ", b" hello", b"", b"fichier", b"quitter tout"):
        client.sends(line + b"\n").expects(unknown(line))
    client.sends(HELLO).expects(HELLO)


@ladder.check(
    "bytes",
    1,
    Say(
        "Tout octet de la commande inconnue revient comme il est venu.",
        "Every byte of the unknown command comes back as it went.",
    ),
    Place("chosen-commands"),
)
def every_byte(server):
    for line in (
        "éàü €\u2028\x85".encode(),
        b"hello\r",
        b"a\0b",
        b"\xff\xfe\xc3",
        b"* \\ %s $HOME `id`",
        b"  blancs  ",
        b"\t",
        EVERY_BYTE,
    ):
        client = server.connect()
        client.sends(line + b"\n").expects(
            unknown(line),
            (
                {
                    "different": Say(
                        "`\\r` est un octet comme un autre.", "`\\r` is a byte like any other."
                    )
                }
                if b"\r" in line
                else None
            ),
        )
        client.closes()


@ladder.check(
    "quitter",
    1,
    Say(
        "À `quitter`, il envoie ce qu'il doit, et ferme.",
        "At `quitter` it sends what it owes, and closes.",
    ),
    Place("commands"),
)
def quitter(server):
    client = server.connect()
    client.sends(b"hello\nhello\nquitter\n").expects(HELLO * 2).expects_end(
        {
            "silence": Say(
                "À `quitter`, fermez la connexion.", "At `quitter`, close the connection."
            )
        }
    )
    client = server.connect()
    client.sends(b"quitter\n").expects_end()
    serves_another(
        server,
        Say(
            "`quitter` ne ferme que la connexion sur laquelle il est arrivé.",
            "`quitter` closes the connection that said it, and no other.",
        ),
    )


@ladder.check(
    "two-commands",
    1,
    Say(
        "Plusieurs commandes d'un coup ont leurs réponses, dans l'ordre.",
        "Several commands at once have their answers, in order.",
    ),
    Place("lines"),
)
def two_commands(server):
    client = server.connect()
    client.sends(b"hello\nbonjour\nhello\n\nhello\n").expects(
        HELLO + unknown(b"bonjour") + HELLO + unknown(b"") + HELLO
    )
    client.sends(b"hello\nx\n" * 500).expects((HELLO + unknown(b"x")) * 500)


@ladder.check(
    "pieces",
    1,
    Say(
        "Une commande qui arrive en morceaux reste une seule commande.",
        "A command in pieces is one command.",
    ),
    Place("lines"),
)
def pieces(server):
    client = server.connect()
    for piece in (b"he", b"ll", b"o\nhel"):
        client.sends(piece)
        time.sleep(0.15)  # so that each is a recv of its own at the other end
    client.sends(b"lo\n").expects(HELLO * 2).expects_silence(0.1)


@ladder.check(
    "last-line",
    1,
    Say(
        "Une dernière commande sans `\\n` est exécutée.",
        "A last command without `\\n` is obeyed.",
    ),
    Place("chosen-commands"),
)
def last_line(server):
    likely = Say(
        "À la fin de l'entrée, ce qui reste est aussi une commande.",
        "At the end of the input, what is left is a command too.",
    )
    for sent, expected in ((b"hello", HELLO), (b"bonjour", unknown(b"bonjour"))):
        client = server.connect()
        client.sends(sent).half_closes().expects(
            expected, {"silence": likely, "closed": likely}
        ).expects_end()


def wants_folder(server):
    if not server.server.at and not any("{dir}" in word for word in server.server.command):
        raise Fault(
            Say(
                (
                    "Écrivez `{dir}` dans la commande, à la place du dossier de votre "
                    "serveur : le juge y met des fichiers."
                ),
                (
                    "Write `{dir}` in the command, where your server takes its folder: the"
                    " judge puts files there."
                ),
            ),
            Say("un dossier que le juge a rempli", "a folder that the judge has filled"),
            Say("la commande n'a pas de {dir}", "the command has no {dir}"),
        )


@ladder.check(
    "file",
    2,
    Say(
        "À `fichier NOM` : `NOM TAILLE`, puis les octets du fichier, tous et rien d'autre.",
        (
            "To `fichier NOM`: `NOM SIZE`, then the bytes of the file, all of them and nothing"
            " else."
        ),
    ),
    Place("commands"),
    needs="dir",
    limit=20,
)
def a_file(server):
    wants_folder(server)
    client = server.connect()
    for name in FILES:
        client.sends(b"fichier " + name.encode() + b"\n").expects(
            file(name),
            Say(
                (
                    "La taille est celle du fichier, en octets ; les octets sont envoyés "
                    "tels quels (mode binaire)."
                ),
                (
                    "The size is in bytes, that of the file; the bytes pass as they are (binary"
                    " mode)."
                ),
            ),
        )
    client.sends(HELLO).expects(HELLO)


@ladder.check(
    "missing",
    1,
    Say(
        "Pour un fichier absent : `erreur : NOM : fichier introuvable`.",
        "Of a file that is not there: `erreur : NOM : fichier introuvable`.",
    ),
    Place("names"),
    needs="dir",
)
def missing_file(server):
    wants_folder(server)
    client = server.connect()
    likely = Say(
        "Un dossier ou un tube n'est pas un fichier ; ouvrir un tube fait attendre.",
        "A folder or a pipe is no file; to open a pipe makes one wait.",
    )
    for name in (
        b"absent",
        b"sous-dossier",
        b"tube",
        b"salut.txt/x",
        b"salut.txt\0",
        b"\xff\xfe",
        b"x" * 300,
        b" salut.txt",
    ):
        client.sends(b"fichier " + name + b"\n").expects(missing(name), likely)
    client.sends(HELLO).expects(HELLO)


@ladder.check(
    "outside",
    2,
    Say(
        (
            "Rien ne peut être nommé hors du dossier : ni par `..`, ni par un chemin absolu, ni"
            " par un lien."
        ),
        (
            "Nothing outside the folder can be named: not by `..`, nor by an absolute path, nor"
            " by a link."
        ),
    ),
    Place("names"),
    needs="dir",
)
def outside(server):
    wants_folder(server)
    folder = os.path.join(server.server.place, "dir").encode()
    names = [
        b"../secret",
        b"sous-dossier/../../secret",
        b"./../secret",
        b"..",
        b"/etc/passwd",
        b"//etc/passwd",
        folder + b"/salut.txt",
        b"lien",
        b"dehors/secret",
        b"sous-dossier/lien",
        b"sous-dossier/../salut.txt",
        b"/salut.txt",
    ]
    client = server.connect()
    for name in names:
        client.sends(b"fichier " + name + b"\n").expects(
            missing(name),
            Say(
                (
                    "Un nom est un texte envoyé par un inconnu : refusez `..`, le `/` au "
                    "début, et les liens, avant d'ouvrir quoi que ce soit."
                ),
                (
                    "A name is text from a stranger: refuse `..`, the `/` at its start, and"
                    " links, before you open anything."
                ),
            ),
        )


@ladder.check(
    "hidden",
    1,
    Say(
        "Un nom dont une partie commence par un point est introuvable.",
        "A name of which a part starts with a dot is not found.",
    ),
    Place("names"),
    needs="dir",
)
def hidden(server):
    wants_folder(server)
    client = server.connect()
    for name in (b".cache", b".git/config", b"sous-dossier/.env"):
        client.sends(b"fichier " + name + b"\n").expects(
            missing(name),
            Say(
                "`.env`, `.git/config` : on y garde des secrets.",
                "`.env`, `.git/config`: secrets are kept there.",
            ),
        )


@ladder.check(
    "half-close",
    1,
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
        "Votre serveur prend la demi-fermeture pour une fermeture.",
        "Your server takes the half-close for a close.",
    )
    client = server.connect(receive_buffer=65536)
    long = b"commande " * 110 + b"longue"
    client.sends((long + b"\n") * 6000).half_closes()
    client.reads_late()
    client.expects(unknown(long) * 6000, {"closed": likely, "reset": likely})
    client.expects_end(
        {
            "silence": Say(
                "Après avoir tout envoyé, votre serveur doit fermer.",
                "After it has sent all, your server is to close.",
            )
        }
    )


@ladder.check(
    "second-client",
    1,
    Say("Un client qui se tait ne fait attendre personne.", "Who says nothing makes nobody wait."),
    Place("second"),
)
def second_client(server):
    first, half = server.connect(), server.connect()
    first.sends(HELLO).expects(HELLO)
    half.sends(b"hel")
    serves_another(
        server,
        Say(
            "Votre serveur s'occupe d'un client à la fois.",
            "Your server looks after one client at a time.",
        ),
    )
    half.sends(b"lo\n").expects(HELLO)


@ladder.check(
    "reset",
    1,
    Say(
        (
            "Un client qui coupe net (RST), ou part au milieu d'une ligne, ne met fin qu'à sa"
            " connexion."
        ),
        "A client that resets (RST), or leaves in mid-line, ends its own connection only.",
    ),
    Place("gone"),
)
def reset(server):
    for i in range(6):
        client = server.connect()
        client.sends([b"hello\n" * 3000, b"hel", b"heure\nhello\n"][i % 3])
        if i % 2:
            client.receive(100, 0.1)
        client.resets() if i < 4 else client.closes()
    serves_another(
        server,
        Say(
            "Après un client qui a coupé, votre serveur ne répond plus.",
            "After a client that reset, your server serves no more.",
        ),
    )


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
    deaf = server.connect(receive_buffer=4096)
    stops_reading(server, deaf, b"0123456789" * 100 + b"\n")
    serves_another(
        server,
        Say(
            "Votre serveur attend que ce client lise.",
            "Your server waits until that client reads.",
        ),
    )


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
        client = server.connect(f"client {i}", quietly=True)
        if i % 4 == 0:
            client.sends(HELLO).expects(HELLO)
        elif i % 4 == 1:
            client.sends(b"quitter\n").reads_all()
        client.resets() if i % 4 == 3 else client.closes()
        server.clients.remove(client)

    leaves_nothing(server, visit, server.judge.visits)
    serves_another(server, None)


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
    server.connect().sends(HELLO).receive(100, 0.5)
    server.comes_back()
    server.connect(str(Say("un nouveau", "a new one")))
