"""Writes the fault table of notes/errors.md and notes/fr/errors.md from the rows that the tests
run.

    python3 tests/blackbox/fault_note.py
"""

import os
import re
from pathlib import Path

from fault_rows import GROUPS, PARKED, ROWS, SETUP, SHORTS, but
from fault_words import ENGLISH, FRENCH, MEANING

ROOT = Path(__file__).resolve().parents[2]
NOTES = {ENGLISH: "notes/errors.md", FRENCH: "notes/fr/errors.md"}
HEAD = (
    "| errno | the call | of | what happens | the line for it |",
    "| errno | l'appel | programmes | ce qui se passe | la ligne qui y répond |",
)
FEWER = (
    "**fewer bytes** than asked for: no error (recv(2), send(2)).",
    "**moins d'octets** que demandé : pas une erreur (recv(2), send(2)).",
)
EXCEPT = ("but", "sauf")


def said(words, language):
    """Of words in both languages, those of one; in French, with the spaces that French has."""
    return re.sub(" (?=[;:!?])", "\u202f", words[FRENCH]) if language == FRENCH else words[ENGLISH]


def line_link(row, language):
    """`the code on that line`, as a link to it."""
    for number, line in enumerate((ROOT / row.file).read_text().splitlines(), 1):
        if row.code in line:
            file = os.path.relpath(row.file, os.path.dirname(NOTES[language]))
            return f"[`{row.code}`]({file}#L{number})"
    raise AssertionError(f"{row.file} has no line with {row.code}")


def names(programs, language):
    for name, group in GROUPS.items():
        if sorted(programs) == sorted(group):
            return name[language]
        missing = but(group, *programs)
        if len(missing) <= 3 and set(programs) < set(group) and len(group) > 5:
            return f"{name[language]} {EXCEPT[language]} " + ", ".join(
                f"`{program}`" for program in missing
            )
    return ", ".join(f"`{program}`" for program in programs)


def table(language):
    """The table of the note, line by line: a row for each errno, call and outcome."""
    lines = [HEAD[language], "| --- | --- | --- | --- | --- |"]
    for error in [*MEANING, "(fewer bytes)"]:
        rows = [
            row
            for row in [*ROWS, *PARKED, *SETUP, *SHORTS]
            if error in row.errors.split() or row.errors == error
        ]
        assert rows, f"{error} is nobody's"
        head = said(FEWER, language)
        if error in MEANING:
            head = f"**{error}** {said(MEANING[error], language)}"
        for row in rows:
            call = f"`{row.call}`" if "," not in row.call else "`poll`, `select`"
            cells = [
                head,
                call,
                names(row.programs, language),
                said(row.outcome, language),
                line_link(row, language),
            ]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            head = ""
    return lines


MARKS = "<!-- table: written by tests/blackbox/fault_note.py -->", "<!-- end of the table -->"


def with_table(text, language):
    """The note's text, with the table of now between the marks."""
    before, rest = text.split(MARKS[0])
    return (
        "\n".join([before + MARKS[0], "", *table(language), "", MARKS[1]]) + rest.split(MARKS[1])[1]
    )


if __name__ == "__main__":
    for in_use, note in NOTES.items():
        (ROOT / note).write_text(with_table((ROOT / note).read_text(), in_use))
