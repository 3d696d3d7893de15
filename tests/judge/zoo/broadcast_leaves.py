# broadcast leaves: forgets to say that somebody has left.
# also reset, too-long, never-reads: somebody leaves there as well.
from right.room import Room


class Faulty(Room):
    def leave(self, client, last, was_reset):
        if last:
            self.say(client, [last])
        del self.names[client]


Faulty().serve()
