# broadcast last-line: a last line without its newline is forgotten.
from right.room import Room


class Faulty(Room):
    def leave(self, client, last, was_reset):
        super().leave(client, b"", was_reset)


Faulty().serve()
