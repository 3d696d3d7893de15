"""make bench: every claim of speed, measured against its peer in the same run.

A row of the table is a function that measures one side once and returns a figure (more is better). Ours and the peer's
are measured in turn, A B A B ..., so that a machine that drifts drifts for both; the ratio is that of the medians. The
load generators check every byte that comes back, and stop if one is wrong.

    python3 tests/bench/bench.py            every row
    python3 tests/bench/bench.py echo       the rows whose name starts with echo
    python3 tests/bench/bench.py charts     draws notes/echo-clients.svg and notes/echo-idle.svg again
"""

import contextlib
import json
import re
import resource
import statistics
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
TOOLS = BUILD / "tests/bench"
ROUNDS = 5

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def serving(*command, ready=r"listening on .*:(\d+)", **popen):
    """Runs a server. Gives what `ready` catches in its log: the port."""
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True, cwd=ROOT, **popen)
    try:
        yield next(found[1] for line in process.stderr if (found := re.search(ready, line)))
    finally:
        process.terminate()
        process.stderr.close()
        process.wait()


def tool(name, *arguments):
    """One run of a load generator: the JSON that it prints."""
    words = [str(word) for word in (TOOLS / name, *arguments)]
    result = subprocess.run(words, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)}: {result.stderr}")
    return json.loads(result.stdout)


# ---- The rows. Each yields (name, goal, measure ours, measure the peer's).

ASIO = [TOOLS / "echo_asio", "0"]
SOCAT = ["socat", "-dd", "tcp-listen:0,bind=127.0.0.1,fork,reuseaddr,backlog=128"]
PAGE = 'system:echo "Le serveur écoute."; while read LINE; do echo "le serveur répond : $LINE"; done'


def lines_per_second(command, *load):
    def measure():
        with serving(*command) as port:
            return tool("echo_load", port, *load)["lines_per_second"]

    return measure


def ours(program):
    return [BUILD / program, "0"]


def echo_rows():
    for in_flight in (1, 16):
        for clients in (1, 50, 500, 5000):
            load = (clients, in_flight, 1)
            name = f"echo/poll: {clients} clients, {in_flight} in flight, against Asio"
            yield name, 1.0, lines_per_second(ours("echo/poll"), *load), lines_per_second(ASIO, *load)
    load = (50, 1, 1)
    name = "echo/poll: 50 clients, against the course page's socat"
    yield name, 5.0, lines_per_second(ours("echo/poll"), *load), lines_per_second([*SOCAT, PAGE], *load)
    for idle, goal in ((9000, 0.95), (0, 1.0)):
        load = (50, 1, 2, idle, 3)
        name = f"echo/generations: 50 busy beside {idle} idle, against Asio"
        yield name, goal, lines_per_second(ours("echo/generations"), *load), lines_per_second(ASIO, *load)


def one_client(work, figure, command, **options):
    def measure():
        with serving(*command, **options) as address:
            return tool("unix_load", work, address, 1)[figure]

    return measure


def unix_rows():
    path = BUILD / "bench.sock"
    for work, figure in (("ping", "lines_per_second"), ("bulk", "bytes_per_second")):
        name = f"unix_domain/stream_server: {work}, against echo/poll over TCP"
        at_path = one_client(work, figure, [BUILD / "unix_domain/stream_server", path], ready=r"listening on (.*)")
        yield name, 1.0, at_path, one_client(work, figure, ours("echo/poll"))


CHAT_ASIO = [TOOLS / "chat_asio", "0"]
CHAT_NODE = ["node", ROOT / "tests/bench/chat_node.js", "0"]


