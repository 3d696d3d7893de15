# commands unknown: takes HELLO for hello.
from right.commands import Commands, serve


class Faulty(Commands):
    def line_of(self, line):
        command, blank, name = line.removesuffix(b"\n").partition(b" ")
        known = command.lower() in (b"hello", b"heure", b"fichier", b"quitter")
        return (command.lower() if known else command) + blank + name


serve(Faulty)
