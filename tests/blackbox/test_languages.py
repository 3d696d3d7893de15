"""The notes and the README have the same facts, sessions and exercises in English and in French,
each in its own words: what is typed, run, drawn, asked for, and the lines of code that are shown
stand in both. A paragraph, an example, a link to another page may be in one language only. And the
French is set as French is. (That a link leads somewhere is held by test_links.py, that a block does
what it shows by test_notes.py.)"""

import os
import re
import runpy
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from console import blocks
from french import misprints
from harness import ROOT
from links import links, prose

# Headings that several notes have are called the same in each.
HEADINGS = {
    "The calls": "Les appels",
    "A session": "Une session",
    "What was chosen": "Ce qui a été choisi",
    "Speed": "Performances",
    "Seen from the kernel": "Vu du noyau",
    "Seen on the wire": "Vu sur le réseau",
    "What can go wrong, and the line for it": "Ce qui peut mal tourner, et la ligne qui y répond",
    "Exercises": "Exercices",
}


def in_french(path):
    """Where the translation of an English page is to be."""
    return ROOT / "README.fr.md" if path == ROOT / "README.md" else path.parent / "fr" / path.name


def name(path):
    return os.path.relpath(path, ROOT) if isinstance(path, Path) else None


ENGLISH = [ROOT / "README.md", *sorted(ROOT.glob("notes/*.md"))]
FRENCH = [*ROOT.glob("README.fr.md"), *sorted(ROOT.glob("notes/fr/*.md"))]
SLIDES = ROOT / "notes/site/slides.md"
PAIRS = [(english, in_french(english)) for english in ENGLISH if in_french(english).exists()]
of_each_pair = pytest.mark.parametrize("english, french", PAIRS, ids=name)


def headings(path):
    """[(level, title)]"""
    found = [re.match("(#+) +(.*)", line) for _, line in prose(path)]
    return [(len(heading[1]), heading[2]) for heading in found if heading]


def inside(path):
    """[(line number, text, the file it leads to, anchor, whether it is a picture)] of the links
    into the project."""
    found = []
    for number, text, target, picture in links(path):
        place, _, anchor = unquote(target).partition("#")
        if not re.match("[a-z]+:", place):
            found.append(
                (number, text, (path.parent / place).resolve() if place else path, anchor, picture)
            )
    return found


def only_in(these, those):
    """What is in a list, and not in another, or not as often."""
    return [x for x in dict.fromkeys(these) if these.count(x) > those.count(x)]


def same(what, english, french, find, order=True):
    """Asserts that what find(page) returns, a list, is the same in both."""
    ours, theirs = (find(page) if order else sorted(find(page)) for page in (english, french))
    if theirs != ours:
        missing, too_many = only_in(ours, theirs), only_in(theirs, ours)
        why = (
            f"missing {missing}, too many {too_many}"
            if missing or too_many
            else f"{theirs} is the order, not {ours}"
        )
        raise AssertionError(f"{name(french)} against {name(english)}: {what}: {why}")


@pytest.mark.parametrize("english", ENGLISH, ids=name)
def test_it_is_in_french_too(english):
    assert in_french(english).exists(), f"{name(in_french(english))} is missing"


@pytest.mark.parametrize("french", FRENCH, ids=name)
def test_it_is_the_translation_of_something(french):
    assert french in map(in_french, ENGLISH), f"{name(french)} has no page in English"


@of_each_pair
def test_the_sections_are_the_same(english, french):
    """What a section is divided into may be another matter in the other language."""

    def sections(page):
        return [heading for heading in headings(page) if heading[0] <= 2]

    same("sections", english, french, lambda page: [level for level, _ in sections(page)])
    for (_, title), (_, translation) in zip(sections(english), sections(french)):
        wanted = HEADINGS.get(title, translation)
        assert (
            translation == wanted
        ), f"{name(french)}: '{title}' is called '{wanted}', not '{translation}'"


@of_each_pair
def test_it_begins_with_the_same_lines(english, french):
    """A note says below its title where it belongs to: *Course page: ... Program: ...*"""
    if re.match(r"# .*\n\n\*[^*]*[Pp]rograms?:", english.read_text()):
        begins = re.match(r"# .*\n\n\*[^*]*[Pp]rogrammes?\s:\s", french.read_text())
        assert begins, f"{name(french)} does not begin with a title, and *... Programme : ...*"


@of_each_pair
def test_the_console_blocks_are_the_same_to_the_byte(english, french):
    ours, theirs = len(blocks(english)), len(blocks(french))
    assert theirs == ours, f"{name(french)} has {theirs} console blocks, {name(english)} {ours}"
    for (line, block, _), (its_line, its_block, _) in zip(blocks(english), blocks(french)):
        same(
            f"the block at line {its_line}, and {line}",
            english,
            french,
            {english: block, french: its_block}.get,
        )


