"""The two charts of the notes: the echo servers as the number of clients grows, and as the silent
ones do."""

import json
import sys

from rows import ASIO, BENCH, ROOT, echo_load, ours

SERVERS = ["iterative", "fork", "thread", "select", "poll", "generations", "Asio (epoll)"]
COLOURS = ["#999999", "#c05fb0", "#d9772b", "#3f9e4d", "#2f83d6", "#d64545", "#9a8a1f"]
# Connections at once: `iterative` takes one, `select` stops at FD_SETSIZE.
MOST = {"iterative": 1, "select": 1000}
RUNS = 3


def measured(points, load):
    """{server: [(x, the run of median throughput)]}, the servers in turn at each x."""
    figures = {name: [] for name in SERVERS}
    for x in points:
        clients, *_, idle, _ = load(x)
        reachable = [name for name in SERVERS if clients + idle <= MOST.get(name, clients + idle)]
        runs = {name: [] for name in reachable}
        for i in range(RUNS):
            for name in reachable:
                print(
                    f"\r\33[Kcharts: {x}, run {i + 1} of {RUNS}, {name}",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )
                runs[name].append(
                    echo_load(ASIO if name.startswith("Asio") else ours(f"echo/{name}"), *load(x))()
                )
        for name in reachable:
            figures[name].append(
                (x, sorted(runs[name], key=lambda run: run["lines_per_second"])[RUNS // 2])
            )
    print(file=sys.stderr)
    return figures


def draw(file, alternative, axis, figures):
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    grey = "#7a7a7a"  # legible on white and on black
    pyplot.rcParams.update(
        dict.fromkeys(["text.color", "axes.labelcolor", "xtick.color", "ytick.color"], grey)
    )
    pyplot.rcParams.update(
        {"axes.edgecolor": grey, "svg.fonttype": "none", "svg.hashsalt": "socklab", "font.size": 11}
    )
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4.4))
    titles = {
        "lines_per_second": "lines answered a second",
        "p99_us": "99 % are answered within, µs",
    }
    for (key, title), panel in zip(titles.items(), panels):
        for (name, points), colour in zip(figures.items(), COLOURS):
            style = "--" if name.startswith("Asio") else "-"
            across, up = [max(x, 1) for x, _ in points], [run[key] for _, run in points]
            panel.plot(across, up, style, marker="o", ms=4, color=colour, label=name)
        panel.set(xscale="log", yscale="log", xlabel=axis, title=title)
        panel.grid(alpha=0.25)
    panels[0].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    path = ROOT / "notes/pictures" / file
    figure.savefig(path, transparent=True, metadata={"Date": None, "Title": alternative})
    described = f"</title>\n <desc>{alternative}: {axis}.</desc>"  # for those who cannot see it
    path.write_text(path.read_text().replace("</title>", described, 1))


def draw_all():
    BENCH.mkdir(parents=True, exist_ok=True)
    for file, alternative, axis, points, load in (
        (
            "echo-clients.svg",
            "Throughput and latency of the echo servers, from 1 to 5,000 clients",
            "clients, each with one line on its way",
            [1, 10, 50, 200, 1000, 5000],
            lambda x: (x, 1, 1, 0, 0.3),
        ),
        (
            "echo-idle.svg",
            "Throughput and latency of the echo servers for 50 busy clients, "
            "beside 0 to 9,000 idle ones",
            "idle clients beside 50 busy ones (0 is drawn at 1)",
            [0, 100, 900, 3000, 9000],
            lambda x: (50, 1, 1, x, 3),
        ),
    ):
        figures = measured(points, load)
        (BENCH / file).with_suffix(".json").write_text(json.dumps(figures, indent=1))
        (ROOT / "notes/pictures").mkdir(exist_ok=True)
        draw(file, alternative, axis, figures)
