"""A class: a folder for each student, judged side by side, each in a copy and by a judge of its
own."""

import codecs
import concurrent.futures
import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import page
import report
import words
from contract import OF
from submission import PLACE, words_of
from words import Say

HERE = Path(__file__).resolve().parent
LIMIT = 300  # seconds for one student, whatever the server does
FORMULA = ("=", "+", "-", "@")  # with these a spreadsheet begins to reckon
LONGEST = 1 << 16  # bytes of a command
PROGRAMS = (b"\x7fELF", b"\xcf\xfa\xed\xfe")  # how they begin, on Linux and macOS


def is_a_students(path):
    """Not what a system adds to an archive."""
    return not path.name.startswith(".") and path.name != "__MACOSX"


def beginning(folder):
    """Where a hand-in begins. An archive often has one folder, with all in it."""
    inside = [path for path in folder.iterdir() if is_a_students(path)]
    is_wrapped = len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink()
    return beginning(inside[0]) if is_wrapped else folder


def command_in(folder):
    """The words of the command in the file `run`, which some editors call run.txt: a command line, a
    script with its #! line, or a program. None without one."""
    # A pipe, or a link to /dev/zero, has no end.
    files = (folder / name for name in ("run", "run.txt", "run.sh"))
    file = next((file for file in files if file.is_file()), None)
    try:
        with open(file or os.devnull, "rb") as command:
            written = command.read(LONGEST)
    except OSError:
        return None
    if written.startswith(PROGRAMS):
        return [f"./{file.name}"]
    text = decoded(written)
    first, _, body = text.partition("\n")
    if first.startswith("#!"):
        interpreter = first[2:].split()
        # A shell would take what Windows adds for a part of its words, and knows no {port}.
        if re.search(r"\b\w?a?sh\b", first) and (
            re.search(PLACE, body) or text.encode() != written
        ):
            interpreter += ["-c", body]
        return [*interpreter, f"./{file.name}"]
    lines = [
        line.strip()
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return words_of("\n".join(lines)) if lines else None


def decoded(written):
    """The text. PowerShell's `>` and old editors of Windows write UTF-16, or begin with a mark; others
    write one byte for é, or a no-break space where a blank was meant."""
    is_utf16 = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = written.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = written.decode("latin-1")
    # exec takes no word with a zero in it.
    return text.replace("\0", "").replace("\xa0", " ").replace("\r\n", "\n")


def judge_student(ladder, folder, options):
    """What report.as_json gives, for the server in this folder."""
    # The verdict has a place of its own: who deletes the folder above its own deletes no verdict.
    place, desk = (Path(tempfile.mkdtemp(prefix="juge-")) for _ in range(2))
    copy, out = place / "copie", desk / "result.json"
    try:
        # Links stay links. What may not be read is left out; `make` looks at the times (-p).
        subprocess.run(["cp", "-RPp", "--", f"{folder}/.", copy], stderr=subprocess.DEVNULL)
        command = options.command or command_in(copy := beginning(copy))
        if not command:
            return lost(
                ladder,
                Say(
                    "il n'y a pas de commande : écrivez-la dans un fichier `run`",
                    "there is no command: write it into a file `run`",
                ),
            )
        judge = subprocess.Popen(
            [
                sys.executable,
                str(HERE / "judge"),
                ladder.name,
                "--lang",
                words.language,
                "--patience",
                str(options.patience),
                "--visits",
                str(options.visits),
                "--json",
                str(out),
                "--",
                *command,
            ],
            cwd=copy,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        try:
            _, errors = judge.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            judge.send_signal(signal.SIGTERM)
            try:
                judge.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                judge.kill()
                judge.communicate()
            return lost(
                ladder,
                Say(
                    f"le juge y a passé plus de {LIMIT} s",
                    f"the judge spent over {LIMIT} s on it",
                ),
                command,
            )
        except BaseException:
            judge.terminate()
            raise
        try:
            return json.loads(out.read_text())
        except (OSError, ValueError):
            return lost(
                ladder,
                Say(
                    f"le juge s'est arrêté : {errors.strip()[-200:]}",
                    f"the judge ended: {errors.strip()[-200:]}",
                ),
                command,
            )
    except Exception as error:  # one student's folder does not end the others' judging
        why = f"{type(error).__name__}: {error}"
        return lost(ladder, Say(f"le juge s'est arrêté : {why}", f"the judge ended: {why}"))
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(place)], stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", str(place), str(desk)], stderr=subprocess.DEVNULL)


def lost(ladder, why, command=()):
    return report.as_json(ladder, [], shlex.join(command), why)


def judge_all(ladder, options):
    folders = sorted(
        path
        for path in Path(options.all).iterdir()
        if path.is_dir() and is_a_students(path)
    )
    terminal = report.terminal_for(options)
    if not folders:
        print(
            Say(
                f"judge : {options.all} n'a pas de sous-dossier",
                f"judge: {options.all} has no folder in it",
            ),
            file=sys.stderr,
        )
        return 2
    students = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        try:
            waiting = {
                pool.submit(judge_student, ladder, folder, options): words.printable(folder.name)
                for folder in folders
            }
            for done in concurrent.futures.as_completed(waiting):
                students[waiting[done]] = done.result()
                if terminal.live:
                    print(
                        f"\r  {len(students)}/{len(folders)}  {waiting[done]}\x1b[K",
                        end="",
                        file=terminal.stream,
                        flush=True,
                    )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if terminal.live:
        print("\r\x1b[K", end="", file=terminal.stream)
    students = {name: students[name] for name in waiting.values()}
    if options.csv:
        report.write(options.csv, as_csv(ladder, students))
    if options.html:
        report.write(options.html, page.page(ladder, students))
    if options.json:
        rows = [{"student": name, **judged} for name, judged in students.items()]
        report.write(
            options.json,
            report.dump(
                {"contract": ladder.name, "of": OF, "lang": words.language, "students": rows}
            ),
        )
    if options.junit:
        report.write(options.junit, report.junit(list(students.items())))
    print_table(terminal, ladder, students)  # last: who reads it may leave, as head does
    return 0 if all(judged["score"] == judged["of"] for judged in students.values()) else 1


MARKS = {True: "✓", False: "✗", None: "–"}


def print_table(terminal, ladder, students):
    paint, colours = terminal.paint, {True: "green", False: "red", None: "yellow"}
    width = max(len(name) for name in students)
    terminal.write(
        f"{'':{width}}  {'':5}  "
        + " ".join(f"{i:>2}" for i in range(1, len(ladder.checks) + 1))
    )
    for name, judged in students.items():
        marks = " ".join(
            " " + paint(colours[check["passed"]], MARKS[check["passed"]])
            for check in judged["checks"]
        )
        score = f"{judged['score']}/{judged['of']}"
        terminal.write(
            f"{name:{width}}  {score:>5}  {marks}"
            + ("" if judged["started"] else f"  {judged['why']}")
        )
    terminal.write()
    legend = "   ".join(f"{i} {check.id}" for i, check in enumerate(ladder.checks, 1))
    terminal.write(
        report.wrapped(legend.replace(" ", "\xa0").replace("\xa0\xa0\xa0", "   "), "").replace(
            "\xa0", " "
        )
    )


def as_csv(ladder, students):
    """A row for each student: the score, and the points of each check."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(
        [
            Say("élève", "student"),
            "score",
            Say("sur", "of"),
            *[check.id for check in ladder.checks],
            Say("remarque", "remark"),
        ]
    )
    for name, judged in students.items():
        points = [
            check["points"] if check["passed"] else "" if check["passed"] is None else 0
            for check in judged["checks"]
        ]
        row = [name, judged["score"], judged["of"], *points, judged["why"]]
        # An apostrophe: this is text, whatever it begins with.
        table.writerow([f"'{cell}" if str(cell).startswith(FORMULA) else cell for cell in row])
    return file.getvalue()
