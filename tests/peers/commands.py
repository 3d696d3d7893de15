#!/usr/bin/env python3
"""A server for a simple protocol in Python, a thread for each client:
tests/peers/commands.py [-d DIR] [PORT]"""

import os
import socket
from datetime import datetime
from socketserver import StreamRequestHandler

from serving import open_inside, serve, words


class Commands(StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        for line in self.rfile:  # a line is as long as memory allows
            command = line.removesuffix(b"\n")
            if command == b"hello":
                self.wfile.write(b"hello\n")
            elif command == b"heure":
                self.wfile.write(
                    datetime.now().astimezone().isoformat(timespec="seconds").encode() + b"\n"
                )
            elif command.startswith(b"fichier "):
                if not self.send(command.removeprefix(b"fichier ")):
                    return
            elif command == b"quitter":
                break
            else:
                self.wfile.write(b"erreur : commande inconnue : " + command + b"\n")
        # To close while something is unread is a reset, which can overtake our answers: first our
        # end, then theirs.
        self.connection.shutdown(socket.SHUT_WR)
        while self.rfile.read1(65536):
            pass

    def send(self, name):
        """Answers `fichier NAME`. False: the file has shrunk meanwhile, and nobody can say where the
        answer ends."""
        file = open_inside(options.directory, name)
        if file is None:
            self.wfile.write(b"erreur : " + name + " : fichier introuvable\n".encode())
            return True
        with file:
            size = os.fstat(file.fileno()).st_size
            self.wfile.write(name + b" %d\n" % size)
            return size == 0 or self.connection.sendfile(file, 0, size) == size


options = words(directory=".")
serve(Commands, options.port)
