# web no-sum: Content-Length counts characters, and not bytes.
# also file: its bytes are no characters.
# also keep-alive: an error is among its answers.
# also malformed, long-head, slow-head: Python's http.server is tolerant, and in no hurry.
# also never-reads: a file is read whole.
import email.utils
import http.server
import json
import math
import os
import re
import sys
import urllib.parse

folder, TYPES = sys.argv[2], {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def number(text):
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text or "", re.ASCII) or not math.isfinite(float(text)):
        raise ValueError
    value = float(text)
    return int(value) if value == int(value) and abs(value) < 1e21 else value


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        name = urllib.parse.unquote(url.path.removeprefix("/static/"))
        path = os.path.join(folder, name)
        if url.path in ("/", "/index.html"):
            self.answer(302, b"", Location="/static/index.html")
        elif url.path == "/api/calcul":
            query = dict(urllib.parse.parse_qsl(url.query))
            try:
                a, b = number(query.get("a")), number(query.get("b"))
                somme = number(repr(float(a + b)))
                text = json.dumps(dict(a=a, b=b, somme=somme), separators=(",", ":")).replace("e-0", "e-").replace("1e-6", "0.000001")
                self.answer(200, text.encode(), Content_Type="application/json")
            except (ValueError, OverflowError):
                self.answer(400, json.dumps({"erreur": "a et b sont des nombres, écrits à la décimale"}, ensure_ascii=False).encode(), Content_Type="application/json")
        elif url.path.startswith("/static/") and not any(part.startswith(".") or not part for part in name.split("/")) and os.path.realpath(path) == os.path.abspath(path) and os.path.isfile(path):
            date = email.utils.formatdate(os.path.getmtime(path), usegmt=True)
            if self.headers["If-Modified-Since"] == date:
                return self.answer(304, b"")
            with open(path, "rb") as file:
                self.answer(200, file.read(), Content_Type=TYPES.get(os.path.splitext(path)[1], "text/plain"), Last_Modified=date)
        else:
            self.answer(404, b"")

    do_HEAD = do_GET

    def refuse(self):
        self.close_connection = True
        self.answer(405, b"", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = refuse

    def answer(self, status, body, **fields):
        self.send_response(status)
        for name, value in {**fields, "Content-Length": len(body.decode(errors="replace"))}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


Server(("127.0.0.1", int(sys.argv[3])), Site).serve_forever()
