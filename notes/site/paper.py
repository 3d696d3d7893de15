#!/usr/bin/env python3
"""make print: the notes as a book to print, one for each language, with a table of contents:
build/print/socklab.fr.pdf and socklab.en.pdf.

    python3 notes/site/paper.py              both
    python3 notes/site/paper.py fr start tcp one, of two notes: socklab.fr.start.tcp.pdf

Made by WeasyPrint from the pages of the site, with paper.css: it numbers pages, and puts the page
beside a link to another note, and the address of a link to elsewhere at the foot.
"""

import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build import HERE, PICTURES, ROOT, WORDS, Site, pictures, plain
from packages import PACKAGES  # build has put its place on the path

TITLES = {
    "fr": ("socklab", "De petits programmes réseau en C++, et leurs notes", "Table des matières"),
    "en": ("socklab", "Small network programs in C++, and their notes", "Contents"),
}
ASKED = ["teacher"]  # printed if it is asked for: it has the answers, and the book is for the room
TOOLS = ["pandoc", "weasyprint", "rsvg-convert"]


def contents(pages):
    """The table of contents: notes and their sections. The page numbers are paper.css's work."""
    lines = []
    for page in pages:
        lines.append(f'<li><a href="#{page.name}">{plain(page.title)}</a><ol>')
        for level, title, anchor in page.headings:
            if level == 2:
                lines.append(f'<li><a href="#{page.name}.{anchor}">{plain(title)}</a></li>')
        lines.append("</ol></li>")
    return f'<ol>{"".join(lines)}</ol>'


def footnotes(text):
    """The address of a link to elsewhere, once, unless the text of the link says it already."""

    def noted(match):
        address = html.unescape(match[1])
        if address in html.unescape(match[2]):
            return match[0]
        shown = html.escape(re.sub("^https?://", "", address).rstrip("/"))
        return f'{match[0]}<span class="foot">{shown}</span>'

    return re.sub(r'<a href="(https?://[^"]*)"[^>]*>(.*?)</a>', noted, text, flags=re.DOTALL)


def strips(picture):
    """A ladder that is high, as a table: its pages may end between two of its rows, which are 19 high,
    and each begins with the names of the columns."""
    name = picture[1]
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', (PICTURES / f"{name}.svg").read_text()).groups())
    if height < 600:
        return picture[0]

    def strip(above, below):
        part = f"0 {-above * 0.54:.2f}pt / {width * 0.54:.2f}pt {height * 0.54:.2f}pt"
        style = f"height: {(below - above) * 0.54:.2f}pt; background: url(pictures/{name}.png) {part} no-repeat"
        return f'<tr><td><div style="{style}"></div></td></tr>'

    ends = [0, 34, *range(34 + 19 * 12, height - 160, 19 * 4), height]
    head, *rows = map(strip, ends, ends[1:])
    return f'<table class="ladder"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def chosen(site, language, names):
    """The pages that are printed."""
    return [page for page in site.order[language] if (page.name in names if names else page.name not in ASKED)]


def book(site, language, names):
    """The HTML that is printed."""
    pages = chosen(site, language, names)
    site.read(pages)
    for page in pages:
        site.bodies[page] = site.body(page)
    body = site.book(language, pages)
    body = re.sub(r'<a href="(?!#|https?:)[^"]*"[^>]*>(.*?)</a>', r"\1", body, flags=re.DOTALL)
    body = re.sub(r'<a href="(#[^"]*)"', r'<a class="inside" href="\1"', body)
    body = re.sub(r'<p class="picture"[^>]*><img[^>]*src="pictures/(see/[\w.-]+)\.svg"[^>]*></p>', strips, body)
    body = re.sub(r'src="(pictures/[\w./-]+)\.svg"', r'src="\1.png"', body)
    # WeasyPrint counts from 1, whatever a list starts with.
    body = re.sub(
        r'<ol start="(\d+)"', lambda m: f'<ol style="counter-reset: list-item {int(m[1]) - 1}"', body
    )
    title, subtitle, table = TITLES[language]
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<link rel="stylesheet" href="{(HERE / "paper.css").as_uri()}"></head><body>'
        f'<div class="cover"><h1>{title}</h1><p>{subtitle}</p></div>'
        f'<div class="contents"><h2>{table}</h2>{contents(pages)}</div>'
        f"{footnotes(body)}</body></html>"
    )


def main(words):
    language, *names = words or [""]
    if missing := [PACKAGES[tool] for tool in TOOLS if not shutil.which(tool)]:
        raise SystemExit(f"not all of the tools are here: apt install {' '.join(missing)}")
    out = ROOT / "build/print"
    out.mkdir(parents=True, exist_ok=True)
    for language in [language] if language else WORDS:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "pictures/see").mkdir(parents=True)
            for picture, svg in pictures(language, "#444"):
                # WeasyPrint knows no arrow heads.
                subprocess.run(
                    ["rsvg-convert", "--zoom=3", "-o", place / "pictures" / picture.with_suffix(".png")],
                    input=svg.encode(),
                    check=True,
                )
            (place / "book.html").write_text(book(Site(place), language, names))
            pdf = out / ".".join(["socklab", language, *names, "pdf"])
            unfinished = out / f"{place.name}.pdf"
            subprocess.run(["weasyprint", "-q", place / "book.html", unfinished], check=True)
            unfinished.replace(pdf)  # whoever reads it has all of it
            print(pdf.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