def broadcast_rows():
    def rate(command, clients, senders, deliveries):
        def measure():
            with serving(*command) as port:
                load = (port, clients, senders, max(deliveries // clients // senders, 1))
                return tool("chat_load", *load)["deliveries_per_second"]

        return measure

    # A second or so for each side: what is measured is a rate.
    for clients in (10, 100, 900):
        for senders, who in ((1, "one sender"), (clients, "all send")):
            mine = rate(ours("broadcast/server"), clients, senders, 30_000_000)
            name = f"broadcast/server: {clients} clients, {who}, against Asio"
            yield name, 20.0, mine, rate(CHAT_ASIO, clients, senders, 300_000)
    name = "broadcast/server: 100 clients, one sender, against Node"
    yield name, 20.0, rate(ours("broadcast/server"), 100, 1, 30_000_000), rate(CHAT_NODE, 100, 1, 300_000)


ROWS = [echo_rows, broadcast_rows, unix_rows]


def run(wanted):
    results = []
    for name, goal, measure_ours, measure_peer in (row for rows in ROWS for row in rows()):
        if not name.startswith(wanted):
            continue
        figures = []
        for i in range(ROUNDS):
            figures.append((measure_ours(), measure_peer()))
            print(f"\r{name}: {i + 1}/{ROUNDS} ", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        a, b = (statistics.median(side) for side in zip(*figures))
        ratios = [x / y for x, y in figures]
        results.append({"name": name, "goal": goal, "ours": a, "peer": b, "ratio": a / b, "pairs": ratios})
    if not results:
        sys.exit(f"no row starts with {wanted!r}")
    print("| work | ours | peer | ratio | pairs | goal |\n| --- | ---: | ---: | ---: | --- | ---: |")
    for r in results:
        met = "" if r["ratio"] >= r["goal"] else " missed"
        pairs = f"{min(r['pairs']):.2f}-{max(r['pairs']):.2f}"
        print(f"| {r['name']} | {r['ours']:,.4g} | {r['peer']:,.4g} | {r['ratio']:.2f} | {pairs} | {r['goal']}{met} |")
    (BUILD / "bench").mkdir(exist_ok=True)
    (BUILD / "bench" / f"{re.sub('[^a-z]+', '-', wanted) or 'all'}.json").write_text(json.dumps(results, indent=1))


# ---- The charts

CHARTED = ["iterative", "fork", "thread", "select", "poll", "generations"]


def charts():
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    grey = "#7a7a7a"  # legible on white and on black
    pyplot.rcParams.update(
        {"text.color": grey, "axes.labelcolor": grey, "xtick.color": grey, "ytick.color": grey, "axes.edgecolor": grey}
    )
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "socklab", "font.size": 11})
    colours = ["#999999", "#c05fb0", "#d9772b", "#3f9e4d", "#2f83d6", "#d64545", "#9a8a1f"]

    def draw(file, axis, points, reachable, load):
        servers = [(name, ours("echo/" + name)) for name in CHARTED] + [("Asio (epoll)", ASIO)]
        figures = {name: [] for name, _ in servers}
        for x in points:
            for name, command in servers:
                if not reachable(name, x):
                    continue
                with serving(*command) as port:
                    runs = [tool("echo_load", port, *load(x)) for _ in range(3)]
                middle = sorted(runs, key=lambda run: run["lines_per_second"])[1]
                figures[name].append((x, middle))
                print(f"{axis} {x}, {name}: {middle}", file=sys.stderr)
        figure, panels = pyplot.subplots(1, 2, figsize=(10, 4.2))
        for (key, title), panel in zip(
            {"lines_per_second": "lines answered a second", "p99_us": "99 % answered within, µs"}.items(), panels
        ):
            for (name, measured), colour in zip(figures.items(), colours):
                style = "--" if name.startswith("Asio") else "-"
                marks = [run[key] for _, run in measured]
                panel.plot([max(x, 1) for x, _ in measured], marks, style, marker="o", ms=4, color=colour, label=name)
            panel.set(xscale="log", yscale="log", xlabel=axis, title=title)
            panel.grid(alpha=0.25)
        panels[0].legend(frameon=False, fontsize=9)
        figure.tight_layout()
        figure.savefig(ROOT / "notes" / file, transparent=True, metadata={"Date": None})
        (BUILD / "bench").mkdir(exist_ok=True)
        (BUILD / "bench" / (file + ".json")).write_text(json.dumps(figures, indent=1))

    limit = {"iterative": 1, "select": 1000}
    draw(
        "echo-clients.svg",
        "clients, each with one line on its way",
        [1, 10, 50, 200, 1000, 5000],
        lambda name, x: x <= limit.get(name, 5000),
        lambda x: (x, 1, 1),
    )
    draw(
        "echo-idle.svg",
        "idle clients beside 50 busy ones (0 drawn at 1)",
        [0, 100, 900, 3000, 9000],
        lambda name, x: x + 50 <= {"iterative": 1, "select": 1000}.get(name, 9050),
        lambda x: (50, 1, 1, x, 3),
    )


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    charts() if wanted == "charts" else run(wanted)
