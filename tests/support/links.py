#!/usr/bin/env python3
"""make links: puts right the line numbers of the links to code in the notes and the READMEs.

A link to a line is written [`code on that line`](../echo/poll.cpp#L57): the code in backticks
stands on that line. Code that has moved is looked for in the file, and where it stands once, the
link gets its line. Where it stands several times the link stays, if it leads to one of them.

A block that begins with ```cpp tcp/server.cpp (or ```python ...) is a piece of that file: the same
lines, all of them perhaps less indented; a line that is only ... stands for any lines in between.

What is left to do by hand is printed, a line for each, and makes the status 1.
"""

import difflib
import os
import re
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
LABEL = r"(?:`[^`]*`|\\.|[^\]`\\])*"  # a bracket in backticks does not end it
FENCE = "```"
LINK_OR_CODE = re.compile(rf"(!?)\[({LABEL})\]\(([^()\s]*)\)|`[^`]*`")


def pages(root=ROOT):
    return sorted(root.glob("notes/**/*.md")) + sorted(root.glob("*.md"))


def parts(text):
    """[(line, the words that its block begins with)] of a Markdown text: None for a line of prose,
    FENCE for one that begins or ends a block."""
    found, fence, words = [], None, None
    for line in text.splitlines(keepends=True):
        ticks = re.match(r" *(`{3,})([^`]*)$", line)
        if fence is None and ticks:
            fence, words = ticks[1], ticks[2].strip()
            found.append((line, FENCE))
        elif fence is not None and ticks and ticks[1] >= fence and not ticks[2].strip():
            fence, words = None, None
            found.append((line, FENCE))
        else:
            found.append((line, words))
    return found


def prose(path):
    """[(line number, line)] of a Markdown file, without its blocks of code."""
    lines = enumerate(parts(path.read_text()), 1)
    return [(number, line.rstrip("\n")) for number, (line, words) in lines if words is None]


def links_in(text):
    """The links of a Markdown text, as matches of LINK_OR_CODE; pieces of code are left out."""
    # Blanked, not removed: a place in what is left is the same place in the text.
    blanks = (line if words is None else re.sub(".", " ", line) for line, words in parts(text))
    return [link for link in LINK_OR_CODE.finditer("".join(blanks)) if link[3] is not None]


def links(path):
    """[(line number, text, target, whether it is a picture)] of a Markdown file."""
    text = path.read_text()
    return [
        (text.count("\n", 0, link.start()) + 1, link[2], link[3], bool(link[1]))
        for link in links_in(text)
    ]


def cpp_blocks(path):
    """[(line number of its fence, file, lines)] of the blocks that show a piece of a file."""
    found, before = [], None
    for number, (line, words) in enumerate(parts(path.read_text()), 1):
        if shows := re.fullmatch(r"(?:cpp|python)\s+(\S+)", words or ""):
            if before == FENCE:
                found.append((number - 1, shows[1], []))
            found[-1][2].append(line.rstrip())
        before = words
    return found


def anchors(path):
    """The anchors that GitHub gives to the headings of a Markdown file, in their order."""
    titles = [line.lstrip("#").strip().lower() for _, line in prose(path) if re.match("#+ ", line)]
    slugs = [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles]
    return [
        slug if i == slugs.index(slug) else f"{slug}-{slugs[:i].count(slug)}"
        for i, slug in enumerate(slugs)
    ]


def quoted(text):
    """The code that a link's text quotes, as it stands in the file; None if it quotes none."""
    code = re.fullmatch("`(.+)`", text)
    return code and code[1].replace(r"\|", "|")  # in a table, a | is written so


def places(code, path):
    """The numbers of the lines of a file that code stands on."""
    return [n for n, line in enumerate(path.read_text().splitlines(), 1) if code in line]


def goal(path, target):
    """(the file that a link of a page leads to, its anchor)"""
    place, _, anchor = unquote(target).partition("#")
    return (path.parent / place).resolve() if place else path, anchor


def to_line(path, text, target):
    """(file, code, line number) of a link to a line, None of another link."""
    (to, anchor), code = goal(path, target), quoted(text)
    line = re.fullmatch(r"L(\d+)", anchor)
    return (to, code, int(line[1])) if line and code and not re.match("[a-z]+:", target) else None


def elsewhere(code, root):
    """Where else code stands, when there are few such lines: it may have gone to another file."""
    folders = [f for f in root.iterdir() if f.is_dir() and f.name not in ("build", "tests")]
    files = [*root.glob("*.hpp"), *(file for f in folders for file in f.rglob("*.[ch]pp"))]
    found = [f"{file.relative_to(root)}:{n}" for file in sorted(files) for n in places(code, file)]
    return f"; {' and '.join(found)} has it" if 0 < len(found) <= 3 else ""


