"""What is likely behind a fault, in a sentence: first by the shape of what came, which often says
it all, then by what the check knows, then by the event alone."""

import re

from words import Say

CUTS = {size for power in range(6, 17) for size in (1 << power, (1 << power) - 1)} | {
    100,
    1000,
    5000,
    10000,
    100000,
    65507,
}


def guess(how, expected, received, likely=None):
    """`how` is closed, silence, different, reset or more; `likely` what the check thinks: a Say, or
    {how: Say}."""
    own = likely.get(how) if isinstance(likely, dict) else likely
    if (
        isinstance(expected, (bytes, bytearray))
        and isinstance(received, (bytes, bytearray))
        and received
    ):
        for shape in SHAPES:
            if found := shape(bytes(expected), bytes(received), how):
                return found
    return own or EVENTS[how]


EVENTS = {
    "closed": Say(
        "Votre serveur a fermé la connexion trop tôt.",
        "Your server closed the connection too early.",
    ),
    "reset": Say(
        (
            "Votre serveur a coupé la connexion : il s'est arrêté, ou il a fermé alors que des"
            " octets reçus n'étaient pas lus."
        ),
        (
            "Your server reset the connection: it ended, or closed while bytes that had come"
            " were not read."
        ),
    ),
    "silence": Say(
        (
            "Rien ne vient : votre serveur attend peut-être autre chose, ou n'a pas envoyé ce"
            " qu'il garde (un tampon à vider : flush)."
        ),
        (
            "Nothing comes: your server may wait for something else, or keep what it should"
            " send (a buffer to flush)."
        ),
    ),
    "different": Say("Comparez les deux lignes au-dessus du ^.", "Compare at the ^."),
    "more": Say(
        "Votre serveur envoie plus que promis.",
        "Your server sends more than was promised.",
    ),
}


def replaced(expected, received, how):
    if b"\xef\xbf\xbd" in received and b"\xef\xbf\xbd" not in expected:
        return Say(
            (
                "Votre serveur décode les octets en texte, et ce qui n'est pas de l'UTF-8 "
                "devient `�` : traitez des octets."
            ),
            (
                "Your server decodes the bytes into text, and what is no UTF-8 becomes `�`:"
                " pass bytes on."
            ),
        )


def printed(expected, received, how):
    if (
        b"b'" in received
        and b"b'" not in expected
        or b'b"' in received
        and b'b"' not in expected
    ):
        return Say(
            (
                "C'est la façon dont Python affiche des octets, `b'…'`, et non les octets : pas"
                ' de str() ni de f"…" sur des octets.'
            ),
            (
                "This is how Python shows bytes, `b'…'`, and not the bytes: no str() and no"
                ' f"…" of bytes.'
            ),
        )


def latin(expected, received, how):
    try:
        if expected.decode().encode("latin-1") != expected and received.startswith(
            expected.decode().encode("latin-1")[:20]
        ):
            return Say(
                "Votre serveur écrit en Latin-1 : sur la connexion, le texte est en UTF-8.",
                "Your server writes Latin-1: the wire speaks UTF-8.",
            )
    except UnicodeError:
        pass


def twice(expected, received, how):
    try:
        if (
            len(received) > 8
            and received.decode().encode("latin-1").startswith(expected[:16])
            and received != expected
        ):
            return Say(
                "Le texte est encodé deux fois en UTF-8.",
                "The text is encoded into UTF-8 twice.",
            )
    except UnicodeError:
        pass


def carriage(expected, received, how):
    if len(received) < 2 or b"\r" in received and b"\r" not in expected:
        if b"\r\n" in received:
            return Say(
                (
                    "Votre serveur termine ses lignes par `\\r\\n` : ici, une ligne se termine "
                    "par `\\n` seul."
                ),
                "Your server ends its lines with `\\r\\n`: here a line ends with `\\n` alone.",
            )
    elif b"\r" in expected and received.startswith(
        expected.replace(b"\r", b"")[: len(received)]
    ):
        return Say(
            (
                "Votre serveur enlève les `\\r` (strip, ou des lignes lues comme du texte) :"
                " ils font partie de la ligne."
            ),
            (
                "Your server takes the `\\r` off (strip, or lines read as text): they are part"
                " of the line."
            ),
        )


def squeezed(expected, received, how):
    flat = [
        re.sub(rb"[ \t]+", b" ", text).replace(b" \n", b"\n").replace(b": ", b":")
        for text in (expected, received)
    ]
    if (
        how == "different"
        and b"  " in expected
        and flat[1].startswith(flat[0][: len(flat[1])])
        and len(received) > 24
    ):
        return Say(
            (
                "Les blancs ont changé : votre serveur les enlève (strip, read sans `IFS=` ni"
                " -r), ou coupe la ligne en mots."
            ),
            (
                "The blanks have changed: your server takes them off (strip, read without"
                " `IFS=` or -r), or splits the line into words."
            ),
        )


def cut(expected, received, how):
    """The same up to a round number of bytes of the line, then something else or nothing."""
    same = next(
        (i for i, (a, b) in enumerate(zip(expected, received)) if a != b),
        min(len(expected), len(received)),
    )
    start = expected.rfind(b"\n", 0, same) + 1
    where = expected.rfind(b" : ", start, min(start + 64, same))
    for at in {same, same - start, same - where - 3 if where >= 0 else -1}:
        if at in CUTS and len(expected) - same > 1:
            return Say(
                (
                    f"La réponse diffère au bout de {at} octets : la taille d'un tampon. TCP"
                    " transporte des octets, et recv rend ceux qui sont arrivés : une ligne peut"
                    " demander plusieurs recv."
                ),
                (
                    f"It changes after {at} bytes: the size of a buffer. TCP carries bytes, and"
                    " recv returns what is there: a line may come in several recv."
                ),
            )


def prefix_in_the_middle(expected, received, how):
    prefix = "le serveur répond : ".encode()
    if how == "different" and received.count(prefix) > expected[: len(received)].count(prefix):
        return Say(
            (
                "Votre serveur prend chaque recv pour une ligne : une ligne peut arriver en "
                "morceaux, et seul `\\n` la termine."
            ),
            (
                "Your server takes each recv for a line: a line may come in pieces, and only"
                " `\\n` ends it."
            ),
        )
    if (
        how in ("different", "silence")
        and expected[: len(received) + len(prefix)].count(prefix) > received.count(prefix) > 0
    ):
        return Say(
            (
                "Votre serveur prend chaque recv pour une ligne : plusieurs lignes peuvent"
                " arriver en un seul morceau, et chacune a sa réponse."
            ),
            (
                "Your server takes each recv for a line: several lines may come in one piece,"
                " and each has its answer."
            ),
        )


def no_newline(expected, received, how):
    if how in ("silence", "closed") and expected == received + b"\n":
        return Say(
            "Il manque le `\\n` à la fin de la ligne.",
            "The `\\n` at the end of the line is missing.",
        )


SHAPES = [
    printed,
    replaced,
    latin,
    twice,
    carriage,
    no_newline,
    squeezed,
    cut,
    prefix_in_the_middle,
]
