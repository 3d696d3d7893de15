# broadcast reset: tells nobody of a client that was reset.
# also never-reads: the one that is dropped there has an error too.
# also too-long: so has the one whose line was too long.
from right.room import Room


class Faulty(Room):
    def leave(self, client, last, was_reset):
        if was_reset:
            del self.names[client]
        else:
            super().leave(client, last, was_reset)


Faulty().serve()
