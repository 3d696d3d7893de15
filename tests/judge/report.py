"""What the judge prints, and what it writes for machines."""

import json
import os
import sys
import textwrap
from html import escape

import words
from contract import OF
from words import Say, difference, number

WIDTH = 90


class Paint:
    """Colours, on a terminal that wants them (no-color.org)."""

    def __init__(self, stream):
        self.on = (
            stream.isatty()
            and "NO_COLOR" not in os.environ
            and os.environ.get("TERM") != "dumb"
        )

    def __call__(self, colour, text):
        codes = {"green": 32, "red": 31, "yellow": 33, "bold": 1, "dim": 2}
        return f"\x1b[{codes[colour]}m{text}\x1b[0m" if self.on else str(text)


def wrapped(text, indent, first=None):
    return textwrap.fill(
        str(text),
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\u2028", "\\u2028")


def shortened(line, room):
    """`line` in `room` columns: where it is too long its middle goes, as its end often has the
    reason."""
    if len(line) <= room:
        return line
    head = room // 3
    return f"{line[:head]} … {line[head + 3 - room :]}"


class Terminal:
    """Tells of each check as it comes."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stdout
        self.paint = Paint(self.stream)
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"

    def write(self, text=""):
        print(text, file=self.stream, flush=True)

    def begins(self, ladder, what):
        self.write(f"{self.paint('bold', ladder.name)}  {what}")

    def progress(self, check):
        if self.live:
            print(f"\r  … {check.id}\x1b[K", end="", file=self.stream, flush=True)

    def done(self, result):
        if self.live:
            print("\r\x1b[K", end="", file=self.stream, flush=True)
        check = result.check
        mark, colour = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "yellow")}[
            result.passed
        ]
        points = f"{'–' if result.passed is None else result.score}/{check.points}"
        self.write(
            wrapped(check.says, " " * 25, f"  {mark} {check.id:14} {points:>4}  ").replace(
                mark, self.paint(colour, mark), 1
            )
        )
        if result.passed is None:
            self.write(
                " " * 25
                + self.paint(
                    "yellow", Say("pas jugé : {}", "not judged: {}").format_plain(result.why)
                )
            )
        if result.passed is False:
            self.failure(result)

    def failure(self, result):
        dim = lambda text: self.paint("dim", text)
        self.write()
        for at, who, what in result.table:
            when = "" if at is None else f"{number(at, 3)} s"
            self.write(f"      {dim(f'{when:>10}')}  {who:10} {what}".rstrip())
        labels = {"fr": ("attendu", "reçu"), "en": ("expected", "received")}[words.language]
        if result.pair:
            expected, received, column = difference(*result.pair)
            self.write(f"      {labels[0]:>10}  {expected}")
            self.write(f"      {labels[1]:>10}  {received}")
            self.write(f"      {'':10}  {' ' * column}{self.paint('red', '^')}")
        elif result.expected or result.received:
            self.write(f"      {labels[0]:>10}  {result.expected}")
            self.write(f"      {labels[1]:>10}  {result.received}")
        for line in result.said[-4:]:
            self.write(
                f"      {str(Say('sortie', 'it said')):>10}  {dim(shortened(line, WIDTH - 18))}"
            )
        name = str(Say("sans doute", "likely"))
        self.write(wrapped(result.likely, " " * 18, f"      {name:>10}  "))
        name = str(Say("à lire", "to read"))
        self.write(wrapped(result.check.read, " " * 18, f"      {name:>10}  "))
        self.write()

    def score(self, got, of):
        self.write(
            self.paint(
                "green" if got == of else "bold",
                Say("score : {} sur {}", "score: {} of {}").format_plain(got, of),
            )
        )

    def not_started(self, ladder, why, said):
        what = (
            Say("Le client", "The client")
            if ladder.transport == "client"
            else Say("Le serveur", "The server")
        )
        self.write(
            wrapped(
                Say("{} n'a pas démarré : {}.", "{} did not start: {}.").format_plain(
                    what, why
                ),
                "    ",
                "",
            )
        )
        for line in said:
            self.write(f"    {Say('sortie', 'it said')}  {shortened(line, WIDTH - 16)}")


def totals(results):
    """(score, of): checks that could not be judged here count for neither."""
    return sum(result.score for result in results), sum(
        result.check.points for result in results if result.passed is not None
    )


def as_json(ladder, results, command, failed=None, said=()):
    """What --json writes. Of a server that did not start every check is lost; `started` and `said`
    tell."""
    score, of = totals(results) if results else (0, OF)
    known = {result.check.id: result for result in results}
    checks = []
    for check in ladder.checks:
        result = known.get(check.id)
        passed = result.passed if result else False
        entry = {
            "id": check.id,
            "says": str(check.says),
            "points": check.points,
            "passed": passed,
            "sent": "",
            "expected": "",
            "received": "",
            "read": check.read.link(),
            "paragraph": check.read.paragraph(),
            "likely": "",
            "conversation": [],
            "said": [],
            "seconds": 0,
        }
        if result:
            entry.update(
                sent=result.sent,
                expected=result.expected,
                received=result.received,
                likely=result.likely or str(result.why or ""),
                said=result.said,
                seconds=round(result.seconds, 3),
                conversation=[
                    {"at": at if at is None else round(at, 3), "who": who, "what": what}
                    for at, who, what in result.table
                ],
            )
            if result.pair:
                entry["pointed_at"] = dict(
                    zip(("expected", "received", "column"), difference(*result.pair))
                )
        else:
            entry["likely"] = Say(
                "Le serveur n'a pas démarré : {}.", "The server did not start: {}."
            ).format_plain(failed)
        checks.append(entry)
    return {
        "contract": ladder.name,
        "score": score,
        "of": of,
        "checks": checks,
        "started": failed is None,
        "why": str(failed or ""),
        "said": list(said),
        "command": command,
        "lang": words.language,
    }


def junit(suites):
    """[(name, what as_json gives)] as JUnit's XML."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for name, judged in suites:
        checks = judged["checks"]
        failures = sum(check["passed"] is False for check in checks)
        skipped = sum(check["passed"] is None for check in checks)
        seconds = sum(check["seconds"] for check in checks)
        lines.append(
            f'<testsuite name={quoted(name)} tests="{len(checks)}"'
            f' failures="{failures}" skipped="{skipped}" errors="0" time="{seconds:.3f}">'
        )
        for check in checks:
            lines.append(
                f'<testcase classname={quoted(name)} name="{check["id"]}"'
                f' time="{check["seconds"]:.3f}">'
            )
            if check["passed"] is False:
                text = "\n".join(
                    f"{name}: {check[name]}"
                    for name in ("says", "sent", "expected", "received", "likely", "read")
                )
                lines.append(
                    f"<failure message={quoted(check['likely'])}>{escape(xml(text))}</failure>"
                )
            elif check["passed"] is None:
                lines.append(f'<skipped message={quoted(check["likely"])}/>')
            lines.append("</testcase>")
        lines.append("</testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def quoted(text):
    """As the value of an attribute."""
    return f'"{escape(xml(text))}"'


def xml(text):
    """XML has no way to write most control characters."""
    return "".join(
        (
            character
            if character in "\n\t" or character >= " " and character not in "\ufffe\uffff"
            else "?"
        )
        for character in text
    )


def terminal_for(options):
    """Where the words for people go: not where a machine reads its own ("-")."""
    files = (options.json, options.junit, options.csv, options.html)
    return Terminal(sys.stderr if "-" in files else sys.stdout)


def try_files(options):
    """Whether they can be written: OSError if not, before anything is judged."""
    for path in (options.json, options.junit, options.csv, options.html):
        if path and path != "-":
            open(path, "a").close()


def write(path, text):
    if path == "-":
        sys.stdout.write(text)
    else:
        # A word that is no UTF-8 is written as one writes it in a program.
        with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)


def dump(data):
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
