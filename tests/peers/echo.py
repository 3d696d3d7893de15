#!/usr/bin/env python3
"""The echo server in Python, a thread for each client: tests/peers/echo.py [PORT]"""

from socketserver import StreamRequestHandler

from serving import serve, words


class Echo(StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        for line in self.rfile:  # a line is as long as memory allows
            self.wfile.write("le serveur répond : ".encode() + line)


serve(Echo, words().port)
