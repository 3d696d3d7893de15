# broadcast message: a message goes to the others only.
# also bytes, two-lines, pieces, empty-line, leaves, one-order: the sender listens there too.
# also long-line, slow-reader, too-long, reset, never-reads, come-and-go: the same.
from right.room import Room


class Faulty(Room):
    def say(self, client, lines):
        start = b"Message de " + self.names[client] + b" : "
        self.tell(b"".join(start + line + b"\n" for line in lines), but=client)


Faulty().serve()
