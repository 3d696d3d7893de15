#!/usr/bin/env python3
"""make read: the notes as a site, in English and French, from the Markdown that they are written in.

    python3 notes/site/build.py [FOLDER]        build/read, unless it is told another

    notes/*.md, notes/fr/*.md, README*.md ---> fr/echo.html, en/echo.html    what is read
    what they link to in the project      ---> code/tcp/web.cpp.html#L57     what is shown
    pictures/*.svg, style.css             ---> the same                      what both need

Pandoc reads the Markdown and colours the code. What is done here: where a link leads on the site,
prompts that are not copied, and the switch to the other language, which every section has. There is
no JavaScript, and every link is relative: the pages can be read as files, too.

A new note needs nothing here: it comes after those of FIRST.
"""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from posixpath import relpath
from string import Template

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "notes/site"
PICTURES = ROOT / "notes/pictures"
NIGHT, PAPER = "--page:#0d1117", "--page:#16191d"  # a ladder's dark page, and the site's (style.css)
sys.path.insert(0, str(ROOT / "tests/support"))
import links  # noqa: E402
from labels import french  # noqa: E402

# The order in which one reads; see the two ways to read in notes/README.md.
FIRST = "start echo tcp broadcast commands web forward unix_domain ntp generations errors judge see"
LAST = "speed glossary teacher"
STAMP = ".made_from"  # a file of the site: what it was made from, and when that was changed
PROGRAMS = ["tcp", "echo", "broadcast", "unix_domain", "ntp"]

WORDS = {
    "fr": dict(
        other="en", name="Français", notes="Les notes", home="Le projet", index="Le cours et ses notes",
        slides="Diapositives", book="Tout sur une page, pour y chercher un mot (Ctrl-F)",
        menu="Menu", before="Précédent", after="Suivant", here="Sur cette page",
        read="lire cette section en français", line="ligne", code="Le code", colon="\u202f: ",
    ),
    "en": dict(
        other="fr", name="English", notes="The notes", home="The project", index="The course and its notes",
        slides="Slides (in French)", book="All on one page, to look for a word (Ctrl-F)",
        menu="Menu", before="Previous", after="Next", here="On this page",
        read="read this section in English", line="line", code="The code", colon=": ",
    ),
}  # fmt: skip

# What a file is written in: by its name, or by the program that its first line names.
KINDS = {
    ".cpp": "cpp", ".hpp": "cpp", ".py": "python", ".sh": "bash", ".js": "javascript",
    ".mjs": "javascript", ".cjs": "javascript", ".html": "html", ".css": "css", ".json": "json",
    ".svg": "xml", ".patch": "diff", ".md": "markdown", "Makefile": "makefile",
    "Containerfile": "dockerfile", "sh": "bash", "bash": "bash", "python3": "python",
    "node": "javascript", ".awk": "awk",
}  # fmt: skip


