"""notes/teacher.md: what it tells of the exercises and of the other notes is there."""

import re

import pytest
from harness import ROOT

KITS = [ROOT / "notes/teacher.md", ROOT / "notes/fr/teacher.md"]
if not KITS[0].exists():
    pytest.skip("a class is given no answers", allow_module_level=True)
of_each = pytest.mark.parametrize("kit", KITS, ids=lambda kit: str(kit.relative_to(ROOT)))


def plain(text):
    return re.sub(r"\s+", " ", text)


def tables(kit):
    """{note: [(number, stars, name or nothing)]} of the exercises that the kit has answers for."""
    found = {}
    for part in kit.read_text().split("\n### ")[1:]:
        if note := re.match(r"\[[^]]*\]\((\w+\.md)\)\n", part):
            rows = re.findall(r"(?m)^\| (\d+) (★+) \| (?:`(\w+)`)? ?\|", part)
            found[note[1]] = [(int(number), stars, name) for number, stars, name in rows]
    return found


def exercises(note):
    """[(number, stars, name or nothing)] as a note has them."""
    found = []
    text = re.split(r"\n## (?:Exercises|Exercices)\n", note.read_text())[-1]
    for item in re.split(r"\n(?=\d+\. ★)", text)[1:]:
        number, stars = re.match(r"(\d+)\. (★+)", item).groups()
        name = re.search(r"make exercise NAME=(\w+)", item)
        found.append((int(number), stars, name[1] if name else ""))
    return found


@of_each
def test_it_has_an_answer_for_each_exercise_of_the_notes(kit):
    told = tables(kit)
    assert len(told) >= 12
    for name, rows in told.items():
        assert rows == exercises(kit.parent / name), f"{name}: another exercise"


@of_each
def test_each_section_that_it_sends_its_reader_to_exists(kit):
    """Written in italics, with a capital letter, as the notes write their headings."""
    headings = {
        plain(heading)
        for note in kit.parent.glob("*.md")
        for heading in re.findall(r"(?m)^#+ (.*)$", note.read_text())
    }
    named = {plain(words) for words in re.findall(r"(?<![*«\"])\*([A-Z][^*|\[]+?)\*(?!\*)", kit.read_text())}
    named = {words for words in named if not re.match(r"[A-Z]\w+ (already|such|not|refused)", words)}
    foreign = {"Slides", "Diapositives", "Address already in use", "No such file or directory",
               "Connection refused", "Operation not permitted"}  # fmt: skip
    assert named - foreign <= headings, named - foreign - headings


@of_each
def test_what_it_types_is_there(kit):
    """Each make has its target, each file of the project exists."""
    text = kit.read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?m)(?:^|`|&& )make (?:-s )?([a-z][a-z-]*)\b(?!/)", text)):
        assert re.search(rf"(?m)^{target}:", makefile), target
    for file in set(re.findall(r"`((?:tests|tcp|echo|broadcast)/[\w./]+)`", text)):
        places = [ROOT / file, ROOT / f"{file}.cpp"]
        assert any(place.exists() for place in places) or file == "echo/moi.cpp", file
