"""A ladder as text: 80 columns for two processes, more for more, with colours where there are some."""

from rows import bands, circled, clock, is_bad, label, name, tint
from words import Say

TIME, LANE, WIDTH = 8, 24, 80
COLOURS = [36, 33, 32, 35, 34]  # of the columns
RED, DIM, BOLD = 31, 2, 1
TINTS = {"bad": RED, "dim": DIM}


class Canvas:
    """One line: characters, each with its colour."""

    def __init__(self, width):
        self.characters, self.colours = [" "] * width, [0] * width

    def put(self, at, text, colour=0):
        for i, character in enumerate(text, at):
            if 0 <= i < len(self.characters):
                self.characters[i], self.colours[i] = character, colour

    def text(self, colour):
        if not colour:
            return "".join(self.characters).rstrip()
        result, now = [], 0
        for character, wanted in zip(self.characters, self.colours):
            if wanted != now:
                result.append(f"\x1b[0m\x1b[{wanted}m" if wanted else "\x1b[0m")
                now = wanted
            result.append(character)
        return "".join(result).rstrip() + ("\x1b[0m" if now else "")


class Drawing:
    def __init__(self, ladder, width):
        self.ladder, self.columns = ladder, ladder.columns
        self.lane = max(LANE, (max(width, WIDTH) - TIME) // max(1, len(self.columns)))
        self.width = TIME + self.lane * len(self.columns)
        self.place = {column: TIME + i * self.lane for i, column in enumerate(self.columns)}
        self.colour = {c: COLOURS[i % len(COLOURS)] for i, c in enumerate(self.columns)}
        self.last = ""

    def draw(self):
        head = Canvas(self.width)
        head.put(TIME - 4, "ms", DIM)
        for column, place in self.place.items():
            head.put(place, name(column)[: self.lane - 1], BOLD)
        return [head, *map(self.band, bands(self.ladder)), *map(self.foot, self.ladder.totals)]

    def foot(self, text):
        canvas = Canvas(max(self.width, TIME + len(text)))
        canvas.put(TIME, text, DIM)
        return canvas

    def band(self, band):
        canvas = Canvas(self.width)
        for column, place in self.place.items():
            if column in band.lives:
                mark = "┃" if column in band.waits else "┊" if column.outside else "│"
                canvas.put(place, mark, self.colour[column])
        if band.silence:
            canvas.put(TIME - 3, "⋮", DIM)
            canvas.put(TIME + 2, f"({band.silence.text})", DIM)
        elif band.line:
            self.arrow(canvas, band.line)
        else:
            time = clock(band.rows[0], self.ladder)
            canvas.put(TIME - 2 - len(time), time if time != self.last else "", DIM)
            self.last = time
            for row in band.rows:
                self.cell(canvas, row)
        return canvas

    def cell(self, canvas, row):
        ending = "".join(f" ◂{circled(value)}" for value in row.takes)
        room = self.lane - 3 - len(ending)
        text = f"[{row.text}]" if row.kind == "state" else row.text
        text = row.brief if len(text) > room and row.brief != row.text else text
        text = text if len(text) <= room else text[: room - 1] + "…"
        canvas.put(self.place[row.column] + 2, text + ending, TINTS.get(tint(row), 0))

    def arrow(self, canvas, line):
        arrow = line.arrow
        start, end = self.place[arrow.origin], self.place[arrow.goal]
        colour = RED if is_bad(line) else self.colour[arrow.origin]
        number = f"{circled(line.number)} " if line.number else ""
        if start == end:  # it talks to itself
            canvas.put(start + 2, f"⟲ {number}{label(line, self.lane - 8)}", colour)
            return
        right = end > start
        low, high = min(start, end), max(start, end)
        for at in range(low + 1, high):
            crosses = canvas.characters[at] != " "
            canvas.put(at, "┼" if crosses else "╌" if arrow.kind == "fork" else "─", colour)
        canvas.put(start, "├" if right else "┤", colour)
        head = "✗" if arrow.lost else "▶" if right else "◀"
        canvas.put(end - 1 if right else end + 1, head, colour)
        text = f" {number}{label(line, high - low - 5 - len(number))} "
        canvas.put(low + (high - low - len(text)) // 2 + 1, text, colour)


def draw(ladder, width=WIDTH, colour=False):
    return [line.text(colour) for line in Drawing(ladder, width).draw()]


def sentences(ladder):
    """The same in words, a line for each call, and for each arrow where it leads."""
    said, colon = [], Say(" : ", ": ")
    for row in ladder.rows:
        if row.kind == "silence":
            said.append(f"({row.text})")
            continue
        said += [leads(line) for line in row.comes if not line.source]
        time = clock(row, ladder)
        said.append(f"{time + ' ms  ' if time else ''}{name(row.column)}{colon}{row.text}")
        said += [leads(line) for line in row.leaves]
    return said + ladder.totals


def leads(line):
    """An arrow in words."""
    arrow = line.arrow
    text = f"    {name(arrow.origin)} → {name(arrow.goal)}{Say(' : ', ': ')}{label(line, 200)}"
    taken = line.target.text if line.target and line.target.event else ""
    return f"{text}, {Say('que reçoit', 'taken by')} {taken}" if taken and line.number else text
