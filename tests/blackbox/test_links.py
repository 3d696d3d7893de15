"""Every link of the notes and the READMEs leads somewhere, and a link to a line leads to the line
it shows.

A link to a line is written [`code on that line`](../echo/poll.cpp#L57): the code in backticks
stands on that line."""

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
    """[(line number, text, target, whether it is a picture)] of a Markdown file, pieces of code
    left out."""
    label = r"(?:`[^`]*`|\\.|[^\]`\\])*"  # a bracket in backticks does not end it
    link_or_code = re.compile(rf"(!?)\[({label})\]\(([^()\s]*)\)|`[^`]*`")
    found, text = [], dict(prose(path))
    text = "\n".join(text.get(number, "") for number in range(1, max(text) + 1))
    for link in link_or_code.finditer(text):
        if link[3] is not None:
            found.append((text.count("\n", 0, link.start()) + 1, link[2], link[3], bool(link[1])))
    return found


def anchors(path):
    """The anchors that GitHub gives to the headings of a Markdown file."""
    titles = [line.lstrip("#").strip().lower() for _, line in prose(path) if re.match("#+ ", line)]
    slugs = [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles]
    return {
        slug if i == slugs.index(slug) else f"{slug}-{slugs[:i].count(slug)}"
        for i, slug in enumerate(slugs)
    }


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
        return (
            None
            if anchor in anchors(to)
            else f"has no such heading: {name(to)} has {sorted(anchors(to))}"
        )
    code = re.fullmatch("`(.+)`", text)
    if not (line := re.fullmatch(r"L(\d+)", anchor)) or not code:
        return "is to be written [`code on that line`](file#L57)"
    code, lines = code[1].replace(r"\|", "|"), to.read_text().splitlines()
    if code in "".join(lines[int(line[1]) - 1 : int(line[1])]):
        return None
    found = [number for number, text in enumerate(lines, 1) if code in text]
    return f"is not on that line, but on {found or 'none'}"


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
    assert f"[{line}]" in complaint(
        here, "`signal(SIGPIPE, SIG_IGN)`", f"../echo/iterative.cpp#L{line + 1}"
    )
    assert "none" in complaint(here, "`no such code`", "../echo/iterative.cpp#L7")
    assert "none" in complaint(here, "`no such line`", "../echo/iterative.cpp#L70000")
    assert "written" in complaint(here, "the signal", f"../echo/iterative.cpp#L{line}")
    assert "nowhere" in complaint(here, "a note", "no_such_note.md")
    assert "heading" in complaint(here, "a heading", "../README.md#no-such-heading")
    assert complaint(here, "a heading", "../README.md#the-tests") is None
    note = tmp_path / "note.md"
    note.write_text(
        "`a[1](b)` [`c[0]`](d#L1) ![e](f.svg)\n```\n[g](h)\n```\n"
        "| [`i \\| j`](k#L2), `l` | [m](n)\n"
    )
    assert [(text, target, picture) for _, text, target, picture in links(note)] == [
        ("`c[0]`", "d#L1", False), ("e", "f.svg", True), (r"`i \| j`", "k#L2", False),
        ("m", "n", False),
    ]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_picture_is_also_told_in_words(path):
    for number, text, target, picture in links(path):
        if picture:
            assert (
                text.strip()
            ), f"{name(path)}:{number}: {target} has no text in place of the picture"
            drawing = (
                (path.parent / target).read_text() if target.endswith(".svg") else "<title><desc>"
            )
            assert (
                "<title>" in drawing and "<desc>" in drawing
            ), f"{target} has no <title>, or no <desc>"


# The companion: every program has its line in the README and its note, every note has the same
# shape, and the index follows the course page.

READMES = sorted(ROOT.glob("README*.md"))
INDEXES = sorted(ROOT.glob("notes/**/README.md"))
PROGRAMS = sorted(
    f"{source.parent.name}/{source.stem}"
    for family in ("tcp", "echo", "broadcast", "unix_domain", "ntp")
    for source in ROOT.glob(f"{family}/*.cpp")
)
# The notes that a README's table of programs names. The English ones have these headings, in this
# order; others may stand between "A session" and "Seen from the kernel". What goes through no TCP
# is not on the wire. (test_languages.py holds the French ones to the English.)
HEADINGS = [
    "The calls", "A session", "Seen from the kernel", "Seen on the wire",
    "What can go wrong, and the line for it", "Exercises",
]  # fmt: skip
NO_TCP = {"unix_domain", "ntp"}
TABLE = re.findall(
    r"^\| .*\]\((notes/\w+\.md)\) \|$", (ROOT / "README.md").read_text(), re.MULTILINE
)
NOTES = sorted({ROOT / note for note in TABLE})

