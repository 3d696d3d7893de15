"""The spaces and the numbers of French prose in Markdown: what stands in the way of a page, a line
for each place. Code, in blocks and in sentences, the targets of links, HTML and the lines that
separate a table's head from its body are not prose."""

import re

from links import parts

NARROW, WIDE = "\u202f", "\u00a0"  # spaces at which no line ends
SPACE = rf"(?:[ {WIDE}]+\n? *|\n *)"  # an ordinary one, where a line of the text may end
UNIT = r"(?:[nµm]?s|[KMG]io|[kKMG]o|[KMG]bit/s|Hz|h|min|%)(?![\w'’-])"
INLINE = (
    r"(?s)<!--.*?-->",
    r"(?s)(`+)(?!`)(?:(?!\n *\n).)+?(?<!`)\1(?!`)",  # a `piece` that a paragraph's end ends too
    r"(?<=\])\([^()\s]*\)",
    r"<[a-zA-Z/][^<>]*>",
    r"&#?\w+;",
    r"https?://[^\s)>]+",
)
MISPRINTS = {
    f"an ordinary space before {what}": rf"(?<=\S){SPACE}{sign}"
    for what, sign in {
        "; ! ? or »": r"(?:[;?»]|!(?!\[))",
        ":": r":(?=[\s*_)»]|\Z)",
    }.items()
} | {
    "no space before ; ! ? or »": rf"(?<![\s{NARROW}!?|])(?:[;?»]|!(?!\[))",
    "no space before :": rf"(?<![\s{NARROW}:|]):(?=[\s*_)»]|\Z)",
    "no narrow space after «": rf"«(?!{NARROW})",
    "a comma between thousands": r"(?<![\w.,])[1-9]\d{0,2}(?:,\d{3})+(?![\w,])",
    "a space between thousands at which a line may end": r"(?<![\w.,])\d{1,3}[ \n]\d{3}(?![\w,])",
    "a decimal point": rf"(?<![\w.,])\d+\.\d+(?=\s*(?:{UNIT}|fois\b))|(?<=\| )\d+\.\d+(?= \|)",
    "a number parted from its unit": rf"\d[ \n]+{UNIT}",
}


def masked(text):
    """A Markdown text of the same length, where what is not prose is all x."""
    kept = []
    for line, words in parts(text):
        separator = re.fullmatch(r"[| :-]*\|[| :-]*\n?", line)
        kept.append(line if words is None and not separator else re.sub(r"[^\n]", "x", line))
    text = "".join(kept)
    for inline in INLINE:
        text = re.sub(inline, lambda m: re.sub(r"[^\n]", "x", m[0]), text)
    return text


def misprints(text):
    """[(line number, what is wrong, the words around it)], in order."""
    prose, found = masked(text), []
    for what, wrong in MISPRINTS.items():
        for place in re.finditer(wrong, prose):
            around = text[max(0, place.start() - 30) : place.end() + 10]
            found.append((text.count("\n", 0, place.end()) + 1, what, " ".join(around.split(" "))))
    return sorted(found)
