"""make bench: every claim of speed, measured against its peer in the same run.

Ours and the peer's are measured in turn, A B A B ..., so that a machine that drifts drifts for
both; the ratio is that of the medians. The rounds go on until one can say on which side of the goal
the median of the pairs lies, nine times in ten; after MOST of them the row says "level". The load
generators check every byte that comes back, and stop if one is wrong.

    python3 tests/bench/bench.py            every row, into notes/speed.md too, and the charts
    python3 tests/bench/bench.py echo       the rows whose name starts with echo
    python3 tests/bench/bench.py charts     the charts alone, notes/pictures/echo-*.svg

The table goes to the standard output; every figure of every run to build/bench/*.json.
"""

import json
import re
import statistics
import sys
from math import comb, floor, log10

import charts
from in_french import in_french
from rows import BENCH, ROOT, ROWS

FEWEST, MOST = 5, 11


def interval(values):
    """Where their median lies, nine times in ten: between two of them (the sign test)."""
    values, k = sorted(values), 0
    while sum(comb(len(values), i) for i in range(k + 1)) / 2 ** len(values) <= 0.05:
        k += 1
    return (values[k - 1], values[-k]) if k else (values[0], values[-1])


def times_as_good(figure, mine, peer):
    return peer / mine if figure.less_is_better else mine / peer


def qualities(row, figure, runs):
    """Of each pair of runs, how many times as good as the peer ours was; without a peer, what ours
    took."""
    if row.peer:
        return [times_as_good(figure, a[figure.key], b[figure.key]) for a, b in runs]
    return [a[figure.key] for a, _ in runs]


def verdict(row, figure, runs):
    """Whether the goal, if there is one, is met: True, False, or None for level."""
    if figure.goal is None:
        return True
    low, high = interval(qualities(row, figure, runs))
    if not row.peer:
        low, high = -high, -low
    goal = figure.goal if row.peer else -figure.goal
    return True if low >= goal else False if high < goal else None


def measure(row):
    """The runs of a row, in turn: [(ours, peer's or None)]."""
    runs = []

    def known(figure):
        return verdict(row, figure, runs) is not None

    fewest, most = (row.rounds, row.rounds) if row.rounds else (FEWEST, MOST)
    while len(runs) < fewest or len(runs) < most and not all(map(known, row.figures)):
        print(f"\r\33[K{row.name}: round {len(runs) + 1}", end="", file=sys.stderr, flush=True)
        runs.append((row.ours(), row.peer() if row.peer else None))
    print(file=sys.stderr)
    return runs


def result(row, figure, runs):
    """A line of the table, as a dict."""
    found = {"name": row.name + figure.says, "goal": figure.goal, "figure": figure.key}
    found["ours"] = statistics.median(run[figure.key] for run, _ in runs)
    found["interval"] = interval(qualities(row, figure, runs))
    found["met"] = verdict(row, figure, runs)
    if row.peer:
        found["peer"] = statistics.median(run[figure.key] for _, run in runs)
        found["ratio"] = times_as_good(figure, found["ours"], found["peer"])
    return found


def line(r):
    def number(x):
        """Three digits that count."""
        x = float(f"{x:.3g}")
        digits = 2 - floor(log10(abs(x))) if x else 0
        return f"{x:,.{max(digits, 0)}f}"

    word = {True: "", False: " **missed**", None: " level"}[r["met"]]
    between = "-".join(map(number, r["interval"]))
    if "peer" not in r:
        return f"| {r['name']} | {number(r['ours'])} | | | {between} | under {r['goal']:g}{word} |"
    goal = "" if r["goal"] is None else f"{r['goal']:g}"
    figures = " | ".join(number(r[key]) for key in ("ours", "peer", "ratio"))
    return f"| {r['name']} | {figures} | {between} | {goal}{word} |"


def into_the_notes(lines):
    """Puts the rows of the table under the one headed so, in each language."""
    for file in ROOT.glob("notes/**/speed.md"):
        text = file.read_text()
        rows = "".join((in_french(row) if "fr" in file.parts else row) + "\n" for row in lines)
        file.write_text(
            re.sub(r"(<!-- make bench -->\n\|.*\n\|.*\n)(?:\|.*\n)*", lambda m: m[1] + rows, text)
        )


def main(wanted):
    if wanted == "charts":
        return charts.draw_all()
    BENCH.mkdir(parents=True, exist_ok=True)
    chosen = [row for rows in ROWS for row in rows() if row.name.startswith(wanted)]
    if not chosen:
        sys.exit(f"no row starts with {wanted!r}")
    results = []
    for row in chosen:
        runs = measure(row)
        results += [{**result(row, figure, runs), "runs": runs} for figure in row.figures]
        print(*map(line, results[-len(row.figures) :]), sep="\n", flush=True)
    (BENCH / f"{re.sub('[^a-z]+', '-', wanted) or 'all'}.json").write_text(
        json.dumps(results, indent=1)
    )
    lines = list(map(line, results))
    print(
        "| work | ours | peer | times as good | interval | goal |\n"
        "| --- | ---: | ---: | ---: | --- | --- |"
    )
    print(*lines, sep="\n")
    if not wanted:
        into_the_notes(lines)
        charts.draw_all()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
