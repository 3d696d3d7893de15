# commands bytes: strip() takes the blanks and the CR off.
# also unknown: `hello ` becomes `hello`.
from right.commands import Commands, serve


class Faulty(Commands):
    def line_of(self, line):
        return line.strip()


serve(Faulty)
