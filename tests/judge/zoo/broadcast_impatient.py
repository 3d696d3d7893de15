# broadcast slow-reader: drops who is behind at once, and does not wait for a slow one.
from right.room import Room


class Faulty(Room):
    stuck = 0.05


Faulty().serve()
