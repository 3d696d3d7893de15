# web methods: does not read the body of a request that it refuses: that is its next request.
# also malformed, long-head, slow-head: http.server is tolerant, and in no hurry.
# also never-reads: a file is read whole.
from right.site import Site, serve


class Faulty(Site):
    def refuse(self):
        self.answer(405, b"", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = refuse


serve(Faulty)
