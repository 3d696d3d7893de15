#!/usr/bin/env python3
"""The web server with FastAPI, on uvicorn: tests/peers/web_fastapi.py [PORT]"""
import socket
import sys
from typing import Optional

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from javascript import calcul

app = FastAPI()
app.mount("/static", StaticFiles(directory="tcp/www"))


@app.api_route("/", methods=["GET", "HEAD"])
@app.api_route("/index.html", methods=["GET", "HEAD"])
def index():
    return RedirectResponse("/static/index.html", 302)


@app.api_route("/api/calcul", methods=["GET", "HEAD"])
def api_calcul(a: Optional[str] = None, b: Optional[str] = None):
    status, json = calcul(a, b)
    return Response(json, status, media_type="application/json")


with socket.create_server(("127.0.0.1", int((sys.argv[1:] or [8080])[0]))) as listener:
    print("listening on {}:{}".format(*listener.getsockname()), file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
