# web slow-head: its ten seconds begin anew at each byte.
# also malformed, long-head: http.server is tolerant.
# also never-reads: a file is read whole.
from right.site import Site, serve


class Faulty(Site):
    timeout = 10

    def log_error(self, format, *arguments):
        if "timed out" in format:
            self.wfile.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")


serve(Faulty)
