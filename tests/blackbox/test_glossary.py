"""The words of the way in: what start.md has in bold is in the glossary, in both languages, and
what the glossary has is in the note that it names."""

import re

import pytest
from harness import ROOT

NOTES = {"en": ROOT / "notes", "fr": ROOT / "notes/fr"}
LANGUAGES = list(NOTES)


def rows(language):
    """{word in bold: the note that is to explain it}"""
    found = re.findall(
        r"(?m)^\| \*\*(.+?)\*\* \| .+? \| .+? \| \[\w+\]\((\w+\.md)\) \|$",
        (NOTES[language] / "glossary.md").read_text(),
    )
    assert len(found) == len(dict(found)) >= 40
    return dict(found)


def bold(page):
    return [re.sub(r"\s+", " ", word) for word in re.findall(r"\*\*(.+?)\*\*", page, re.DOTALL)]


def stem(word):
    """A word as it may stand in a sentence: `datagrams`, `blocks`, `de sockets`."""
    # bloquer, bloque; réseau, réseaux; a thread has another name in French, after a comma.
    return re.sub(r"^to |, .*", "", word.lower()).removesuffix("s").removesuffix("r").rstrip("s")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_in_bold_on_the_way_in_is_in_the_glossary(language):
    known = {stem(word) for word in rows(language)}
    words = bold((NOTES[language] / "start.md").read_text())
    assert len(words) > 20
    missing = [word for word in words if stem(word) not in known]
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_word_is_in_the_note_that_is_to_explain_it(language):
    for word, note in rows(language).items():
        text = re.sub(r"\s+", " ", (NOTES[language] / note).read_text()).lower()
        assert stem(word) in text, f"{note} never says {word}"


def test_the_words_of_start_are_in_bold_there():
    """Where the glossary says that start.md explains a word, it has it in bold."""
    for language in LANGUAGES:
        explained = {stem(word) for word in bold((NOTES[language] / "start.md").read_text())}
        for word, note in rows(language).items():
            if note == "start.md":
                assert stem(word) in explained, f"{language}: {word}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cpp_that_start_explains_stands_in_the_programs_that_follow(language):
    """And what a first reader stumbled over there is explained."""
    table = (NOTES[language] / "start.md").read_text().partition("C++ ")[2]
    explained = re.findall(r"(?m)^\| `(.+?)` \| ", table.partition("</details>")[0])
    programs = [*(f"tcp/{name}.cpp" for name in ("client", "server")), "fd.hpp",
                *(f"echo/{name}.cpp" for name in ("iterative", "fork", "thread", "select"))]  # fmt: skip
    code = "".join((ROOT / program).read_text() for program in programs)
    assert len(explained) >= 10 and not [piece for piece in explained if piece not in code]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_used_before_it_is_explained(language):
    """In bold is where a word is explained; titles and code may name it before."""
    page = (NOTES[language] / "start.md").read_text().split("\n### ", 1)[1]
    prose = re.sub(r"(?m)^```[\s\S]*?^```|^#.*|`[^`\n]*`|\]\([^)]*\)", "", page)
    early = []
    for word, note in rows(language).items():
        # Of a terminal too is said that it has a name.
        if note != "start.md" or word in ("name", "nom"):
            continue
        pattern = rf"(?i)(\*\*)?\b{re.escape(stem(word))}(?:r?s|x|r|ss|sses)?\b"
        uses = [bool(found[1]) for found in re.finditer(pattern, re.sub(r"\s+", " ", prose))]
        if not uses or not uses[0]:
            early.append(word)
    assert not early


def test_both_glossaries_have_the_same_words():
    pairs = {}
    for language, path in NOTES.items():
        text = (path / "glossary.md").read_text()
        pairs[language] = re.findall(r"(?m)^\| \*\*(.+?)\*\* \| (.+?) \|", text)
    assert sorted(pairs["en"]) == sorted((english, french) for french, english in pairs["fr"])
