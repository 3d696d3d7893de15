# commands hidden: gives the files whose names start with a dot.
import os

from right.commands import Commands, serve


class Faulty(Commands):
    def may_be_given(self, parts):
        path = os.path.join(self.folder, *parts)
        inside = ".." not in parts and "" not in parts
        return inside and os.path.isfile(path) and os.path.realpath(path) == path


serve(Faulty)
