"""make print: the notes as a PDF. Three of them are printed here: a whole book takes longer."""

import re
import subprocess
import sys

import console
import pytest
from harness import ROOT, peer
from links import links

sys.path.insert(0, str(ROOT / "notes/site"))
from build import Site  # noqa: E402
from paper import chosen, strips  # noqa: E402

pytestmark = pytest.mark.thorough

NAMES = {"notes": "README", "tcp": "tcp", "speed": "speed"}  # pages of the site, and their files


@pytest.fixture(scope="module")
def printed():
    """The pages, as text laid out as they are."""
    for tool in ("pandoc", "weasyprint", "rsvg-convert"):
        peer(tool)
    subprocess.run(
        [sys.executable, "notes/site/paper.py", "fr", *NAMES], cwd=ROOT, check=True, timeout=120
    )
    text = subprocess.run(
        [peer("pdftotext"), "-layout", ROOT / "build/print/socklab.fr.notes.tcp.speed.pdf", "-"],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    return text.split("\f")[:-1]


def words(text):
    return re.sub(r"\s+", " ", text)


def page_of(printed, text, since=3):
    """The number of the page, the first one is 1, that has a text; after the contents."""
    found = [n for n, page in enumerate(printed, 1) if n >= since and words(text) in words(page)]
    assert found, f"{text!r} is on no page"
    return found[0]


def test_it_is_on_a4(printed):
    told = subprocess.run(
        ["pdfinfo", ROOT / "build/print/socklab.fr.notes.tcp.speed.pdf"],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    assert "(A4)" in told
    assert f"Pages: {len(printed)}" in words(told)


def test_the_contents_give_the_pages_that_the_sections_are_on(printed):
    lines = re.findall(r"(?m)^ *(\S.*?) ?(?:\. ?){3,} *(\d+)$", printed[1])
    assert len(lines) > 15
    since = 3
    for title, number in lines:
        since = page_of(printed, title, since)
        assert since == int(number), title


def test_a_link_to_another_note_has_its_page_and_one_to_elsewhere_its_address(printed):
    beside = [int(number) for page in printed for number in re.findall(r"\(p\.\s(\d+)\)", page)]
    assert beside and max(beside) <= len(printed)
    assert not any(re.search(r"\(p\.\s\d+\)\w", page) for page in printed), "a space is lost"
    addresses = [(text, target) for _, text, target, _ in links(ROOT / "notes/fr/README.md") if "://" in target]
    assert addresses
    for _, address in addresses:
        assert any(address.split("://")[1].rstrip("/") in re.sub(r"\s", "", page) for page in printed)


def test_a_number_is_not_cut(printed):
    numbers = re.findall(r"(?<=\| )\d+(?:\u202f\d{3})+(?= \|)", (ROOT / "notes/fr/speed.md").read_text())
    assert len(numbers) > 40
    for number in numbers:
        whole = number.replace("\u202f", "[ \u202f]")
        assert any(re.search(rf"(?<!\d){whole}(?!\d)", page) for page in printed), number


def test_the_answers_are_not_in_the_book_that_is_for_the_room():
    for language in ("fr", "en"):
        site = Site(ROOT / "build/print")
        names = [page.name for page in chosen(site, language, [])]
        assert "teacher" not in names and "start" in names and "glossary" in names
        assert [page.name for page in chosen(site, language, ["teacher"])] == ["teacher"]


def test_a_drawing_is_no_wider_than_the_paper_and_a_projector():
    """Its lines are not cut into two: the sizes of the letters in paper.css and style.css are for these."""
    for note in [*ROOT.glob("notes/*.md"), *ROOT.glob("notes/fr/*.md"), *ROOT.glob("README*.md")]:
        for kind, block in re.findall(r"(?ms)^ *```(\w*)[^\n]*\n(.*?)^ *```$", note.read_text()):
            if kind != "console":
                for line in block.split("\n"):
                    assert len(line) <= 113, f"{note.relative_to(ROOT)}: {line}"


def test_the_strips_of_a_high_ladder_are_all_of_it():
    """What is above the first one is at the head of each page; the others follow each other."""
    high = 0
    for picture in (ROOT / "notes/pictures/see").glob("*.svg"):
        table = strips(["as it was", f"see/{picture.stem}"])
        height = int(re.search(r'viewBox="0 0 \d+ (\d+)"', picture.read_text())[1])
        places = re.findall(r"height: ([\d.]+)pt; background: url\(\S+\) 0 -?([\d.]+)pt", table)
        assert bool(places) == (height >= 600), picture.name
        end = 0
        for strip, above in places:
            assert abs(float(above) - end) < 0.02, picture.name
            end = float(above) + float(strip)
        assert not places or abs(end - 0.54 * height) < 0.02, picture.name
        high += bool(places)
    assert high > 20


def test_a_session_is_whole_and_there_is_nothing_to_click_on(printed):
    for name in NAMES.values():
        for _, lines, _ in console.blocks(ROOT / f"notes/fr/{name}.md"):
            if len(lines) > 40:
                continue
            shown = [words(line) for line in lines if line.strip(". ")]
            assert any(
                all(line[:60] in words(page) for line in shown) for page in printed
            ), f"{name}: on two pages: {shown[0]}"
    for word in ("Menu", "English", "Suivant", "Tout sur une page"):
        assert not any(re.search(rf"(?m)^ *{word} *$", page) for page in printed)
