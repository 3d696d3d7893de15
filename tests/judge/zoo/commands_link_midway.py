# commands outside: looks whether the file is a link, and not whether a folder on the way is one.
import os

from right.commands import Commands, serve


class Faulty(Commands):
    def may_be_given(self, parts):
        path = os.path.join(self.folder, *parts)
        shown = all(part and not part.startswith(".") for part in parts)
        return shown and not os.path.islink(path) and os.path.isfile(path)


serve(Faulty)
