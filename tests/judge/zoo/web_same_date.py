# web not-modified: takes If-Modified-Since for a word, which is the same or is not.
# also malformed, long-head, slow-head: http.server is tolerant, and in no hurry.
# also never-reads: a file is read whole.
import email.utils

from right.site import Site, serve


class Faulty(Site):
    def is_still(self, modified, since):
        return since == email.utils.formatdate(modified, usegmt=True)


serve(Faulty)
