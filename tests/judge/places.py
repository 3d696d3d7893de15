"""Where to read on: for each subject a note, a heading in it, and how the paragraph begins, in
both languages. tests/blackbox/test_judge.py looks whether all of them are there."""

import re

import words
from words import Say

CALLS = Say("Les appels", "The calls")
SESSION = Say("Une session", "A session")
WRONG = Say(
    "Ce qui peut mal tourner, et la ligne qui y répond",
    "What can go wrong, and the line for it",
)
CHOSEN = Say("Ce qui a été choisi", "What was chosen")

PLACES = {
    "accept": ("echo", CALLS, Say("`accept` rend un", "`accept` gives a")),
    "session": ("echo", SESSION, Say("Deux terminaux", "Two terminals")),
    "bytes": (
        "judge",
        Say("Des octets, et non du texte", "Bytes, and not text"),
        Say("Une socket transporte", "A socket carries"),
    ),
    "delay": (
        "judge",
        Say("Une réponse, un send", "One answer, one send"),
        Say("Une réponse en deux", "An answer in two"),
    ),
    "lines": ("echo", SESSION, Say("TCP transporte des octets", "TCP carries bytes")),
    "half-close": ("echo", CALLS, Say("`accept` rend un", "`accept` gives a")),
    "second": ("echo", CALLS, Say("Voilà pour un client.", "That is one client.")),
    "part": (
        "echo",
        WRONG,
        Say("**`send` ne prend qu'une partie des octets.**", "**`send` takes a part.**"),
    ),
    "gone": ("echo", WRONG, Say("**Le client est parti.**", "**The client has gone.**")),
    "zombies": ("echo", WRONG, Say("**Les zombies.**", "**Zombies.**")),
    "port": (
        "echo",
        WRONG,
        Say(
            "**Le port est encore pris après un redémarrage**",
            "**The port is still taken after a restart**",
        ),
    ),
    "datagrams": (
        "unix_domain",
        Say("Leçon 2\u202f: les datagrammes", "Lesson 2: datagrams"),
        Say("Chaque ligne devient un datagramme", "Each line is a datagram"),
    ),
    "path": (
        "unix_domain",
        Say("Le fichier qui reste", "The file that stays"),
        Say("Beaucoup d'exemples", "Many examples"),
    ),
    "room": (
        "broadcast",
        SESSION,
        Say("Le serveur et trois personnes", "The server and three people"),
    ),
    "long": ("broadcast", WRONG, Say("**Une ligne sans fin.**", "**A line without end.**")),
    "slow": (
        "broadcast",
        Say(
            "Leçon 2\u202f: il y a toujours un client lent, et il faut une règle",
            "Lesson two: somebody is slow, and a chat server needs a policy",
        ),
        Say("Quelqu'un rabat", "Someone closes"),
    ),
    "commands": ("commands", SESSION, Say("On peut envoyer", "Commands may be")),
    "chosen-commands": ("commands", CHOSEN, Say("La dernière commande", "A last command")),
    "names": (
        "commands",
        WRONG,
        Say(
            "**Un nom est un texte envoyé par un inconnu.**", "**A name is text from a stranger.**"
        ),
    ),
    "web": (
        "web",
        SESSION,
        Say("Ouvrez <http://127.0.0.1:8080/>", "Open <http://127.0.0.1:8080/>"),
    ),
    "web-session": (
        "web",
        SESSION,
        Say("Ouvrez <http://127.0.0.1:8080/>", "Open <http://127.0.0.1:8080/>"),
    ),
    "web-bytes": (
        "web",
        Say(
            "La requête et la réponse, octet par octet",
            "The request and the response, byte by byte",
        ),
        Say("`GET` est la méthode", "`GET` is the method"),
    ),
    "web-chosen": ("web", CHOSEN, Say("Un répertoire donne 404", "A directory is 404")),
    "web-names": (
        "web",
        WRONG,
        Say("**Un nom venu d'un inconnu**", "**A name from a stranger**"),
    ),
    "web-two": (
        "web",
        WRONG,
        Say("**Deux lectures d'une même requête.**", "**Two readings of one request.**"),
    ),
    "web-head": ("web", WRONG, Say("**Un en-tête sans fin**", "**A head without end**")),
    "web-slow": (
        "web",
        WRONG,
        Say("**Un client qui envoie son en-tête", "**A client that sends its head"),
    ),
    "web-numbers": (
        "web",
        WRONG,
        Say("**Un nombre qui n'en est pas un**", "**A number that is none**"),
    ),
}


def quoted(paragraph):
    """How a paragraph begins, between the marks of the language."""
    return f"«\u202f{paragraph} …\u202f»" if words.language == "fr" else f'"{paragraph} …"'


class Place:
    """Where a subject is told; in the language of today."""

    def __init__(self, subject):
        self.note, self.heading, self.lead = PLACES[subject]

    def file(self, french):
        return f"notes/{'fr/' if french else ''}{self.note}.md"

    def anchor(self, french):
        """As GitHub makes it of the heading."""
        heading = self.heading.fr if french else self.heading.en
        return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")

    def link(self):
        french = words.language == "fr"
        return f"{self.file(french)}#{self.anchor(french)}"

    def paragraph(self):
        """How it begins."""
        return (
            (self.lead.fr if words.language == "fr" else self.lead.en)
            .replace("**", "")
            .rstrip(".")
        )

    def __str__(self):
        return f"{self.link()}, {quoted(self.paragraph())}"