@of_each_pair
def test_what_varies_in_the_console_blocks_is_the_same(english, french):
    def varying(page):
        return [" ".join(varies) for _, _, varies in blocks(page)]

    same("what varies, block by block", english, french, varying)


@of_each_pair
def test_the_pieces_of_files_that_are_shown_are_the_same(english, french):
    piece = re.compile(r"(?m)^ *```(\w+ \S+)$")
    same("pieces of files", english, french, lambda page: piece.findall(page.read_text()))


@of_each_pair
def test_the_tests_of_the_exercises_are_the_same(english, french):
    tests = re.compile(r"make\s+exercise\s+NAME=(\w+)")
    same("make exercise NAME=", english, french, lambda page: tests.findall(page.read_text()))


@of_each_pair
def test_the_exercises_are_as_many(english, french):
    """Or what else is numbered in the last section."""

    def numbers(page):
        _, _, last = page.read_text().rpartition("\n## ")
        return re.findall(r"(?m)^(\d+)\. ", last)

    same("the numbers of the exercises", english, french, numbers)


@of_each_pair
def test_the_tables_have_as_many_lines(english, french):
    ours, theirs = (
        sum(line.startswith("|") for _, line in prose(page)) for page in (english, french)
    )
    assert theirs == ours, f"{name(french)} has {theirs} lines of tables, {name(english)} {ours}"


WRONG = "What can go wrong, and the line for it"


def lines_for_what_can_go_wrong(page):
    """The lines of code that this section of a note leads to."""
    text = page.read_text().splitlines()
    starts = [n for n, line in enumerate(text, 1) if line.startswith("## ")] + [len(text) + 1]
    for start, end in zip(starts, starts[1:]):
        if text[start - 1][3:] in (WRONG, HEADINGS[WRONG]):
            return sorted(
                {
                    f"[{label}]({name(to)}#{anchor})"
                    for number, label, to, anchor, _ in inside(page)
                    if start <= number < end and re.fullmatch(r"L\d+", anchor)
                }
            )
    return []


@of_each_pair
def test_what_can_go_wrong_leads_to_the_same_lines(english, french):
    same("links to lines", english, french, lines_for_what_can_go_wrong)


@of_each_pair
def test_the_programs_and_the_tables_lead_to_the_same(english, french):
    """Those of the lines below the title, and those of the tables."""
    in_english = {in_french(page): page for page in ENGLISH}

    def files(page):
        text = page.read_text().splitlines()
        head = next((n for n, line in enumerate(text, 1) if n > 2 and not line), len(text))
        return [
            name(in_english.get(to, to))
            for number, _, to, _, picture in inside(page)
            if not picture and (number < head or text[number - 1].startswith("|"))
        ]

    same("links", english, french, files, order=False)


@of_each_pair
def test_a_link_to_another_page_stays_in_the_language(english, french):
    for page, translation, others in (
        (english, french, map(in_french, ENGLISH)),
        (french, english, ENGLISH),
    ):
        others = {*others} - {translation}
        wrong = [
            f"{name(page)}:{number}: [{text}]"
            for number, text, to, _, _ in inside(page)
            if to in others
        ]
        assert not wrong, f"lead to the other language: {wrong}"


@of_each_pair
def test_the_pictures_are_the_same_and_told_in_other_words(english, french):
    def pictures(page):
        """A ladder is drawn once in each language."""
        return [
            (name(to).replace(".fr.svg", ".svg"), text)
            for _, text, to, _, picture in inside(page)
            if picture
        ]

    same("pictures", english, french, lambda page: [picture for picture, _ in pictures(page)])
    for (_, text), (picture, translation) in zip(pictures(english), pictures(french)):
        assert translation != text, f"{name(french)}: what is told of {picture} is still in English"


@pytest.mark.parametrize("page", [*FRENCH, SLIDES], ids=name)
def test_french_is_set_as_french_is(page):
    wrong = [f"{name(page)}:{n}: {what}: {near!r}" for n, what, near in misprints(page.read_text())]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("un\u202f; deux", "un ; deux"),
        ("un\u202f; deux", "un\u00a0; deux"),
        ("`un`\u202f! Deux", "`un`\n! Deux"),
        ("**un\u202f?** deux", "**un?** deux"),
        ("*un\u202f:* deux", "*un :* deux"),
        ("[un](a)\u202f:\n", "[un](a):\n"),
        ("«\u202fun\u202f» deux", "« un\u202f» deux"),
        ("«\u202fun\u202f» deux", "«\u202fun» deux"),
        ("en 12\u202f000 lignes", "en 12,000 lignes"),
        ("en 12\u00a0000\u202f000 lignes", "en 12\u202f000 000 lignes"),
        ("| 1,7 |", "| 1.7 |"),
        ("1,7\u00a0fois, 20\u00a0%", "1.7\u00a0fois, 20\u00a0%"),
        ("en 10\u00a0s", "en 10 s"),
        ("en 16\u202fKio", "en 16\nKio"),
        ("``a ` ;``, `b : c`, <a b=\"c ;\">, <!-- d ; -->", "``a ` ;`` ; e"),
        ("```\n« a » ; 1,000\n```\nIPv4, 127.0.0.1:9090, à 8:30, \"::1\"", "```\na\n```\nb ;"),
        ("| a | b |\n| --- | ---: |\n| [c](d;e) | RFC 9112, 9.5 |", "| a ; | b |"),
    ],
)
def test_a_misprint_is_told_from_what_is_right(right, wrong):
    assert misprints(right) == []
    assert misprints(wrong)


