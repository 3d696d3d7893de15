"""The ladders of the notes, drawn anew by `make see NOTES=1`: each from one run, in both languages,
into notes/pictures/see/NAME.svg and NAME.fr.svg.

In each picture stands what must not vary from one run to the next (its `essence`);
tests/blackbox/test_see_pictures.py plays them again and compares.
"""

import json
from collections import namedtuple
from html import escape
from pathlib import Path

from words import Say

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "notes/pictures/see"

Picture = namedtuple("Picture", "title words script", defaults=("",))

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
        TWO,
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
        Say("Un salon, et quelqu'un de lent", "A room, and somebody slow"),
        ["broadcast/server", "--patience", "7", "--rows", "70"],
        "Lent: small 4096\nVif: line\nVif: times 12000 "
        + "une ligne de quarante-huit octets, sans accent " * 2
        + "\\n &\nVif: quiet 6\nVif: close",
    ),
    "descriptor": Picture(
        Say("Un descripteur qui passe", "A descriptor that crosses"),
        [
            *("--client", "build/unix_domain/fd_client {path} LICENSE"),
            *("--", "build/unix_domain/fd_server", "{path}", "."),
        ],
    ),
    "forward": Picture(
        Say("Un relais entre deux", "A relay between two"),
        [
            *("--with", "build/echo/iterative {port2}"),
            *("--", "build/tcp/forward", "{port}:127.0.0.1:{port2}"),
        ],
        ONE,
    ),
    "four-times": Picture(
        Say("Les quatre temps de NTP", "The four times of NTP"),
        [
            *("--client", "build/ntp/client -n 1 -p {port} 127.0.0.1"),
            *("--", "python3", "tests/see/clock.py", "{port}"),
        ],
    ),
}


def file(name, language):
    return PICTURES / f"{name}{'' if language == 'en' else '.' + language}.svg"


def essence(exchange, ladder):
    """What must not vary: who takes part, what each says to whom, and how each way ends."""
    summed = any(row.kind == "sum" for row in ladder.rows)
    ways = {}
    for arrow in exchange.arrows:
        way = ways.setdefault(f"{arrow.origin.pid} {arrow.goal.pid}", {"said": b"", "ends": []})
        if arrow.kind == "bytes":
            way["said"] += arrow.data
        elif not summed:
            way["ends"].append(arrow.kind)
    place = {str(column.pid): i for i, column in enumerate(exchange.columns)}
    told = {}
    for way, what in ways.items():
        key = " → ".join(str(place[pid]) for pid in way.split())
        said = what["said"][:40] if summed else what["said"]
        told[key] = {"said": said.decode("latin-1"), "ends": what["ends"]}
    return {"columns": len(exchange.columns), "ways": dict(sorted(told.items()))}


def metadata(exchange, ladder):
    """It, as it stands in the picture."""
    return f"<metadata>{escape(json.dumps(essence(exchange, ladder)), False)}</metadata>"
