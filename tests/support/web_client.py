"""An HTTP client that sends bytes and reads responses one by one: what a test of a web server
needs, and no more."""

from harness import connect, receive


class Response:
    def __init__(self, head, body):
        self.head, self.body = head, body
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, *_ = lines[0].split(" ", 2)
        self.status = int(status)
        self.fields = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            assert name.lower() not in self.fields, f"{name} comes twice"
            self.fields[name.lower()] = value.strip()

    def __getitem__(self, name):
        return self.fields.get(name.lower())

    def __repr__(self):
        return f"{self.head!r} and a body of {len(self.body)} bytes: {self.body[:100]!r}"


class Connection:
    """A connection to a web server, with what has come and was not asked for yet."""

    def __init__(self, address, **options):
        self.socket = connect(address, **options)
        self.unread = b""

    def send(self, bytes_):
        self.socket.sendall(bytes_)
        return self

    def _more(self):
        piece = self.socket.recv(1 << 20)
        self.unread += piece
        return bool(piece)

    def take(self, count):
        """The next `count` bytes."""
        taken = self.unread[:count] + receive(self.socket, count - len(self.unread))
        assert len(taken) == count, f"the connection ended {count - len(taken)} bytes too early"
        self.unread = self.unread[count:]
        return taken

    def response(self, method="GET"):
        """The next response, to a request of that method."""
        while b"\r\n\r\n" not in self.unread:
            assert self._more(), f"the connection ended after {self.unread!r}"
        response = Response(self.take(self.unread.index(b"\r\n\r\n") + 4), b"")
        if method != "HEAD" and response.status != 304:
            if response["Transfer-Encoding"] == "chunked":
                while size := int(self._take_line(), 16):
                    response.body += self.take(size)
                    self.take(2)
                self._take_line()
            elif response["Content-Length"] is not None:
                response.body = self.take(int(response["Content-Length"]))
            else:
                response.body = self.rest()
        return response

    def _take_line(self):
        while b"\r\n" not in self.unread:
            assert self._more()
        return self.take(self.unread.index(b"\r\n") + 2)[:-2]

    def rest(self):
        """All that comes until the server ends the connection."""
        pieces, self.unread = [self.unread], b""
        while piece := self.socket.recv(1 << 20):
            pieces.append(piece)
        return b"".join(pieces)

    def get(self, target, *fields, method="GET", version="HTTP/1.1"):
        """Asks for a target as any client does, and returns the response."""
        lines = [f"{method} {target} {version}", "Host: localhost", *fields, "", ""]
        return self.send("\r\n".join(lines).encode("latin-1")).response(method)

    def close(self):
        self.socket.close()


def get(address, target, *fields, **options):
    """One request on a connection of its own."""
    connection = Connection(address)
    try:
        return connection.get(target, *fields, **options)
    finally:
        connection.close()
