# web outside: joins the name to the folder, whatever it is.
# also malformed, long-head, slow-head: http.server is tolerant, and in no hurry.
# also never-reads: a file is read whole.
import os

from right.site import Site, serve


class Faulty(Site):
    def may_be_given(self, name):
        hidden = any(part.startswith(".") and part != ".." for part in name.split("/"))
        return not hidden and os.path.isfile(os.path.join(self.folder, name))


serve(Faulty)
