"""What the judge says, in French and in English, and how it shows bytes."""

import os
import re

language = "en"  # set once, by the command line


class Say:
    """A sentence in both languages. str() is the one that was asked for."""

    def __init__(self, fr, en):
        self.fr, self.en = fr, en

    def __str__(self):
        return typography(self.fr) if language == "fr" else self.en

    def format_plain(self, *parts):
        """The text in the language of today, with its {} filled in."""
        return str(self).format(*parts)

    def format(self, **parts):
        return Say(*(text.format(**parts) for text in (self.fr, self.en)))


def typography(text):
    """French wants a narrow no-break space before ; : ! ? and inside « »; not in `what goes
    over the wire`."""
    pieces = text.split("`")
    for i in range(0, len(pieces), 2):
        pieces[i] = re.sub(r" (?=[;:!?»%])|(?<=«) ", "\u202f", pieces[i])
    return "`".join(pieces)


def language_of(environment):
    """POSIX: LC_ALL goes before LC_MESSAGES, and that before LANG."""
    chosen = next(
        (
            value
            for name in ("LC_ALL", "LC_MESSAGES", "LANG")
            if (value := environment.get(name))
        ),
        "",
    )
    return "fr" if chosen.lower().startswith("fr") else "en"


def number(value, digits=0):
    """5000000 as people of that language write it."""
    text = f"{value:,.{digits}f}"
    return text.replace(",", "\u202f").replace(".", ",") if language == "fr" else text


NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\0": r"\0", "\\": r"\\"}


def readable(data):
    """Bytes as one writes them in a program: UTF-8 as it is, the rest escaped."""
    text = data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return re.sub(r"\\(?:x..|\\)|[^ -\[\]-~]", _escape, text)


def _escape(match):
    character = match[0]
    if len(character) > 1 or (character.isprintable() and character != "\xa0"):
        return character
    return NAMED.get(
        character,
        f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}",
    )


def printable(text):
    """Somebody else's words on one line, for a terminal: what would move its cursor is shown as one
    writes it in a program, as is what was no UTF-8 (os.fsdecode)."""
    text = text.encode(errors="surrogateescape").decode(errors="backslashreplace").expandtabs(4)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def boundary(data, at):
    """The last place up to `at` that is not inside a character of UTF-8."""
    while 0 < at < len(data) and data[at] & 0xC0 == 0x80:
        at -= 1
    return max(at, 0)


def shown(data, head=48, tail=16):
    """Bytes on one line; the middle of a long piece is left out, and its length said."""
    if len(data) <= head + tail + 8:
        return f'"{readable(bytes(data))}"'
    start, end = data[: boundary(data, head)], data[boundary(data, len(data) - tail) :]
    return (
        f'"{readable(start)}" … "{readable(end)}"'
        f' ({number(len(data))} {Say("octets", "bytes")})'
    )


def difference(expected, received):
    """(window of what was expected, window of what came, column of the first difference): three
    things to print one below the other."""
    at = next(
        (i for i, (a, b) in enumerate(zip(expected, received)) if a != b),
        min(len(expected), len(received)),
    )
    at = boundary(expected, boundary(received, at))
    start = 0 if at <= 40 else boundary(expected, at - 24)
    windows = []
    for data in (expected, received):
        window = data[
            start : boundary(data, start + 64) if len(data) > start + 72 else len(data)
        ]
        before, after = "… " if start else "", " …" if start + len(window) < len(data) else ""
        windows.append(f'{before}"{readable(window)}"{after}')
    column = (2 if start else 0) + 1 + len(readable(expected[start:at]))
    return (*windows, column)


def environment_language():
    return language_of(os.environ)
