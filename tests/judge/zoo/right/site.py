"""A web server, as right as Python's http.server lets it be; the faulty ones change one thing
of it."""

import email.utils
import http.server
import json
import math
import os
import re
import sys
import urllib.parse

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def number(text):
    if not NUMBER.fullmatch(text or "") or not math.isfinite(float(text)):
        raise ValueError
    value = float(text)
    return int(value) if value == int(value) and abs(value) < 1e21 else value


def as_javascript(text):
    return re.sub(r"\b1e-06", "0.000001", text).replace("e-0", "e-")


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder = sys.argv[2]

    def may_be_given(self, name):
        path = os.path.join(self.folder, name)
        shown = all(part and not part.startswith(".") for part in name.split("/"))
        return (
            shown and os.path.realpath(path) == os.path.abspath(path) and os.path.isfile(path)
        )

    def length(self, body):
        return len(body)

    def has_body(self):
        return self.command != "HEAD"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        name = urllib.parse.unquote(url.path.removeprefix("/static/"))
        if url.path in ("/", "/index.html"):
            self.answer(302, b"", Location="/static/index.html")
        elif url.path == "/api/calcul":
            self.calcul(dict(urllib.parse.parse_qsl(url.query)))
        elif url.path.startswith("/static/") and self.may_be_given(name):
            self.file(os.path.join(self.folder, name))
        else:
            self.answer(404, "introuvable\n".encode())

    do_HEAD = do_GET

    def calcul(self, query):
        try:
            a, b = number(query.get("a")), number(query.get("b"))
            found = {"a": a, "b": b, "somme": number(repr(float(a + b)))}
            text = as_javascript(json.dumps(found, separators=(",", ":")))
            self.answer(200, text.encode(), Content_Type="application/json")
        except (ValueError, OverflowError):
            error = json.dumps(
                {"erreur": "a et b : des nombres, écrits à la décimale"}, ensure_ascii=False
            )
            self.answer(400, error.encode(), Content_Type="application/json")

    def is_still(self, modified, since):
        known = email.utils.parsedate_tz(since or "")
        return known is not None and int(modified) <= email.utils.mktime_tz(known)

    def file(self, path):
        date = email.utils.formatdate(os.path.getmtime(path), usegmt=True)
        if self.is_still(os.path.getmtime(path), self.headers["If-Modified-Since"]):
            return self.answer(304, b"")
        kind = TYPES.get(os.path.splitext(path)[1], "text/plain")
        with open(path, "rb") as file:
            self.answer(200, file.read(), Content_Type=kind, Last_Modified=date)

    def refuse(self):
        self.close_connection = True
        self.answer(405, b"", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = refuse

    def answer(self, status, body, **fields):
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(self.length(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.has_body():
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # of one connection


def serve(handler):
    Server(("127.0.0.1", int(sys.argv[3])), handler).serve_forever()


if __name__ == "__main__":
    serve(Site)
