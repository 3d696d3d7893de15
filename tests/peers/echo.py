#!/usr/bin/env python3
"""The echo server in Python, a thread for each client: tests/peers/echo.py [PORT]"""
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        for line in self.rfile:
            self.wfile.write("le serveur répond : ".encode() + line)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


with Server(("127.0.0.1", int((sys.argv[1:] or [9090])[0])), Echo) as server:
    print("listening on {}:{}".format(*server.server_address), file=sys.stderr, flush=True)
    server.serve_forever()