# The course page, "Sockets réseaux": its sections and its links. It is not ours, and not here.
SECTIONS = """
    Connexion internet
    Connexion TCP
    socket Client / serveur
    Amusons-nous avec la redirection de ports
    Une redirection de port
    Plusieurs redirection de port
    outil de connexion
    echo serveur
    mono ligne
    echo à tous serveur
    client
    web server avec socat
    bibliographie
    client serveur
    tbd
    cours web
"""
LINKS = """
    https://doc.fedora-fr.org/wiki/Netcat,_connexion_client/serveur_en_bash
    https://www.redhat.com/sysadmin/getting-started-socat
    https://www.varonis.com/blog/netcat-commands
    https://jameshfisher.com/2018/12/31/how-to-make-a-webserver-with-netcat-nc/
    https://gist.github.com/baleyko/003a089deb4f532552ef674e9ff4cea9
    https://fabianlee.org/2022/10/26/linux-socat-used-as-secure-https-web-server/
    https://stuff.mit.edu/afs/sipb/machine/penguin-lust/src/socat-1.7.1.2/EXAMPLES
    https://www.netfilter.org/documentation/HOWTO/networking-concepts-HOWTO.html
    https://beej.us/guide/bgnet/
    https://opensource.com/article/19/4/interprocess-communication-linux-networking
    https://github.com/denehs/unix-domain-socket-example/blob/master/client.c
    https://www.tala-informatique.fr/wiki/index.php/C_socket
    https://seriot.ch/projects/tiny_ntp_client.html
    https://www.nstec.com/how-to-disable-firewall-iphone-hotspot/
    https://www.youtube.com/watch?v=Ftg8fjY_YWU
    https://www.geeksforgeeks.org/how-to-kill-a-detached-screen-session-in-linux/
    https://python-guide-pt-br.readthedocs.io/fr/latest/dev/virtualenvs.html
"""


def lines_of(text):
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("readme", READMES, ids=name)
def test_every_program_has_its_line_in_the_table_and_its_note(readme, program):
    row = [line for _, line in prose(readme) if line.startswith(f"| [`{program}`]({program}.cpp)")]
    assert len(row) == 1, f"{name(readme)} has {len(row)} lines for {program}"
    [note] = re.findall(r"\]\((notes/[\w/]+\.md)\) \|$", row[0])
    assert f"build/{program}" in (ROOT / note).read_text(), f"{note} never runs build/{program}"


@pytest.mark.parametrize("note", NOTES, ids=name)
def test_every_note_has_the_same_shape(note):
    headings = [line.removeprefix("## ") for _, line in prose(note) if line.startswith("## ")]
    wanted = [h for h in HEADINGS if h != "Seen on the wire" or note.stem not in NO_TCP]
    ours = [h for h in headings if h in wanted]
    assert ours == wanted
    between = headings[headings.index("A session") : headings.index("Seen from the kernel")]
    assert [h for h in headings if h not in between] == [h for h in wanted if h not in between]
    first = note.read_text().split("\n## ")[0].split("\n\n")
    assert (
        first[0].startswith("# ")
        and re.match(r"\*.*[Pp]rograms?:\s.*\*$", first[1], re.DOTALL)
        and len(first) > 2
    )


@pytest.mark.parametrize("note", NOTES, ids=name)
def test_every_trap_has_its_line(note):
    _, _, traps = note.read_text().partition("\n## What can go wrong, and the line for it\n")
    first = note.read_text()[: -len(traps)].count("\n")
    last = first + traps.partition("\n## ")[0].count("\n")
    lines = {
        number
        for number, _, target, _ in links(note)
        if first <= number <= last and re.search(r"#L\d", target)
    }
    assert len(lines) >= 5


@pytest.mark.parametrize("section", lines_of(SECTIONS))
@pytest.mark.parametrize("index", INDEXES, ids=name)
def test_every_section_of_the_course_page_is_in_the_index(index, section):
    assert any(line == f"### {section}" or f"**{section}**" in line for _, line in prose(index))


@pytest.mark.parametrize("link", lines_of(LINKS))
@pytest.mark.parametrize("index", INDEXES, ids=name)
def test_every_link_of_the_course_page_is_in_the_index(index, link):
    assert link in index.read_text()
