"""A ladder as a picture: SVG, dark or light as the reader's system is, with the same in words for who
does not see it, and nothing in it that runs.

Bytes that wait in the kernel until they are taken are the thin line beside the lane of who takes them.
"""

from html import escape

from rows import bands, clock, is_bad, label, name, tint
from text import sentences
from words import Say

TIME, ROW, TOP = 66, 19, 34  # pixels
LANES = {1: 238, 2: 238, 3: 186}  # the width of a column, where there are so many; else
NARROW = 176
CHARACTER = 7.3  # of a monospaced font of 12 pixels
COLOURS = {  # of the columns, on white and on black
    "a": ("#0b62a8", "#6cb6ff"),
    "b": ("#9a4f00", "#f0a45d"),
    "c": ("#1d7434", "#6bc46d"),
    "d": ("#7d3c98", "#d2a8ff"),
    "e": ("#00707a", "#56d4dd"),
}

STYLE = """text{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
svg{--ink:#1f2328;--dim:#59636e;--page:#fff;--bad:#c5221f;%s}
@media(prefers-color-scheme:dark){svg{--ink:#e6edf3;--dim:#9198a1;--page:#0d1117;--bad:#ff7b72;%s}}
.page{fill:var(--page)}.head{font-weight:bold;font-size:13px}.dim{fill:var(--dim)}.bad{fill:var(--bad)}
.end{text-anchor:end}.mid{text-anchor:middle}
line,path{fill:none;stroke-width:1.3}.life{stroke:var(--dim);stroke-width:1}.out{stroke-dasharray:2 4}
.fold{stroke:var(--page);stroke-width:4}.fork{stroke-dasharray:5 4}.kept{stroke-width:1;stroke-dasharray:2 2}"""


