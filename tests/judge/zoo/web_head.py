# web head: HEAD has a body, which the client takes for the next answer.
# also malformed, long-head, slow-head: http.server is tolerant, and in no hurry.
# also never-reads: a file is read whole.
from right.site import Site, serve


class Faulty(Site):
    def has_body(self):
        return True


serve(Faulty)
