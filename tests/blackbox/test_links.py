"""Every link of the notes and the READMEs leads somewhere, and a link to a line leads to the line it shows.

A link to a line is written [`code on that line`](../echo/poll.cpp#L57): the code in backticks stands on that line."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from harness import ROOT

FILES = sorted(ROOT.glob("notes/**/*.md")) + sorted(ROOT.glob("README*.md"))


def name(path):
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


def prose(path):
    """[(line number, line)] of a Markdown file, without its blocks of code."""
    lines, inside = [], False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            lines.append((number, line))
    return lines


def links(path):
    """[(line number, text, target, whether it is a picture)] of a Markdown file, pieces of code left out."""
    label = r"(?:`[^`]*`|\\.|[^\]`\\])*"  # a bracket in backticks does not end it
    link_or_code = re.compile(rf"(!?)\[({label})\]\(([^()\s]*)\)|`[^`]*`")
    found = []
    for number, line in prose(path):
        for link in link_or_code.finditer(line):
            if link[3] is not None:
                found.append((number, link[2], link[3], bool(link[1])))
    return found


def anchors(path):
    """The anchors that GitHub gives to the headings of a Markdown file."""
    titles = [re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()) for _, line in prose(path) if re.match("#+ ", line)]
    slugs = [title.replace(" ", "-") for title in titles]
    return {slug if i == slugs.index(slug) else f"{slug}-{slugs[:i].count(slug)}" for i, slug in enumerate(slugs)}


def complaint(path, text, target):
    """What is wrong with a link of a file; None when it is right."""
    place, _, anchor = unquote(target).partition("#")
    if re.match(r"[a-z]+:", place):
        return None if place.startswith(("https://", "http://")) else "is neither https: nor a file"
    to = (path.parent / place).resolve() if place else path
    if not to.is_relative_to(ROOT) or not to.exists():
        return "leads nowhere"
    if not anchor:
        return None
    if to.suffix == ".md":
        return None if anchor in anchors(to) else f"has no such heading: {name(to)} has {sorted(anchors(to))}"
    code = re.fullmatch("`(.+)`", text)
    if not (line := re.fullmatch(r"L(\d+)", anchor)) or not code:
        return "is to be written [`code on that line`](file#L57)"
    code, lines = code[1].replace(r"\|", "|"), to.read_text().splitlines()
    if code in "".join(lines[int(line[1]) - 1 : int(line[1])]):
        return None
    return f"is not on that line, but on {[n for n, text in enumerate(lines, 1) if code in text] or 'none'}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_link_leads_to_what_it_names(path):
    wrong = [
        f"{name(path)}:{number}: [{text}]({target}) {why}"
        for number, text, target, _ in links(path)
        if (why := complaint(path, text, target))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_link_that_is_wrong_is_told_from_one_that_is_right(tmp_path):
    here = ROOT / "notes/any.md"
    iterative = (ROOT / "echo/iterative.cpp").read_text().splitlines()
    line = next(n for n, text in enumerate(iterative, 1) if "signal(SIGPIPE, SIG_IGN)" in text)
    assert complaint(here, "`signal(SIGPIPE, SIG_IGN)`", f"../echo/iterative.cpp#L{line}") is None
    assert f"[{line}]" in complaint(here, "`signal(SIGPIPE, SIG_IGN)`", f"../echo/iterative.cpp#L{line + 1}")
    assert "none" in complaint(here, "`no such code`", "../echo/iterative.cpp#L7")
    assert "none" in complaint(here, "`no such line`", "../echo/iterative.cpp#L70000")
    assert "written" in complaint(here, "the signal", f"../echo/iterative.cpp#L{line}")
    assert "nowhere" in complaint(here, "a note", "no_such_note.md")
    assert "heading" in complaint(here, "a heading", "../README.md#no-such-heading")
    assert complaint(here, "a heading", "../README.md#the-tests") is None
    note = tmp_path / "note.md"
    note.write_text("`a[1](b)` [`c[0]`](d#L1) ![e](f.svg)\n```\n[g](h)\n```\n| [`i \\| j`](k#L2), `l` | [m](n)\n")
    assert [(text, target, picture) for _, text, target, picture in links(note)] == [
        ("`c[0]`", "d#L1", False), ("e", "f.svg", True), (r"`i \| j`", "k#L2", False), ("m", "n", False)
    ]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_picture_is_also_told_in_words(path):
    for number, text, target, picture in links(path):
        if picture:
            assert text.strip(), f"{name(path)}:{number}: {target} has no text in place of the picture"
            drawing = (path.parent / target).read_text() if target.endswith(".svg") else "<title><desc>"
            assert "<title>" in drawing and "<desc>" in drawing, f"{target} has no <title>, or no <desc>"
