# web no-sum: Content-Length counts characters, and not bytes.
# also file, keep-alive: their bodies have characters of several bytes too.
# also malformed, long-head, slow-head: http.server is tolerant, and in no hurry.
# also never-reads: a file is read whole.
from right.site import Site, serve


class Faulty(Site):
    def length(self, body):
        return len(body.decode(errors="replace"))


serve(Faulty)
