#!/usr/bin/env python3
"""The web server with Flask: tests/peers/web_flask.py [PORT]"""
import os
import sys

from flask import Flask, Response, redirect, request
from javascript import calcul
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__, static_url_path="/static", static_folder=os.path.abspath("tcp/www"))


@app.get("/", provide_automatic_options=False)
@app.get("/index.html", provide_automatic_options=False)
def index():
    return redirect("/static/index.html")


@app.get("/api/calcul", provide_automatic_options=False)
def api_calcul():
    status, json = calcul(request.args.get("a"), request.args.get("b"))
    return Response(json, status, mimetype="application/json")


WSGIRequestHandler.protocol_version = "HTTP/1.1"
server = make_server("127.0.0.1", int((sys.argv[1:] or [8080])[0]), app, threaded=True)
print(f"listening on 127.0.0.1:{server.port}", file=sys.stderr, flush=True)
server.serve_forever()
