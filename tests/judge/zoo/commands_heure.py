# commands heure: the time of Greenwich, where the local one was asked for.
import datetime
import os
import socketserver
import sys

folder = sys.argv[2]


def content(name):
    parts = os.fsdecode(name).split("/")
    if any(part.startswith(".") or not part for part in parts):
        raise OSError("outside")
    path = os.path.join(folder, *parts)
    if any(os.path.islink(os.path.join(folder, *parts[:i + 1])) for i in range(len(parts))) or not os.path.isfile(path):
        raise OSError("no file")
    with open(path, "rb") as file:
        return file.read()


class Commands(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            line = line.removesuffix(b"\n")
            word, blank, name = line.partition(b" ")
            if line == b"hello":
                self.wfile.write(b"hello\n")
            elif line == b"heure":
                self.wfile.write(datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds").encode() + b"\n")
            elif word == b"fichier" and blank:
                try:
                    data = content(name)
                    self.wfile.write(b"%s %d\n" % (name, len(data)) + data)
                except (OSError, ValueError):
                    self.wfile.write(b"erreur : " + name + b" : fichier introuvable\n")
            elif line == b"quitter":
                break
            else:
                self.wfile.write(b"erreur : commande inconnue : " + line + b"\n")
        self.connection.shutdown(1)
        while self.rfile.read(65536):
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def handle_error(self, *_):
        pass


Server(("127.0.0.1", int(sys.argv[3])), Commands).serve_forever()
