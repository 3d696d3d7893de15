"""Every link of the notes and the READMEs leads somewhere, a link to a line leads to the line that
it shows, and a block that shows a piece of a file is one. (tests/support/links.py says how both are
written, and `make links` puts the numbers of the lines right.)"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from harness import ROOT
from links import complaint, complaints, links, main, pages, prose

FILES = pages()


def name(path):
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_link_leads_to_what_it_names(path):
    wrong = complaints(path)
    assert not wrong, "make links puts right what it can:\n" + "\n".join(wrong)


def test_a_link_that_is_wrong_is_told_from_one_that_is_right(tmp_path):
    here, code, file = ROOT / "notes/any.md", "`signal(SIGPIPE, SIG_IGN)`", "../echo/iterative.cpp"
    iterative = (ROOT / "echo/iterative.cpp").read_text().splitlines()
    line = next(n for n, text in enumerate(iterative, 1) if code.strip("`") in text)
    assert complaint(here, code, f"{file}#L{line}") is None
    assert complaint(here, code, f"{file}#L{line + 1}").endswith(f"but on {line}")
    assert "no line" in complaint(here, "`no such code`", f"{file}#L7")
    assert "no line" in complaint(here, "`no such line`", f"{file}#L70000")
    assert "not on that line" in complaint(here, code, f"{file}#L0")
    assert "written" in complaint(here, "the signal", f"{file}#L{line}")
    assert "written" in complaint(here, code, f"../echo#L{line}")
    assert "nowhere" in complaint(here, "a note", "no_such_note.md")
    assert "nowhere" in complaint(here, "a file outside", "../../any.md")
    assert "neither" in complaint(here, "a page", "ftp://example.org/")
    assert "heading" in complaint(here, "a heading", "../README.md#no-such-heading")
    assert complaint(here, "a heading", "../README.md#the-tests") is None
    note = tmp_path / "note.md"
    note.write_text(
        "`a[1](b)` [`c[0]`](d#L1) ![e](f.svg)\n```\n[g](h)\n```\n"
        "| [`i \\| j`](k#L2), `l` | [m](n)\n"
        "1. o\n\n   ````md\n   ```\n   [p](q)\n   ```\n   ````\n[r](s)\n"
    )
    assert links(note) == [
        (1, "`c[0]`", "d#L1", False), (1, "e", "f.svg", True), (5, r"`i \| j`", "k#L2", False),
        (5, "m", "n", False), (13, "r", "s", False),
    ]  # fmt: skip


CODE = """#include "fd.hpp"

