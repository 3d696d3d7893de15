"""The ladders of the notes, drawn anew by `make see NOTES=1`: each from the
calmest of three runs, in both languages, into notes/pictures/see/NAME.svg and NAME.fr.svg.

In each picture stands what must not vary from one run to the next (its `essence`);
tests/blackbox/test_see_pictures.py plays them again and compares.
"""

import json
from collections import namedtuple
from html import escape
from pathlib import Path

from words import Say

ROOT = Path(__file__).resolve().parents[2]
RUNS = 3  # of which the calmest is drawn
PICTURES = ROOT / "notes/pictures/see"

# varies: its bytes are others each time (a name by chance, the time)
Picture = namedtuple("Picture", "title words script varies", defaults=("", False))

TWO = """
A: line
B: connect
B: send salut\\n
B: line 2 &
A: send bonjour\\n
A: line
A: half-close
A: end
A: close
B: half-close
B: end
B: close
"""
ONE = "line\nsend bonjour\\n\nline\nhalf-close\nend\nclose"

ALL = {
    "one-line": Picture(
        Say("Une ligne et sa réponse", "One line and its answer"), ["echo/iterative"], ONE
    ),
    "pieces": Picture(
        Say("Une ligne en morceaux", "A line in pieces"),
        ["echo/poll"],
        "line\nsend bon\nrecv\nsend jour\\nsal\nrecv\nsend ut\\n\nrecv\nhalf-close\nend\nclose",
    ),
    "two-iterative": Picture(
        Say("Deux clients, l'un après l'autre", "Two clients, one after the other"),
        ["echo/iterative"],
        TWO,
    ),
    "two-poll": Picture(
        Say("Deux clients dans une boucle poll", "Two clients in one poll loop"),
        ["echo/poll"],
        TWO.replace(" &", ""),
    ),
    "fork": Picture(
        Say("Un processus par client", "A process for each client"), ["echo/fork"], ONE
    ),
    "half-close": Picture(
        Say("Le client a fini de parler", "The client has finished speaking"),
        ["echo/poll"],
        "line\nsend un\\ndeux\nhalf-close\nend\nclose",
    ),
    "server-ends": Picture(
        Say("Le serveur finit le premier", "The server ends first"),
        ["tcp/commands"],
        "send hello\\n\nline\nsend quitter\\n\nend\nclose",
    ),
    "does-not-read": Picture(
        Say("Un client qui ne lit pas", "A client that does not read"),
        ["echo/poll", "--patience", "1", "--rows", "60"],
        "small 65536\ntimes 300000 vingt-et-un octets..\\n\nend\nclose",
    ),
    "room": Picture(
        Say("Un salon, et un client lent", "A room, and somebody slow"),
        ["broadcast/server", "--patience", "7", "--rows", "70"],
        "Lent: small 4096\nVif: line\nVif: times 12000 "
        + "une ligne de quarante-huit octets, sans accent " * 2
        + "\\n &\nVif: quiet 6\nVif: close",
        varies=True,
    ),
    "descriptor": Picture(
        Say("Un descripteur qui passe", "A descriptor that crosses"),
        [
            *("--client", "build/unix_domain/fd_client {path} LICENSE"),
            *("--", "build/unix_domain/fd_server", "{path}", "."),
        ],
    ),
    "forward": Picture(
        Say("Un relais entre deux programmes", "A relay between two"),
        [
            *("--with", "build/echo/iterative {port2}"),
            *("--", "build/tcp/forward", "{port}:127.0.0.1:{port2}"),
        ],
        ONE,
    ),
    "four-times": Picture(
        Say("Les quatre horodatages de NTP", "The four times of NTP"),
        [
            *("--client", "build/ntp/client -n 1 -p {port} 127.0.0.1"),
            *("--", "python3", "tests/see/clock.py", "{port}"),
        ],
        varies=True,
    ),
    "fault-line": Picture(
        Say("Une erreur : un recv n'est pas une ligne", "A fault: a recv is no line"),
        ["--", "build/faults/bug_line", "{port}"],
        "send bon\nquiet\nsend jour\\n\nquiet\nhalf-close\nend\nclose",
    ),
    "fault-order": Picture(
        Say("Une erreur : l'ordre des octets", "A fault: the order of bytes"),
        ["--", "build/faults/bug_order", "{port}"],
        "send bonjour\\n\nline\nhalf-close\nend\nclose",
    ),
    "fault-send": Picture(
        Say("Une erreur : send n'a pris qu'une partie", "A fault: send took a part"),
        ["--rows", "70", "--", "build/faults/bug_send", "{port}"],
        "small 65536\ntimes 250000 vingt-et-un octets..\\n\nquiet\nhalf-close\nend\nclose",
    ),
    "fault-set": Picture(
        Say("Une erreur : un client oublié", "A fault: a client that is forgotten"),
        ["--patience", "1", "--", "build/faults/bug_set", "{port}"],
        "A: send un\nA: line\nB: send deux\nB: line\nA: send trois\nA: line\n"
        "B: close\nA: close",
    ),
    "fault-end": Picture(
        Say("Une erreur : la fin n'est pas vue", "A fault: the end is not seen"),
        ["--rows", "60", "--patience", "1", "--", "build/faults/bug_end", "{port}"],
        "send bonjour\\n\nline\nhalf-close\nend\nclose",
    ),
}


def file(name, language, directory=PICTURES):
    return directory / f"{name}{'' if language == 'en' else '.' + language}.svg"


MUCH = 4000  # bytes, of which no two runs send the same


def essence(exchange, varies):
    """What must not vary: who takes part, and what each says to and hears from each of the others,
    in its own order, whatever the others do meanwhile. Bytes that come in several pieces are one;
    where there are many of them, only what happened stands here, once."""
    place, ends = {column: i for i, column in enumerate(exchange.columns)}, {}
    for arrow in exchange.arrows:
        for event, one, other, way in (
            (arrow.source, arrow.origin, arrow.goal, "→"),
            (arrow.target, arrow.goal, arrow.origin, "←"),
        ):
            # Whoever ends first need not hear that the other ends, too.
            if event and (way == "→" or arrow.kind not in ("FIN", "RST")):
                with_whom = f"{place[one]} with {place[other]}"
                ends.setdefault(with_whom, []).append((event.when, way, arrow))
    return {
        "columns": len(exchange.columns),
        "ends": {who: one_end(ends[who], varies) for who in sorted(ends)},
    }


def one_end(moments, varies):
    """["→ SYN", "← bonjour\\n"] of what one says to another and hears."""
    told, size = [], 0
    for _, way, arrow in sorted(moments, key=lambda moment: moment[0]):
        what = f"{way} {arrow.kind}{' lost' * arrow.lost}{' fd' * len(arrow.passed)}"
        said = "?" * arrow.size if varies else arrow.data.decode("latin-1")
        size += arrow.size
        if told and told[-1][0] == what and arrow.kind == "bytes":
            told[-1][1] += said
        else:
            told.append([what, said])
    if size > MUCH:
        return list(dict.fromkeys(what for what, _ in told))
    return [f"{what} {said}".strip(" ") for what, said in told]


def metadata(exchange, varies):
    """It, as it stands in the picture."""
    written = json.dumps(essence(exchange, varies), ensure_ascii=False)
    return f"<metadata>{escape(written, False)}</metadata>"
