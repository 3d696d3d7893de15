"""make bench: every claim of speed, measured against its peer in the same run.

Ours and the peer's are measured in turn, A B A B ..., so that a machine that drifts drifts for
both; the ratio is that of the medians, and beside it stand the lowest and the highest ratio of a
pair. The load generators check every byte that comes back, and stop if one is wrong.

    python3 tests/bench/bench.py            every row, into notes/speed.md too, and the charts
    python3 tests/bench/bench.py echo       the rows whose name starts with echo
    python3 tests/bench/bench.py charts     the charts alone, notes/pictures/echo-*.svg

The table goes to the standard output; every figure of every run, latencies too, to
build/bench/*.json.
"""

import json
import re
import statistics
import sys

import charts
from in_french import in_french
from rows import BENCH, ROOT, ROWS

ROUNDS = 5


def measure(row):
    """The runs of a row, in turn: [(ours, peer's or None)]."""
    runs = []
    for i in range(ROUNDS):
        print(f"\r\33[K{row.name}: round {i + 1} of {ROUNDS}", end="", file=sys.stderr, flush=True)
        runs.append((row.ours(), row.peer() if row.peer else None))
    print(file=sys.stderr)
    return runs


def times_as_good(row, mine, peer):
    return peer / mine if row.less_is_better else mine / peer


def result(row, runs):
    """A row of the table, as a dict."""
    mine = statistics.median(run[row.key] for run, _ in runs)
    found = {"name": row.name, "goal": row.goal, "figure": row.key, "ours": mine, "runs": runs}
    if row.peer:
        found["peer"] = statistics.median(run[row.key] for _, run in runs)
        found["ratio"] = times_as_good(row, mine, found["peer"])
        pairs = [times_as_good(row, a[row.key], b[row.key]) for a, b in runs]
        found["pairs"] = [min(pairs), max(pairs)]
        found["met"] = row.goal is None or found["ratio"] >= row.goal
    else:
        found["met"] = mine < row.goal
    return found


def line(r):
    def number(x):
        return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"

    missed = "" if r["met"] else " **missed**"
    if "peer" not in r:
        return f"| {r['name']} | {number(r['ours'])} | | | | under {r['goal']:g}{missed} |"
    pairs = f"{number(r['pairs'][0])}-{number(r['pairs'][1])}"
    goal = "" if r["goal"] is None else f"{r['goal']:g}"
    figures = " | ".join(number(r[key]) for key in ("ours", "peer", "ratio"))
    return f"| {r['name']} | {figures} | {pairs} | {goal}{missed} |"


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
    results = [result(row, measure(row)) for row in chosen]
    (BENCH / f"{re.sub('[^a-z]+', '-', wanted) or 'all'}.json").write_text(
        json.dumps(results, indent=1)
    )
    lines = [line(r) for r in results]
    print(
        "| work | ours | peer | times as good | pairs | goal |\n"
        "| --- | ---: | ---: | ---: | --- | --- |"
    )
    print(*lines, sep="\n")
    if not wanted:
        into_the_notes(lines)
        charts.draw_all()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