int main() {
    const Fd fd = open();
    while (read(fd) || again()) {
        send(fd);
    }
    send(fd);

    return 0;
}
"""


@pytest.fixture
def tree(tmp_path, capsys):
    """tree(note, ...) writes notes/a.md and the others that are named, and returns (the status of
    `make links` there, the lines that it prints); tree.text(page) is what a page is afterwards."""
    (tmp_path / "tcp").mkdir()
    (tmp_path / "notes/fr").mkdir(parents=True)
    (tmp_path / "tcp/server.cpp").write_text(CODE)

    def tree(note="", **pages):
        for page, text in {"notes/a.md": note, **pages}.items():
            (tmp_path / page).write_text(text)
        status = main(tmp_path)
        return status, capsys.readouterr().out.splitlines()

    tree.text = lambda page="notes/a.md": (tmp_path / page).read_text()
    tree.root = tmp_path
    return tree


def test_links_follow_code_that_has_moved_in_both_languages(tree):
    note = "- [`open()`](../tcp/server.cpp#L4), [`return 0;`](../tcp/server.cpp#L2): é.\n"
    french = "[`return 0;`](../../tcp/server.cpp#L3) et [`open()`](../../tcp/server.cpp#L70000).\n"
    readme = "[`open()`](tcp/server.cpp#L9)\n"
    others = {"notes/fr/a.md": french, "README.md": readme}
    assert tree(note, **others) == (0, ["5 links to lines: 4 put right, 0 to be mended by hand"])
    assert tree.text() == note.replace("L2", "L10")
    assert tree.text("notes/fr/a.md") == french.replace("L3", "L10").replace("L70000", "L4")
    assert tree.text("README.md") == readme.replace("L9", "L4")


def test_a_page_that_is_right_is_not_written(tree):
    note = "[`open()`](../tcp/server.cpp#L3)\n"
    assert tree(note)[1] == ["1 links to lines: 1 put right, 0 to be mended by hand"]
    os.utime(tree.root / "notes/a.md", (0, 0))
    assert main(tree.root) == 0
    assert (tree.root / "notes/a.md").stat().st_mtime == 0


def test_a_link_to_code_that_is_gone_is_told(tree):
    (tree.root / "fd.hpp").write_text("// Fd\nclass Fd;\n")
    note = "\n[`close(fd)`](../tcp/server.cpp#L4)\n[`class Fd`](../tcp/fd.hpp#L2)\n"
    assert tree(note) == (1, [
        "notes/a.md:2: [`close(fd)`](../tcp/server.cpp#L4) is on no line of that file",
        "notes/a.md:3: [`class Fd`](../tcp/fd.hpp#L2) leads nowhere; fd.hpp:2 has it",
        "2 links to lines: 0 put right, 2 to be mended by hand",
    ])  # fmt: skip
    assert tree.text() == note


def test_a_link_to_code_that_stands_twice_stays_or_is_told(tree):
    assert tree("[`send(fd);`](../tcp/server.cpp#L8)")[0] == 0
    assert tree.text() == "[`send(fd);`](../tcp/server.cpp#L8)"
    note = "[`send(fd);`](../tcp/server.cpp#L7)"
    why = f"notes/a.md:1: {note} is not on that line, but on 6 and 8"
    assert tree(note) == (1, [why, "1 links to lines: 0 put right, 1 to be mended by hand"])
    assert tree.text() == note


def test_a_link_in_a_table_quotes_a_bar_with_a_backslash(tree):
    note = "| a | b |\n| --- | --- |\n| c | [`read(fd) \\|\\| again()`](../tcp/server.cpp#L1) |\n"
    assert tree(note)[0] == 0
    assert tree.text() == note.replace("#L1", "#L5")


def test_what_is_only_shown_is_left_alone(tree):
    note = "`[`open()`](../tcp/server.cpp#L1)`\n\n```\n[`open()`](../tcp/server.cpp#L1)\n```\n"
    assert tree(note) == (0, ["0 links to lines: 0 put right, 0 to be mended by hand"])
    assert tree.text() == note


@pytest.mark.parametrize(
    "piece",
    [
        "int main() {\n    const Fd fd = open();",
        "const Fd fd = open();\nwhile (read(fd) || again()) {\n    send(fd);",  # less indented
        "   while (read(fd) || again()) {\n       send(fd);",  # as in a list
        "int main() {\n...\n    send(fd);\n\n    return 0;\n}",  # the second send
        "    ...\n    send(fd);\n...\nsend(fd);\n...",
        CODE.rstrip(),
    ],
)
def test_a_block_that_is_a_piece_of_a_file_is_right(tree, piece):
    assert tree(f"```cpp tcp/server.cpp\n{piece}\n```\n")[1][:-1] == []
    assert tree(textwrap.indent(f"1. a\n```cpp tcp/server.cpp\n{piece}\n```\n", "   "))[0] == 0


@pytest.mark.parametrize(
    "piece, line, shows, has",
    [
        ("int main() {\n    const Fd fd = get();", 3, "const Fd fd = get();",
         "line 4 is `const Fd fd = open();`"),
        ("    send(fd);\n    return 0;", 3, "return 0;", "line 9 is ``"),
        ("    send(fd);\n\n    return 0;\n}\n}", 6, "}", "the file ends there"),
        ("const Fd fd = opened();", 2, "const Fd fd = opened();",
         "line 4 is `const Fd fd = open();`"),
        ("return 0;\n...\nsend(fd);", 4, "send(fd);", "line 6 is `send(fd);`"),  # not that order
        ("int main() {\nconst Fd fd = open();", 3, "const Fd fd = open();",
         "line 4 is `const Fd fd = open();`"),  # not so far in
    ],
)  # fmt: skip
def test_a_block_that_is_no_piece_of_a_file_any_more_is_told(tree, piece, line, shows, has):
    status, said = tree(f"```cpp tcp/server.cpp\n{piece}\n```\n")
    where = f"notes/a.md:{line}: ```cpp tcp/server.cpp shows `{shows}`, but {has}"
    assert (status, said) == (1, [where, "0 links to lines: 0 put right, 1 to be mended by hand"])


@pytest.mark.parametrize(
    "block, why",
    [
        ("```cpp tcp/client.cpp\nint main() {\n```", "1: ```cpp tcp/client.cpp leads nowhere"),
        ("```cpp ../a.cpp\nint main() {\n```", "1: ```cpp ../a.cpp leads nowhere"),
        ("```cpp tcp/server.cpp\n...\n```", "1: ```cpp tcp/server.cpp shows nothing"),
    ],
)
def test_a_block_that_shows_nothing_is_told(tree, block, why):
    assert tree(block)[1][0] == f"notes/a.md:{why}"
    assert tree(f"```cpp\nint x;\n```\n{block}")[0] == 1  # what says no file is no piece of one


def test_make_links_does_it(tree):
    (tree.root / "tests/support").mkdir(parents=True)
    for file in ("Makefile", "tests/support/links.py"):
        shutil.copy2(ROOT / file, tree.root / file)
    note = "[`open()`](tcp/server.cpp#L1) [`gone`](tcp/server.cpp#L1)"
    (tree.root / "README.md").write_text(note)
    make = ["make", "-s", "links", f"PYTHON={sys.executable}"]
    run = subprocess.run(make, cwd=tree.root, capture_output=True, text=True)
    assert run.stdout == (
        "README.md:1: [`gone`](tcp/server.cpp#L1) is on no line of that file\n"
        "2 links to lines: 1 put right, 1 to be mended by hand\n"
    )
    assert run.returncode == 2  # make's, for what has failed
    assert "#L4" in tree.text("README.md")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_picture_is_also_told_in_words(path):
    for number, text, target, picture in links(path):
        if picture:
            assert text.strip(), f"{name(path)}:{number}: {target} is not told in words"
            svg = target.endswith(".svg")
            drawing = (path.parent / target).read_text() if svg else "<title><desc>"
            for words in ("title", "desc"):
                assert re.search(f"<{words}[ >]", drawing), f"{target} has no {words}"


# The companion: every program has its line in the README and its note, every note has the same
# shape. (That the index follows the course page is held by test_index.py.)

READMES = sorted(ROOT.glob("README*.md"))
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
README = (ROOT / "README.md").read_text()
TABLE = re.findall(r"^\| .*\]\((notes/\w+\.md)\) \|$", README, re.MULTILINE)
NOTES = sorted({ROOT / note for note in TABLE})


@pytest.mark.parametrize("page", FILES, ids=name)
def test_what_is_said_beside_a_command_is_a_comment(page):
    """A first reader copies the whole line: `make run   needs a compiler` is no command."""
    for block in re.findall(r"(?ms)^```(?:sh)?\n(.*?)^```$", page.read_text()):
        assert not re.findall(r"(?m)^(?:make |tests/|build/|    -- ).*\S {2,}(?!#)\S", block)


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
    assert first[0].startswith("# ") and len(first) > 2
    assert re.match(r"\*.*[Pp]rograms?:\s.*\*$", first[1], re.DOTALL)


@pytest.mark.parametrize("note", NOTES, ids=name)
def test_every_trap_has_its_line(note):
    _, _, traps = note.read_text().partition("\n## What can go wrong, and the line for it\n")
    first = note.read_text()[: -len(traps)].count("\n")
    last = first + traps.partition("\n## ")[0].count("\n")
    lines = {number for number, _, target, _ in links(note) if re.search(r"#L\d", target)}
    assert len([number for number in lines if first <= number <= last]) >= 5
