# commands heure: the time of Greenwich, where the local one was asked for.
import datetime

from right.commands import Commands, serve


class Faulty(Commands):
    def now(self):
        return datetime.datetime.now(datetime.timezone.utc)


serve(Faulty)