def pandoc(text, *words):
    return subprocess.run(
        ["pandoc", "--to=html5", "--wrap=none", "--section-divs", *words],
        input=text,
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def in_order(names):
    """Names of notes, in the order in which they are read."""
    first, last = FIRST.split(), LAST.split()
    return (
        [name for name in first if name in names]
        + sorted(set(names) - {*first, *last})
        + [name for name in last if name in names]
    )


class Page:
    """One page of Markdown, and where it stands on the site."""

    def __init__(self, source, language, name):
        self.source, self.language, self.place = source, language, f"{language}/{name}.html"
        self.name = name
        self.text = source.read_text()

    @cached_property
    def headings(self):
        """[(level, title in HTML, anchor)], the anchors those that the Markdown has on GitHub."""
        found = re.findall(r"<h([1-6])[^>]*>(.*?)</h\1>", self.raw, re.DOTALL)
        anchors = links.anchors(self.source)
        assert len(anchors) == len(found), f"{self.source}: {len(found)} headings are not {anchors}"
        headings, above = [], []
        for (written, title), anchor in zip(found, anchors):
            above = [*(level for level in above if level < written), written]
            headings.append((len(above), title, anchor))  # no level is left out
        return headings

    @cached_property
    def title(self):
        return self.headings[0][1]

    @cached_property
    def raw(self):
        """What pandoc makes of it."""
        # Of the words after a fence pandoc keeps the first: the file that a block shows goes into an
        # attribute.
        text = re.sub(r"(?m)^( *```)(cpp|python) +(\S+)$", r"\1{.\2 file=\3}", self.text)
        return pandoc(text, "--from=gfm+attributes")


def console(text):
    """A session in HTML: the prompts are not part of what one copies. See tests/support/console.py
    for what its lines are."""
    lines, goes_on = [], False
    terminals = {*re.findall(r"(?m)^(\w+)[$] ", text)}  # no others: "ls: cannot ..." is what ls says
    for line in text.split("\n"):
        if goes_on:
            prompt, typed = re.fullmatch("(> ?)?(.*)", line).groups()
        else:
            prompt, typed, told = re.fullmatch(r"(?:(\w*[$] |\w+>(?: |$))|(\w+: ))?(.*)", line).group(
                1, 3, 2
            )
            if told and told[:-2] not in terminals:
                told, typed = None, line
            if told:
                lines.append(f'<span class="prompt">{told}</span><samp>{html.escape(typed)}</samp>')
                continue
        if prompt or goes_on:
            shown = f'<span class="prompt">{html.escape(prompt or "")}</span>'
            lines.append(f"{shown}<kbd>{html.escape(typed)}</kbd>" if typed else shown)
            goes_on = typed.endswith("\\")
        else:
            drawn = ' class="drawn"' if re.search("[─-╿]", line) else ""
            lines.append(f"<samp{drawn}>{html.escape(line)}</samp>" if line else "")
    return '<pre class="console" tabindex="0">' + "\n".join(lines) + "</pre>"


def grouped(table):
    """A table whose first column is mostly empty, without that column: what it says is a line across,
    above the rows that it is said of."""
    head, body = table.split("<tbody>")
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>.*?</td>", row, re.DOTALL) for row in rows]
    if 2 * sum(row[0] == "<td></td>" for row in cells) <= len(rows):
        return table
    lines = []
    for first, *others in cells:
        row = f'<tr>{"".join(others)}</tr>'
        if first != "<td></td>":
            said = re.sub("</?td[^>]*>", "", first)
            group = f'<tr class="group"><td colspan="{len(others)}">{said}</td></tr>'
            row = f'</tbody>\n<tbody class="start">\n{group}\n{row}\n</tbody>\n<tbody>'  # on one page
        lines.append(row)
    head = re.sub(r"<th\b[^>]*>.*?</th>", "", head, count=1, flags=re.DOTALL)
    return f"{head}<tbody>\n" + "\n".join(lines) + "\n</tbody></table>"


def laid_out(table):
    """A table with widths for its columns, by what is in them: a word is not cut where that can be
    helped, and of the rest each column gets by the root of its length. Its cells have the name of
    their column: on a phone they are below each other, and after that name if all of them are short."""
    table = grouped(table[0])
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    cells = [[html.unescape(plain(cell)) for cell in row] for row in cells]
    columns = list(zip(*(row for row in cells if len(row) == len(cells[0]))))
    # (str.split would cut a French number at its narrow spaces)
    longest = [max(len(word) for cell in column for word in re.split("[ \\n]+", cell)) for column in columns]
    least = [min(length, 14) + 1.3 for length in longest]  # a letter takes a hundredth of the width
    wish = [sum(map(len, column)) ** 0.5 for column in columns]
    short = [max(map(len, column)) <= 22 for column in columns]
    left = max(0, 100 - sum(least)) / sum(wish)
    widths = [lot + left * more for lot, more in zip(least, wish)]
    cols = "".join(f'<col style="width: {100 * width / sum(widths):.1f}%">' for width in widths)

    def row(match):
        column = iter(zip(cells[0], short) if len(cells[0]) > 2 else ())

        def named(_):
            name, is_short = next(column, ("", False))
            short_class = ' class="short"'
            return f'<td{short_class if is_short else ""} data-column="{html.escape(name)}"'

        return re.sub("<td", named, match[0])

    head, body = table.split("<tbody>", 1)
    body = re.sub(r"<tr>.*?</tr>", row, body, flags=re.DOTALL)
    many = ' class="many"' if len(columns) > 5 else ""
    return head.replace("<table>", f"<table{many}><colgroup>{cols}</colgroup>") + "<tbody>" + body


def shown_line(file, code):
    """The line of a file with which a block of it begins."""
    block = [html.unescape(re.sub("<[^>]*>", "", line)).strip() for line in code.split("\n")]
    lines = [line.strip() for line in (ROOT / file).read_text().split("\n")]
    if block[0] == "...":
        block = block[1:]
    length = block.index("...") if "..." in block else len(block)
    for start in range(len(lines)):
        if lines[start : start + length] == block[:length]:
            return start + 1
    return 1


class Site:
    def __init__(self, folder):
        self.folder = folder
        self.pages, self.order = {}, {}
        for language, readme, notes in (
            ("fr", ROOT / "README.fr.md", ROOT / "notes/fr"),
            ("en", ROOT / "README.md", ROOT / "notes"),
        ):
            pages = {"index": readme, "notes": notes / "README.md"}
            names = {path.stem for path in notes.glob("*.md")} - {"README"}
            pages |= {name: notes / f"{name}.md" for name in in_order(names)}
            self.order[language] = [Page(path, language, name) for name, path in pages.items()]
        self.slides = Page(HERE / "slides.md", "fr", "slides")
        every = [page for pages in self.order.values() for page in pages] + [self.slides]
        self.pages = {page.source: page for page in every}
        self.places = {page.place: page for page in every}
        self.told = {}  # {a file of the project: the pages that link to it}
        self.bodies, self.texts = {}, {}  # {page: its own part}, {file: its text}

    def read(self, pages):
        """Has pandoc read pages, several at a time."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda page: page.headings, pages):
                pass

    def write(self, place, text):
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    # Links

    def href(self, page, target):
        """Where a link of a page leads on the site."""
        if re.match("[a-z]+:", target):
            return target
        to, anchor = links.goal(page.source, html.unescape(target))
        if to == page.source:
            place = page.place
        elif to in self.pages:
            place = self.pages[to].place
        elif to.suffix == ".svg" and to.is_relative_to(PICTURES):
            place = f"{page.language}/pictures/{to.relative_to(PICTURES)}"
        elif to.is_relative_to(ROOT) and to.exists():
            self.told.setdefault(to, {})[page] = None
            place = code_place(to)
        else:
            raise SystemExit(f"{page.source.relative_to(ROOT)}: {target} leads nowhere")
        here = relpath(place, os.path.dirname(page.place)) if place != page.place else ""
        return html.escape(here + (f"#{anchor}" if anchor else ""))

    def other(self, page):
        """The same page in the other language."""
        return self.places.get(f"{WORDS[page.language]['other']}/{page.name}.html")

    def body(self, page, other=None):
        """The page's own part, from what pandoc made of it; with switches to another page."""
        headings = iter(page.headings)
        theirs = iter(other.headings if other else ())

        def section(match):
            level, _, anchor = next(headings)
            _, _, its = next(theirs, (0, "", ""))
            switch = self.switch(page, other, its) if level > 1 and other else ""
            return f'<section id="{anchor}" class="level{level}">{switch}<h{level}>{match[2]}</h{level}>'

        def block(match):
            file, code = match[1], match[2]
            line, words = shown_line(file, code), WORDS[page.language]
            place = relpath(code_place(ROOT / file), os.path.dirname(page.place))
            self.told.setdefault(ROOT / file, {})[page] = None
            return (
                f'<p class="file"><a href="{place}#L{line}">{file}, {words["line"]} {line}</a></p>\n'
                f'<pre tabindex="0"><code>{code}</code></pre>'
            )

        text = re.sub(r"(?m)^<!--.*?-->\n", "", page.raw)
        text = re.sub(
            r'(<a\s[^>]*?href|<img\s[^>]*?src)="([^"]*)"',
            lambda match: f'{match[1]}="{self.href(page, match[2])}"',
            text,
        )
        text = re.sub(
            r'<section\s+id="[^"]*"\s+class="level\d">\s*<h(\d)[^>]*>(.*?)</h\1>',
            section,
            text,
            flags=re.DOTALL,
        )
        text = re.sub(
            r'<pre class="console"><code>(.*?)</code></pre>',
            lambda match: console(html.unescape(match[1])),
            text,
            flags=re.DOTALL,
        )
        text = re.sub(r'<a href="#cb[^"]*"[^>]*></a>', "", text)
        text = re.sub(r'<span id="cb[\d-]+">(.*?)</span>(?=\n|</code>)', r"\1", text)
        text = re.sub(
            r'<div class="sourceCode"[^>]*data-file="([^"]*)"><pre[^>]*><code[^>]*>(.*?)</code></pre></div>',
            block,
            text,
            flags=re.DOTALL,
        )
        text = re.sub(r'<div class="sourceCode"[^>]*>(<pre.*?</pre>)</div>', r"\1", text, flags=re.DOTALL)
        text = re.sub(r'<pre(?! class="console")[^>]*>', '<pre tabindex="0">', text)
        text = re.sub(r"<p>(<img[^>]*>)</p>", r'<p class="picture" tabindex="0">\1</p>', text)
        text = text.replace("<table>", '<div class="scroll" tabindex="0"><table>')
        text = text.replace("</table>", "</table></div>")
        text = re.sub(r"<th[^>]*></th>", "<td></td>", text)
        text = re.sub(r'<tr class="\w+">', "<tr>", text)
        return re.sub(r"<table>.*?</table>", laid_out, text, flags=re.DOTALL)

    def switch(self, page, other, anchor=""):
        words = WORDS[other.language]
        href = relpath(other.place, os.path.dirname(page.place)) + (f"#{anchor}" if anchor else "")
        label = f' aria-label="{words["name"]}{words["colon"]}{words["read"]}"' if anchor else ""
        return (
            f'<a class="switch" lang="{other.language}" hreflang="{other.language}"'
            f' href="{html.escape(href)}"{label}>{words["name"]}</a>'
        )

    # Pages

    def menu(self, language, place):
        """The list of what there is, on the left; the sections of the page where one is."""
        words, here = WORDS[language], os.path.dirname(place)

        def item(to, text, inside=""):
            current = ' aria-current="page"' if to == place else ""
            return f'<li><a href="{relpath(to, here)}"{current}>{text}</a>{inside}</li>'

        lines = []
        for page in self.order[language]:
            inside = ""
            if page.place == place:
                entries = "".join(
                    f'<li><a href="#{anchor}">{plain(title)}</a></li>'
                    for level, title, anchor in page.headings
                    if level == 2
                )
                inside = f"<ul>{entries}</ul>" if entries else ""
            title = {"index": words["home"], "notes": words["index"]}.get(page.name, page.title)
            lines.append(item(page.place, plain(title), inside))
        more = [
            item(f"{language}/book.html", words["book"]),
            item("code/index.html", words["code"]),
        ]
        more.append(item("fr/slides.html", words["slides"]))
        return f'<ol>{"".join(lines)}</ol><ul>{"".join(more)}</ul>'

    def page(self, place, language, title, body, switch="", before=None, after=None, kind="note"):
        """Writes a page with all that is around it."""
        words, here = WORDS[language], os.path.dirname(place)
        steps = "".join(
            f'<a rel="{rel}" href="{relpath(page.place, here)}"'
            f' aria-label="{words[which]}{words["colon"]}{html.escape(plain(page.title))}">{sign}</a>'
            for rel, which, sign, page in (
                ("prev", "before", "←", before),
                ("next", "after", "→", after),
            )
            if page
        )
        end = "".join(
            f'<a rel="{rel}" href="{relpath(page.place, here)}">{words[which]}<br><b>{plain(page.title)}</b></a>'
            for rel, which, page in (("prev", "before", before), ("next", "after", after))
            if page
        )
        self.write(
            place,
            Template((HERE / "page.html").read_text()).substitute(
                language=language,
                title=plain(title),
                root=relpath(".", here),
                home=relpath(f"{language}/index.html", here),
                kind=kind,
                steps=steps,
                switch=switch,
                body=body,
                end=f'<p class="end">{end}</p>' if end else "",
                menu=self.menu(language, place),
                words_menu=words["menu"],
                words_notes=words["notes"],
            ),
        )

    def notes(self):
        for language, pages in self.order.items():
            for number, page in enumerate(pages):
                other = self.other(page)
                self.bodies[page] = self.body(page, other)
                self.page(
                    page.place,
                    language,
                    page.title,
                    self.bodies[page],
                    switch=self.switch(page, other) if other else "",
                    before=pages[number - 1] if number else None,
                    after=pages[number + 1] if number + 1 < len(pages) else None,
                )

    def book(self, language, pages):
        """Notes on one page: what one looks for a word in, and what is printed."""
        parts = []
        for page in pages:

            def anchor(match, page=page):
                before, target = match.groups()
                to, _, place = target.partition("#")
                there = self.places.get(f"{language}/{to}") if to else page
                if there not in pages:
                    return match[0]
                return f'{before}"#{there.name}{"." + place if place else ""}"'

            text = re.sub(r'<a class="switch".*?</a>', "", self.bodies[page], flags=re.DOTALL)
            text = re.sub(r'(<a\s[^>]*?href=)"([^":]*)"', anchor, text)
            text = re.sub(r' id="([^"]*)"', rf' id="{page.name}.\1"', text)
            for level in range(5, 0, -1):  # one title for all
                text = re.sub(rf"(</?)h{level}\b", rf"\1h{level + 1}", text)
            parts.append(f'<div class="part" id="{page.name}">{text}</div>')
        return "\n".join(parts)

    def books(self):
        for language, words in WORDS.items():
            other = WORDS[words["other"]]
            switch = (
                f'<a class="switch" lang="{words["other"]}" hreflang="{words["other"]}"'
                f' href="../{words["other"]}/book.html">{other["name"]}</a>'
            )
            contents = "".join(
                f'<li><a href="#{page.name}">{plain(page.title)}</a></li>'
                for page in self.order[language]
            )
            body = f'<h1>socklab</h1><ol class="contents">{contents}</ol>{self.book(language, self.order[language])}'
            self.page(f"{language}/book.html", language, words["book"], body, switch, kind="note book")

    def door(self):
        """What / leads to: which language?"""
        shutil.copy(HERE / "door.html", self.folder / "index.html")

    def show(self):
        """The slides: a section each, as high as the screen, which the space bar turns over."""
        titles = [title for level, title, _ in self.slides.headings if level == 2]
        text = re.sub(r"<section[^>]*>|</section>", "", self.body(self.slides))
        intro, *slides = re.split("(?=<h2>)", text)
        parts = []
        for number, slide in enumerate(slides, 1):
            turn = "".join(
                f'<a rel="{rel}" href="#d{to}" aria-label="{words} : {plain(titles[to - 1])}">{sign}</a>'
                for rel, to, words, sign in (
                    ("prev", number - 1, "Précédente", "←"),
                    ("next", number + 1, "Suivante", "→"),
                )
                if 1 <= to <= len(slides)
            )
            picture = re.search(r'src="pictures/([\w-]+\.svg)"', slide)
            kind = f"slide {shape(picture[1])}" if picture else "slide"
            parts.append(
                f'<section class="{kind}" id="d{number}">{slide}'
                f'<p class="turn"><a href="index.html">socklab</a> {turn} {number} / {len(slides)}</p></section>'
            )
        template = Template((HERE / "slides.html").read_text())
        self.write("fr/slides.html", template.substitute(
            title=plain(self.slides.title), body=intro + "\n".join(parts)))  # fmt: skip

    def pictures(self):
        for language in WORDS:
            for picture, svg in pictures(language):
                self.write(f"{language}/pictures/{picture}", svg)
        shutil.copy(ROOT / "tcp/www/icon.svg", self.folder / "icon.svg")
        shutil.copy(HERE / "style.css", self.folder / "style.css")

    # Code

    def code(self):
        """A page for each file that is linked to, and for all that is beside the programs."""
        shown = {*self.told, *(ROOT / name for name in PROGRAMS), *ROOT.glob("*.hpp"), ROOT / "Makefile"}
        files = {file for path in shown for file in ([path] if path.is_file() else path.rglob("*"))}
        texts = self.texts
        for file in sorted(files):
            if file.is_file() and shows(file) and (text := text_of(file)) is not None:
                texts[file] = text
        coloured = dict(zip(texts, colour(texts)))
        for file, text in coloured.items():
            self.code_page(file, f'<pre class="lines" tabindex="0"><code>{self.included(file, text, texts)}</code></pre>')
        for folder in {parent for file in texts for parent in file.parents if parent.is_relative_to(ROOT)}:
            entries = sorted(
                {path for path in texts if path.parent == folder}
                | {path for path in folder.iterdir() if path.is_dir() and any(path in f.parents for f in texts)},
                key=lambda path: (path.is_file(), path.name),
            )
            here = os.path.dirname(code_place(folder))
            items = "".join(
                f'<li><a href="{relpath(code_place(path), here)}">{path.name}{"/" if path.is_dir() else ""}</a></li>'
                for path in entries
            )
            self.code_page(folder, f'<ul class="files">{items}</ul>')

    def included(self, file, text, texts):
        """The names of our own headers, as links."""

        def link(match):
            to = (file.parent / match[1]).resolve()
            if to not in texts:
                return match[0]
            place = relpath(code_place(to), os.path.dirname(code_place(file)))
            return f'<a href="{place}">{match[0]}</a>'

        return re.sub(r"&quot;([\w./]+\.hpp)&quot;", link, text) if file.suffix in (".cpp", ".hpp") else text

    def code_page(self, file, body):
        place = code_place(file)
        here = os.path.dirname(place)
        crumbs, names = [], file.relative_to(ROOT).parts
        crumbs.append(f'<a href="{relpath("code/index.html", here)}">socklab</a>' if names else "socklab")
        for depth, name in enumerate(names, 1):
            to = code_place(ROOT.joinpath(*names[:depth]))
            crumbs.append(name if depth == len(names) else f'<a href="{relpath(to, here)}">{name}</a>')
        told = ""
        for language in WORDS:
            pages = [page for page in self.told.get(file, ()) if page.language == language]
            words = WORDS[language]
            entries = ", ".join(
                f'<a href="{relpath(page.place, here)}">{plain(page.title)}</a>'
                for page in sorted(pages, key=self.order[language].index)
            )
            if entries:
                told += f'<p class="told" lang="{language}">{words["notes"]}{words["colon"]}{entries}</p>'
        switch = "".join(
            f'<a class="language" lang="{language}" hreflang="{language}"'
            f' href="{relpath(f"{language}/index.html", here)}">{words["name"]}</a>'
            for language, words in WORDS.items()
        )
        title = "/".join(("socklab", *names))
        heading = f'<h1>{" / ".join(crumbs)}</h1>'
        self.page(place, "en", title, heading + told + body, switch, kind="code")

    def build(self):
        self.read(self.pages.values())
        self.notes()
        self.books()
        self.door()
        self.show()
        self.pictures()
        self.code()

    def sources(self):
        """{file: when it was changed} of all that the site is made from."""
        found = {*self.told, *self.texts, *HERE.iterdir(), *PICTURES.rglob("*.svg"), *markdown()}
        return {str(file): file.stat().st_mtime_ns for file in sorted(found) if file.is_file()}


def markdown():
    return {*ROOT.glob("README*.md"), *ROOT.glob("notes/*.md"), *ROOT.glob("notes/fr/*.md")}


def is_new(folder):
    """Whether the site was made from what there is now."""
    stamp = folder / STAMP
    made_from = json.loads(stamp.read_text()) if stamp.exists() else {}
    return {*map(str, markdown())} <= {*made_from} and all(
        Path(file).exists() and Path(file).stat().st_mtime_ns == time
        for file, time in made_from.items()
    )


def plain(title):
    """A title without its marks, as HTML."""
    return re.sub("<[^>]*>", "", title)


def code_place(path):
    """Where a file or a folder of the project is shown on the site."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        return "code/index.html" if name == "." else f"code/{name}/index.html"
    return f"code/{name}.html"


def shows(path):
    """What starts with a dot is nobody's business, tcp/web's neither; nor what was built."""
    parts = path.relative_to(ROOT).parts
    return not any(part.startswith((".", "__pycache__")) for part in parts) and "build" not in parts[:1]


def text_of(file):
    try:
        return file.read_text()
    except (UnicodeDecodeError, FileNotFoundError):
        return None  # no text, or gone meanwhile


def kind_of(file, text):
    named = KINDS.get(file.name) or KINDS.get(file.suffix)
    program = re.match(r"#!.*?(\w+)\n", text)
    return named or KINDS.get(program and program[1], "default")


def colour(texts):
    """The files, in HTML: each line in a span with the anchor L57. One call of pandoc for all."""
    blocks = [
        {"t": "CodeBlock", "c": [["", [kind_of(file, text), "numberLines"], []], text.rstrip("\n")]}
        for file, text in texts.items()
    ]
    document = {"pandoc-api-version": api_version(), "meta": {}, "blocks": blocks}
    parts = re.findall(
        r"<pre\s[^>]*><code[^>]*>(.*?)</code></pre>",
        pandoc(json.dumps(document), "--from=json"),
        re.DOTALL,
    )
    assert len(parts) == len(texts)
    return [
        re.sub(
            r'<span id="cb\d+-(\d+)"><a href="#cb[^"]*"[^>]*></a>',
            r'<span class="line" id="L\1"><a href="#L\1" aria-hidden="true" tabindex="-1"></a>',
            part,
        )
        for part in parts
    ]


def api_version():
    return json.loads(pandoc("", "--to=json"))["pandoc-api-version"]


def pictures(language, ink=None):
    """[(its place below pictures, what is drawn)] of a language. The ladders have their own colours
    and their own French: make see NOTES=1."""
    for picture in sorted(PICTURES.glob("*.svg")):
        yield picture.relative_to(PICTURES), drawn(picture.read_text(), language, ink)
    for picture in sorted(PICTURES.glob("see/*.svg")):
        if picture.name.endswith(".fr.svg") == (language == "fr"):
            svg = picture.read_text()
            yield picture.relative_to(PICTURES), by_day(svg) if ink else svg.replace(NIGHT, PAPER)


def by_day(svg):
    """A ladder in the colours that it has on white, each written where it is used: rsvg-convert knows no var()."""
    colours = dict(re.findall(r"--([\w-]+):(#\w+)", svg.partition("@media")[0]))
    return re.sub(r"var\(--([\w-]+)\)", lambda match: colours[match[1]], svg)


def drawn(svg, language, ink=None):
    """A picture in a language, in one ink, or in one that can be read by day and by night."""
    if language == "fr":
        svg = re.sub(
            r"(<t(?:ext|span)\b[^>]*>)([^<]+)(</t)",
            lambda match: match[1] + html.escape(french(html.unescape(match[2])), False) + match[3],
            svg,
        )
    if not ink:
        style = (
            "<style>:root{color:#444}"
            "@media (prefers-color-scheme:dark){:root{color:#c8ccd2}}</style>"
        )
        svg = re.sub(r"(<svg[^>]*>)", rf"\1{style}", svg, count=1)
    return svg.replace("#7a7a7a", ink or "currentColor")


def shape(picture):
    """Whether there is more room beside a picture or below it."""
    box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', (ROOT / "notes/pictures" / picture).read_text())
    return "wide" if float(box[1]) > 1.7 * float(box[2]) else "tall"


def make(folder):
    """Builds the site, unless it is there and nothing has changed."""
    if is_new(folder):
        return
    if not shutil.which("pandoc"):
        raise SystemExit("pandoc is missing: install the package pandoc (apt install pandoc)")
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    site = Site(unfinished)
    site.build()
    (unfinished / STAMP).write_text(json.dumps(site.sources()))
    folder.mkdir(parents=True, exist_ok=True)  # the same as before: a server may have it open
    for old in folder.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for made in unfinished.iterdir():
        made.rename(folder / made.name)
    unfinished.rmdir()


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / "build/read")
