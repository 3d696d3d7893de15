# commands file: counts characters, and not bytes.
from right.commands import Commands, serve


class Faulty(Commands):
    def size(self, content):
        return len(content.decode(errors="replace"))


serve(Faulty)
