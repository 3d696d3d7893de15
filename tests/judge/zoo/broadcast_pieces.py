# broadcast pieces: relays what recv returned, as if it were a line.
# also long-line, slow-reader, never-reads, one-order: lines are cut where a recv ends.
# also too-long: half a line is gone before it is too long.
from right.room import Room


class Faulty(Room):
    def split(self, begun):
        return begun.removesuffix(b"\n").split(b"\n"), b""


Faulty().serve()
