#!/usr/bin/env python3
"""The web server in Python, with nothing but its own library: tests/peers/web.py [-d DIR] [PORT]"""

from http.server import SimpleHTTPRequestHandler
from io import BytesIO
from urllib.parse import parse_qsl, unquote, urlsplit

from javascript import calcul
from serving import is_inside, serve, words


class Site(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # head and body leave in two sends: the second would wait for the first's ACK, 40 ms
    )

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=options.directory)

    def send_head(self):  # of GET and HEAD; what it returns is the body that GET copies
        url = urlsplit(self.path)
        if url.path in ("/", "/index.html"):
            return self.answer(302, "text/plain", b"", Location="/static/index.html")
        if url.path == "/api/calcul":
            query = dict(parse_qsl(url.query))
            status, json = calcul(query.get("a"), query.get("b"))
            return self.answer(status, "application/json", json.encode())
        name = url.path.removeprefix("/static/")
        if name != url.path and is_inside(
            options.directory, unquote(name, errors="surrogateescape")
        ):
            self.path = "/" + name
            return super().send_head()
        return self.answer(404, "text/plain", b"")

    def refuse(self):
        self.close_connection = True  # or its body would be read as the next request
        self.answer(405, "text/plain", b"", Allow="GET, HEAD", Connection="close")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = refuse

    def answer(self, status, type, body, **fields):
        self.send_response(status)
        for name, value in {
            "Content-Type": type,
            "Content-Length": str(len(body)),
            **fields,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        return BytesIO(body)


options = words(8080, "tcp/www")
serve(Site, options.port)
