#!/usr/bin/env python3
"""The web server with FastAPI, on uvicorn: tests/peers/fastapi/web.py [-d DIR] [PORT], in a
virtualenv:

/usr/bin/python3 -m venv --system-site-packages build/fastapi
build/fastapi/bin/pip install -r tests/peers/fastapi/requirements.txt
build/fastapi/bin/python tests/peers/fastapi/web.py

Leave the second line out where no index can be reached: the system's packages do without it, but in
Debian 12 fastapi asks pip for an older starlette than Debian has.
"""

import os
import socket
import sys
from typing import Optional

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import uvicorn  # noqa: E402
from fastapi import FastAPI, Response  # noqa: E402
from fastapi.responses import RedirectResponse  # noqa: E402
from fastapi.staticfiles import StaticFiles  # noqa: E402
from javascript import calcul  # noqa: E402
from serving import is_inside, listening, words  # noqa: E402

options = words(8080, "tcp/www")


class Files(StaticFiles):
    """Starlette stays in the directory; to it a link in there, or a name that starts with a dot, is
    a name like any other."""

    def lookup_path(self, path):
        return super().lookup_path(path) if is_inside(options.directory, path) else ("", None)


app = FastAPI()
app.mount("/static", Files(directory=options.directory))


@app.api_route("/", methods=["GET", "HEAD"])
@app.api_route("/index.html", methods=["GET", "HEAD"])
def index():
    return RedirectResponse("/static/index.html", 302)


@app.api_route("/api/calcul", methods=["GET", "HEAD"])
def api_calcul(a: Optional[str] = None, b: Optional[str] = None):
    status, json = calcul(a, b)
    return Response(json, status, media_type="application/json")


with socket.create_server(("127.0.0.1", options.port)) as listener:
    listening(listener.getsockname())
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
