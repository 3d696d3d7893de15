"""The page of a class: one file of HTML, without anything from elsewhere; readable on a phone,
and in print."""

import re
from html import escape

import words
from places import quoted
from words import Say, number

STYLE = """
:root {
  --ok: #1a7f37; --no: #b3261e; --dim: #5f6670; --line: #d7dbe0; --soft: #f5f6f8;
  color-scheme: light;
}
* { box-sizing: border-box; }
body {
  font: 16px/1.45 system-ui, sans-serif; color: #1c1f23; background: #fff;
  margin: 0 auto; padding: 1rem; max-width: 70rem;
}
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; }
.dim { color: var(--dim); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; margin: 1rem 0; }
table { border-collapse: collapse; }
.class { width: 100%; font-variant-numeric: tabular-nums; }
.class th, .class td { padding: .3rem .4rem; text-align: center; }
.class th, .class td { border-bottom: 1px solid var(--line); }
.class tr:last-child > * { border-bottom: 0; }
.class thead th { vertical-align: bottom; font-weight: 500; font-size: .8rem; height: 7.5rem; }
.class thead span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.class tbody th { position: sticky; left: 0; background: #fff; }
.class tbody th { text-align: left; white-space: nowrap; }
.class a { text-decoration: none; display: block; }
.ok { color: var(--ok); }
.no, .no a { color: var(--no); font-weight: 700; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .7rem; }
details > :not(summary) { margin-left: .7rem; margin-right: .7rem; }
.student { background: var(--soft); }
.student > summary { font-weight: 600; display: flex; justify-content: space-between; gap: 1rem; }
.failure { background: #fff; }
.failure > summary b { color: var(--no); margin-right: .5rem; }
code, pre, .talk { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem; }
pre { overflow-x: auto; background: var(--soft); padding: .5rem; border-radius: .3rem; }
.talk td { padding: .1rem .6rem .1rem 0; vertical-align: top; overflow-wrap: anywhere; }
.talk td:first-child, .talk td:nth-child(2) { white-space: nowrap; color: var(--dim); }
.talk td:nth-child(3) { white-space: pre-wrap; }
.likely { border-left: 3px solid var(--no); padding-left: .6rem; }
@media (max-width: 40rem) {
  .talk td { display: inline; }
  .talk tr { display: block; }
}
@media print {
  body { font-size: 10pt; max-width: none; padding: 0; }
  .scroll { overflow: visible; border: 0; }
  .class thead th { height: 6rem; }
  details { break-inside: avoid; }
  .student { break-before: page; break-inside: auto; background: none; }
  h2 { break-before: page; }
  details::details-content { content-visibility: visible; display: block; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
"""

# A link to a failure opens it, and what it is in; a print shows all.
SCRIPT = """
const reveal = () => {
  const name = decodeURIComponent(location.hash.slice(1));
  const target = name && document.getElementById(name);
  for (let it = target; it; it = it.parentElement.closest("details")) it.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
addEventListener("load", reveal);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((it) => { it.open = true; });
});
"""

LEGEND = Say(
    "Une ligne par élève, une colonne par vérification. Une croix mène à ce qui s'est passé.",
    "A row for each student, a column for each check. A cross leads to what happened.",
)


def text(value):
    """Prose, in which `this` is code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(str(value)))


def preformatted(lines):
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def page(ladder, students):
    title = escape(Say("Le juge : {}", "The judge: {}").format_plain(ladder.name))
    out = [
        "<!doctype html>",
        f'<html lang="{words.language}">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        f"<h1>{title}</h1>",
        f'<p class="dim">{text(LEGEND)}</p>',
        '<div class="scroll"><table class="class"><thead><tr>',
        f'<th>{Say("élève", "student")}</th><th>score</th>',
    ]
    for check in ladder.checks:
        out.append(f'<th title="{escape(str(check.says))}"><span>{check.id}</span></th>')
    out.append("</tr></thead><tbody>")
    for i, (name, judged) in enumerate(students.items()):
        out += row(f"e{i}", name, judged)
    out.append("</tbody></table></div>")
    for i, (name, judged) in enumerate(students.items()):
        out += student(f"e{i}", name, judged)
    out.append(f"<h2>{Say('Les vérifications', 'The checks')}</h2><ol>")
    for check in ladder.checks:
        out.append(f"<li><b>{check.id}</b> ({check.points}) {text(check.says)}</li>")
    out.append(f"</ol><script>{SCRIPT}</script></html>\n")
    return "\n".join(out)


def row(anchor, name, judged):
    """A student's line of the table."""
    out = [f'<tr><th scope="row"><a href="#{anchor}">{escape(name)}</a></th>']
    out.append(f"<td>{judged['score']}/{judged['of']}</td>")
    for check in judged["checks"]:
        if check["passed"] is False:
            link = f"{anchor}-{check['id']}" if judged["started"] else anchor
            label = f"{check['id']}, {Say('manqué', 'failed')}"
            out.append(f'<td class="no"><a href="#{link}" aria-label="{label}">✗</a></td>')
        else:
            out.append('<td class="ok">✓</td>' if check["passed"] else '<td class="dim">–</td>')
    return [*out, "</tr>"]


def student(anchor, name, judged):
    failures = [check for check in judged["checks"] if check["passed"] is False]
    score = f"<span>{judged['score']}/{judged['of']}</span>"
    out = [f'<details class="student" id="{anchor}">']
    out.append(f"<summary><span>{escape(name)}</span>{score}</summary>")
    if judged["command"]:
        out.append(f"<p><code>{escape(judged['command'])}</code></p>")
    if not judged["started"]:
        why = Say("N'a pas démarré : {}.", "Did not start: {}.").format_plain(judged["why"])
        out.append(f'<p class="likely">{text(why)}</p>')
        out += [preformatted(judged["said"])] if judged["said"] else []
    elif not failures:
        out.append(f"<p>{Say('Toutes les promesses sont tenues.', 'Everything is there.')}</p>")
    else:
        for check in failures:
            out += failure(f"{anchor}-{check['id']}", check)
    return [*out, "</details>"]


def failure(anchor, check):
    name = f"<b>✗ {check['id']} 0/{check['points']}</b>"
    out = [f'<details class="failure" id="{anchor}">']
    out.append(f"<summary>{name}{text(check['says'])}</summary>")
    if check["conversation"]:
        out.append('<table class="talk">')
        for said in check["conversation"]:
            when = "" if said["at"] is None else f"{number(said['at'], 3)} s"
            cells = (when, escape(said["who"]), escape(said["what"]))
            out.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        out.append("</table>")
    pointed = check.get("pointed_at")
    shown = pointed or check
    if shown["expected"]:
        lines = [f"{str(Say('attendu', 'expected')):>8}  {shown['expected']}"]
        lines.append(f"{str(Say('reçu', 'received')):>8}  {shown['received']}")
        lines += [" " * (10 + pointed["column"]) + "^"] if pointed else []
        out.append(preformatted(lines))
    if check["said"]:
        out.append(preformatted(check["said"]))
    out.append(f'<p class="likely">{text(check["likely"])}</p>')
    read = f"<code>{escape(check['read'])}</code>, {text(quoted(check['paragraph']))}"
    out.append(f'<p class="dim">{Say("À lire :", "To read:")} {read}</p></details>')
    return out
