# broadcast names: draws a name, and does not look whether it is taken.
# also one-order: twenty are there at once.
import random

from right.room import Room


class Faulty(Room):
    def new_name(self):
        return b"%03d" % random.randrange(40)


Faulty().serve()
