# commands file: reads no more than the first 64 KiB of a file.
from right.commands import Commands, serve


class Faulty(Commands):
    def file(self, name):
        head, newline, content = super().file(name).partition(b"\n")
        return head + newline + content[:65536]


serve(Faulty)