def complaint(path, text, target, root=ROOT):
    """What is wrong with a link of a page; None when it is right."""
    if re.match("[a-z]+:", target):
        web = target.startswith(("https://", "http://"))
        return None if web else "is neither https: nor a file"
    (to, anchor), line = goal(path, target), to_line(path, text, target)
    if not to.is_relative_to(root) or not to.exists():
        return "leads nowhere" + (elsewhere(line[1], root) if line else "")
    if not anchor:
        return None
    if to.suffix == ".md":
        ours, here = anchors(to), to.relative_to(root)
        return None if anchor in ours else f"has no such heading: {here} has {sorted(ours)}"
    if not line or not to.is_file():
        return "is to be written [`code on that line`](file#L57)"
    _, code, number = line
    if number in (lines := places(code, to)):
        return None
    if not lines:
        return f"is on no line of that file{elsewhere(code, root)}"
    return f"is not on that line, but on {' and '.join(map(str, lines))}"


def put_right(path):
    """The text of a page with the links to lines put right, where their code stands on one line;
    and how many that has changed."""
    text, changed = path.read_text(), 0
    for link in reversed(links_in(text)):  # from the end, so that the places before it stay
        if (line := to_line(path, link[2], link[3])) and line[0].is_file():
            to, code, number = line
            if len(lines := places(code, to)) == 1 and lines != [number]:
                target = link[3].partition("#")[0] + f"#L{lines[0]}"
                text = text[: link.start(3)] + target + text[link.end(3) :]
                changed += 1
    return text, changed


def runs(block):
    """The runs of lines that are between the ... of a block: [[(place in the block, line)]]"""
    found = [[]]
    for place, line in enumerate(block):
        if line.strip() == "...":
            found.append([])
        else:
            found[-1].append((place, line))
    return [run for run in found if run]


def alike(wanted, lines):
    """How many of the lines that are wanted come first among the others."""
    return [*(ours == theirs for ours, theirs in zip(wanted, lines)), False].index(False)


def misfit(block, lines):
    """None for a block that is a piece of a file, which is given as its lines. Otherwise how far
    it is one: (the place in the block where that ends, the place in the file or None)."""
    stops = []
    for indent in sorted({0} | {len(line) - len(line.lstrip()) for line in lines}):
        since = 0
        for run in runs(block):
            wanted = [" " * indent + line if line else "" for _, line in run]
            starts = range(since, len(lines))
            start = max(starts, key=lambda n: alike(wanted, lines[n:]), default=since)
            equal = alike(wanted, lines[start:])
            if equal < len(wanted):
                stops.append((run[equal][0], start + equal if equal else -1))
                break
            since = start + len(wanted)
        else:
            return None
    place, at = max(stops)
    return place, at if at >= 0 else None


def block_complaint(number, file, block, root=ROOT):
    """(line number, what is wrong) of a ```cpp block whose fence is that line; None if nothing."""
    path = (root / file).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        return number, f"```cpp {file} leads nowhere"
    block = textwrap.dedent("\n".join(block)).split("\n")
    lines = [line.rstrip() for line in path.read_text().splitlines()]
    if not runs(block):
        return number, f"```cpp {file} shows nothing"
    if (stop := misfit(block, lines)) is None:
        return None
    place, at = stop
    if at is None:  # no line above says where it should be: the one that is most like it
        inside = [line.strip() for line in lines]
        [like] = difflib.get_close_matches(block[place].strip(), inside, 1, 0) or [""]
        at = inside.index(like) if like else len(lines)
    has = f"line {at + 1} is `{lines[at].strip()}`" if at < len(lines) else "the file ends there"
    return number + 1 + place, f"```cpp {file} shows `{block[place].strip()}`, but {has}"


def complaints(path, root=ROOT):
    """What is wrong with the links and the pieces of code of a page, a line for each."""
    found = []
    for number, text, target, _ in links(path):
        if why := complaint(path, text, target, root):
            found.append((number, f"[{' '.join(text.split())}]({target}) {why}"))
    found += filter(None, (block_complaint(*block, root) for block in cpp_blocks(path)))
    return [f"{os.path.relpath(path, root)}:{number}: {what}" for number, what in sorted(found)]


def main(root=ROOT):
    moved, wrong, number = 0, [], 0
    for path in pages(root):
        text, changed = put_right(path)
        if changed:
            path.write_text(text)
        moved += changed
        wrong += complaints(path, root)
        number += sum(to_line(path, text, target) is not None for _, text, target, _ in links(path))
    for line in wrong:
        print(line)
    print(f"{number} links to lines: {moved} put right, {len(wrong)} to be mended by hand")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
