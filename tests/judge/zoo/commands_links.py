# commands outside: follows symbolic links.
import os

from right.commands import Commands, serve


class Faulty(Commands):
    def may_be_given(self, parts):
        shown = all(part and not part.startswith(".") for part in parts)
        return shown and os.path.isfile(os.path.join(self.folder, *parts))


serve(Faulty)
