# commands outside: joins the name to the folder, whatever it is.
# also hidden: a dot is a letter like any other.
import os

from right.commands import Commands, serve


class Faulty(Commands):
    def may_be_given(self, parts):
        return os.path.isfile("/".join([self.folder, *parts]))

    def file(self, name):
        self.folder = Commands.folder if not name.startswith(b"/") else "/"
        return super().file(name)


serve(Faulty)
