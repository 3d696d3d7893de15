"""What the table of make bench says on the French page."""

import re

# What the rows say in French, by patterns, tried in this order.
FRENCH = (
    (r"\b1 in flight", "1 ligne à la fois"),
    (r"in flight", "lignes à la fois"),
    (r"busy beside 0 idle", "clients actifs à côté de 0 muet"),
    (r"busy beside (\d+) idle", r"clients actifs à côté de \1 muets"),
    (r"one sender", "un seul émet"),
    (r"all send", "tous émettent"),
    (r"one stream", "un seul flux"),
    (r"(\S+) idle relays, MiB resident", r"\1 relais au repos, Mio en mémoire"),
    (r"2 KB file, (\d+) connections", "fichier de 2\N{NBSP}Ko, \\1 connexions"),
    (r"ping,", "une ligne à la fois,"),
    (r"bulk,", "en continu,"),
    (r"over TCP", "en TCP"),
    (r"; 99 % within, us", "; délai de 99\N{NBSP}% des réponses, µs"),
    (r"a bare recv and send", "recv et send seuls"),
    (r", each on its core", ", chacun sur son cœur"),
    (r"HAProxy with splice", "HAProxy avec splice"),
    (r"(\d+) idle clients, bytes of its memory for each", r"\1 clients muets, octets pour chacun"),
    (r"from start to end, ms", "du début à la fin, ms"),
    (r"from a clone, seconds", "depuis un clone, secondes"),
    (r"\blevel\b", "(à égalité)"),
    (r"error of the offset in us, chronyd at", "erreur du décalage en µs, chronyd sur"),
    (r"against no relay", "face à une connexion sans relais"),
    (r"against the course page's socat", "face au socat de la page du cours"),
    (r"against", "face à"),
    (r"\*\*missed\*\*", "**manqué**"),
    (r"under", "moins de"),
    (r"(?=[:;] )(?<!\u202f)", "\u202f"),
    (r"(?<=\d),(?=\d{3})|(?<= \d)(?=000\b)", "\u202f"),
    (r"(?<![\d.])(\d+)\.(\d+)(?![\d.])", r"\1,\2"),
    (r"(?<=\d)-(?=\d)", " à "),
)


def in_french(row):
    """A row of the table, as the French page has it."""
    for english, french in FRENCH:
        row = re.sub(english, french, row)
    return row