def test_the_table_of_make_bench_is_the_same_in_french():
    in_french_row = runpy.run_path(str(ROOT / "tests/bench/in_french.py"))["in_french"]
    tables = [(ROOT / page).read_text() for page in ("notes/speed.md", "notes/fr/speed.md")]
    english, french = (re.findall(r"(?m)^\| \w+/\w+\b.*", table) for table in tables)
    assert french == [in_french_row(row) for row in english] != []


NOTE = """# A word

*Course page: "a". Program: [`a`](../a.cpp).*

![A picture](pictures/p.svg)

## The calls

```
a diagram
```

```cpp a.cpp
a
```

## What can go wrong, and the line for it

[`x`](../a.cpp#L1) and [`y`](../a.cpp#L2)

<!-- varies: 50001 -->
```console
$ a
50001
```

| a | b |
| --- | --- |
| c | [d](b.md) |

## Exercises

1. One: `make exercise NAME=one`
2. Two: `make exercise NAME=two`
"""
NOTE_IN_FRENCH = """# Un mot

*Page du cours : « a ». Programme : [`a`](../../a.cpp).*

![Une image](../pictures/p.svg)

## Les appels

```
un dessin
```

Un paragraphe de plus, avec [`main`](../../a.cpp#L9).

```cpp a.cpp
a
```

## Ce qui peut mal tourner, et la ligne qui y répond

[`y`](../../a.cpp#L2), [`x`](../../a.cpp#L1) et encore [`y`](../../a.cpp#L2)

<!-- varies: 50001 -->
```console
$ a
50001
```

| a | b |
| --- | --- |
| e | [f](b.md) |

## Exercices

1. Un : `make exercise NAME=one`
2. Deux : `make exercise NAME=two`
"""


@pytest.mark.parametrize(
    "test, right, wrong",
    [
        (test_the_sections_are_the_same, "## Les appels", "### Les appels"),
        (test_the_sections_are_the_same, "## Les appels", "## L'appel"),
        (test_the_sections_are_the_same, "# Un mot", ""),
        (test_it_begins_with_the_same_lines, "Programme :", "Program:"),
        (test_the_console_blocks_are_the_same_to_the_byte, "$ a", "$ a "),
        (test_the_console_blocks_are_the_same_to_the_byte, "```console", "```"),
        (test_what_varies_in_the_console_blocks_is_the_same, "varies: 50001", "varies: 5001"),
        (test_what_varies_in_the_console_blocks_is_the_same, "<!-- varies: 50001 -->", ""),
        (test_the_pieces_of_files_that_are_shown_are_the_same, "```cpp a.cpp\na\n```\n", ""),
        (test_the_pieces_of_files_that_are_shown_are_the_same, "```cpp a", "```cpp b"),
        (test_the_tests_of_the_exercises_are_the_same, "NAME=one", "NAME=un"),
        (test_the_tests_of_the_exercises_are_the_same, "`make exercise NAME=two`", ""),
        (test_the_exercises_are_as_many, "2. ", "3. "),
        (test_the_tables_have_as_many_lines, "| e | [f](b.md) |\n", ""),
        (test_what_can_go_wrong_leads_to_the_same_lines, "#L1", "#L3"),
        (test_what_can_go_wrong_leads_to_the_same_lines, "[`x`]", "[`z`]"),
        (test_the_programs_and_the_tables_lead_to_the_same, "[`a`](../../a.cpp)", "`a`"),
        (test_the_programs_and_the_tables_lead_to_the_same, "(b.md)", "(c.md)"),
        (test_a_link_to_another_page_stays_in_the_language, "(b.md)", "(../b.md)"),
        (test_the_pictures_are_the_same_and_told_in_other_words, "p.svg", "q.svg"),
        (test_the_pictures_are_the_same_and_told_in_other_words, "Une image", "A picture"),
    ],
)
def test_a_wrong_translation_is_told_from_a_right_one(test, right, wrong, tmp_path, monkeypatch):
    english, french = tmp_path / "notes/a.md", tmp_path / "notes/fr/a.md"
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "ENGLISH", [english, english.with_name("b.md")])
    french.parent.mkdir(parents=True)
    english.write_text(NOTE)
    french.write_text(NOTE_IN_FRENCH)
    test(english, french)
    assert right in NOTE_IN_FRENCH
    french.write_text(NOTE_IN_FRENCH.replace(right, wrong, 1))
    with pytest.raises(AssertionError):
        test(english, french)