class Picture:
    def __init__(self, ladder, title, metadata):
        self.ladder, self.columns = ladder, ladder.columns
        self.title, self.metadata = title, metadata
        self.lane_width = LANES.get(len(self.columns), NARROW)
        self.x = {column: TIME + i * self.lane_width for i, column in enumerate(self.columns)}
        self.colour = {c: list(COLOURS)[i % len(COLOURS)] for i, c in enumerate(self.columns)}
        self.under, self.over, self.tops, self.last = [], [], {}, ""
        self.arrives, self.slots = {}, {}
        self.right = max(self.x.values()) + 20  # where the words on the right end

    def draw(self):
        y, lives, bars = TOP, {}, {}
        for band in bands(self.ladder):
            for column in self.columns:
                self.runs(lives, column, column in band.lives, y)
                self.runs(bars, column, column in band.waits, y)
            if band.silence:
                self.silence(band, y)
            elif band.line:
                self.arrow(band.line, y)
            else:
                self.rows(band.rows, y)
            y += ROW
        for column in self.columns:
            self.runs(lives, column, False, y)
            self.runs(bars, column, False, y)
        for name_, runs in (("life", lives), ("bar", bars)):
            for column, spans in runs.items():
                for top, bottom in spans["done"]:
                    self.lane(name_, column, top, bottom)
        for text in self.ladder.totals:
            y += ROW
            self.write(TIME - 4, y + 4, text, "dim")
        return self.page(y + 16)

    def runs(self, found, column, on, y):
        """Notes where something of a column begins and ends."""
        one = found.setdefault(column, {"since": None, "done": []})
        if on and one["since"] is None:
            one["since"] = y
        elif not on and one["since"] is not None:
            one["done"].append((one["since"], y))
            one["since"] = None

    def lane(self, what, column, top, bottom):
        x, colour = self.x[column], self.colour[column]
        if what == "life":
            dashed = " out" if column.outside else ""
            mark = f'<line class="life{dashed}" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>'
        else:
            mark = (
                f'<rect x="{x - 3}" y="{top - 5}" width="6" height="{bottom - top}" rx="2"'
                f' style="fill:var(--{colour})"/>'
            )
        self.under.append(mark)

    def write(self, x, y, text, classes=""):
        what = f' class="{classes}"' if classes else ""
        if "end" not in classes:
            self.right = max(self.right, x + len(text) * CHARACTER)
        self.over.append(f'<text x="{x:.0f}" y="{y:.0f}"{what}>{escape(text, False)}</text>')

    def silence(self, band, y):
        for column in band.lives:
            x = self.x[column]
            self.over.append(
                f'<line class="fold" x1="{x - 6}" y1="{y + 12}" x2="{x + 6}" y2="{y + 8}"/>'
            )
        self.write(TIME + 12, y + 14, f"({band.silence.text})", "dim")

    def rows(self, rows, y):
        time = clock(rows[0], self.ladder)
        if time and time != self.last:
            self.write(TIME - 21, y + 14, time, "dim end")
        self.last = time
        for row in rows:
            # Beside the last column there is room.
            last = row.column is self.columns[-1]
            room = max(37 * last, int((self.lane_width - 16) / CHARACTER))
            text = row.text if row.kind == "state" or len(row.text) <= room else row.brief
            text = text if len(text) <= room else text[: room - 1] + "…"
            self.write(self.x[row.column] + 10, y + 14, text, tint(row))
            for line in row.comes:
                if line in self.arrives:
                    self.keeps(line, y + 10)

    def keeps(self, line, y):
        """From where an arrow arrived down to the call that took it."""
        top = self.arrives.pop(line)
        if y - top > ROW + 2:
            x, slot = self.x[line.arrow.goal], self.slots.pop(line)
            side = x - 5 - 3 * min(slot, 4)
            colour = self.colour[line.arrow.origin]
            self.under.append(
                f'<path class="kept" style="stroke:var(--{colour})" d="M{x} {top}H{side}V{y}H{x + 7}"/>'
            )

    def arrow(self, line, y):
        arrow = line.arrow
        start, end = self.x[arrow.origin], self.x[arrow.goal]
        ink = "bad" if is_bad(line) else self.colour[arrow.origin]
        if start == end:
            self.write(
                start + 10, y + 14, "⟲ " + label(line, 26), "bad" if is_bad(line) else ""
            )
            return
        way = 1 if end > start else -1
        top, bottom = y + 12, y + 17
        tip = end - way * (10 if arrow.lost else 1)
        classes = ' class="fork"' if arrow.kind == "fork" else ""
        self.under.append(
            f'<line{classes} style="stroke:var(--{ink})" x1="{start}" y1="{top}" x2="{tip}" y2="{bottom}"/>'
        )
        if arrow.lost:
            head = f"M{tip - 4} {bottom - 4}l8 8m0 -8l-8 8"
            self.under.append(f'<path style="stroke:var(--bad);stroke-width:2" d="{head}"/>')
        else:
            head = f"M{tip} {bottom}l{-8 * way} -5v8z"
            self.under.append(f'<path style="fill:var(--{ink})" d="{head}"/>')
        room = int((abs(end - start) - 8) / CHARACTER)
        text = label(line, room)
        wide, lanes = len(text) * CHARACTER + 6, round(abs(end - start) / self.lane_width)
        middle = (start + end) / 2
        if lanes % 2 == 0 and wide < self.lane_width - 20:  # beside the lane that it crosses
            middle -= way * self.lane_width / 2
        self.over.append(
            f'<rect class="page" x="{middle - wide / 2:.0f}" y="{y + 1}" width="{wide:.0f}" height="11"/>'
            f'<text class="mid" x="{middle:.0f}" y="{y + 10}" style="fill:var(--{ink})">{escape(text, False)}</text>'
        )
        if line.source and line.target:
            self.arrives[line] = bottom
            taken = {slot for each, slot in self.slots.items() if each.arrow.goal is arrow.goal}
            self.slots[line] = next(slot for slot in range(99) if slot not in taken)

    def page(self, height):
        self.write(TIME - 21, 20, "ms", "dim end")
        for column, x in self.x.items():
            self.right = max(self.right, x - 4 + len(name(column)) * CHARACTER * 13 / 12)
            self.over.append(
                f'<text class="head" x="{x - 4}" y="20" style="fill:var(--{self.colour[column]})">'
                f"{escape(name(column), False)}</text>"
            )
        width = round(self.right) + 8
        colours = ["".join(f"--{k}:{v[i]};" for k, v in COLOURS.items()) for i in (0, 1)]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
                f' height="{height}" role="img" aria-labelledby="title words">',
                f'<title id="title">{escape(self.title)}</title>',
                f'<desc id="words">{escape(chr(10).join(sentences(self.ladder)), False)}</desc>',
                *([self.metadata] if self.metadata else []),
                f"<style>{STYLE % tuple(colours)}</style>",
                f'<rect class="page" width="{width}" height="{height}"/>',
                *self.under,
                *self.over,
                "</svg>\n",
            ]
        )


def draw(ladder, title=None, metadata=""):
    between = Say(" et ", " and ")
    names = str(between).join(name(column) for column in ladder.columns)
    title = title or f"{Say('Une conversation : ', 'A conversation: ')}{names}"
    return Picture(ladder, title, metadata).draw()
