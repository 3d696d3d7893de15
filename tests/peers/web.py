#!/usr/bin/env python3
"""The web server in Python, with nothing but its own library: tests/peers/web.py [PORT]"""
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qsl, urlsplit

from javascript import calcul


class Site(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body leave in two sends: the second would wait for the first's ACK, 40 ms

    def __init__(self, *arguments):
        super().__init__(*arguments, directory="tcp/www")

    def send_head(self):  # of GET and HEAD; what it returns is the body that GET copies
        url = urlsplit(self.path)
        if url.path in ("/", "/index.html"):
            return self.answer(302, "text/plain", b"", Location="/static/index.html")
        if url.path == "/api/calcul":
            query = dict(parse_qsl(url.query))
            status, json = calcul(query.get("a"), query.get("b"))
            return self.answer(status, "application/json", json.encode())
        if url.path.startswith("/static/") and not url.path.endswith("/"):
            self.path = url.path.removeprefix("/static")
            return super().send_head()
        return self.answer(404, "text/plain", b"")

    def refuse(self):
        self.close_connection = True  # or its body would be read as the next request
        self.answer(405, "text/plain", b"", Allow="GET, HEAD", Connection="close")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = refuse

    def answer(self, status, type, body, **fields):
        self.send_response(status)
        for name, value in {"Content-Type": type, "Content-Length": str(len(body)), **fields}.items():
            self.send_header(name, value)
        self.end_headers()
        return BytesIO(body)


server = ThreadingHTTPServer(("127.0.0.1", int((sys.argv[1:] or [8080])[0])), Site)
print("listening on {}:{}".format(*server.server_address), file=sys.stderr, flush=True)
server.serve_forever()
