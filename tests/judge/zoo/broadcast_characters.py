# broadcast too-long: counts the characters of a line, and not its bytes.
from right.room import Room


class Faulty(Room):
    def is_too_long(self, line):
        return len(line.decode(errors="replace")) > 65536


Faulty().serve()
