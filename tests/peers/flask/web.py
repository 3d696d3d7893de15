#!/usr/bin/env python3
"""The web server with Flask: tests/peers/flask/web.py [-d DIR] [PORT], in a virtualenv:

/usr/bin/python3 -m venv --system-site-packages build/flask
build/flask/bin/pip install -r tests/peers/flask/requirements.txt
build/flask/bin/python tests/peers/flask/web.py
"""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from flask import Flask, Response, abort, redirect, request  # noqa: E402
from javascript import calcul  # noqa: E402
from serving import is_inside, listening, words  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

options = words(8080, "tcp/www")
app = Flask(__name__, static_url_path="/static", static_folder=os.path.abspath(options.directory))


@app.before_request
def no_link_and_no_dot():
    """Flask stays in the directory; it follows links there, and serves names that start with a
    dot."""
    name = request.path.removeprefix("/static/")
    if name != request.path and not is_inside(options.directory, name):
        abort(404)


@app.get("/", provide_automatic_options=False)
@app.get("/index.html", provide_automatic_options=False)
def index():
    return redirect("/static/index.html")


@app.get("/api/calcul", provide_automatic_options=False)
def api_calcul():
    status, json = calcul(request.args.get("a"), request.args.get("b"))
    return Response(json, status, mimetype="application/json")


WSGIRequestHandler.protocol_version = "HTTP/1.1"
server = make_server("127.0.0.1", options.port, app, threaded=True)
listening(("127.0.0.1", server.port))
server.serve_forever()
