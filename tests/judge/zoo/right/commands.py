"""A commands server that does all that it should; the faulty ones change one thing of it."""

import datetime
import os
import socketserver
import sys


class Commands(socketserver.StreamRequestHandler):
    folder = sys.argv[2]

    def may_be_given(self, parts):
        paths = [os.path.join(self.folder, *parts[: i + 1]) for i in range(len(parts))]
        shown = all(part and not part.startswith(".") for part in parts)
        return shown and not any(map(os.path.islink, paths)) and os.path.isfile(paths[-1])

    def now(self):
        return datetime.datetime.now().astimezone()

    def size(self, content):
        return len(content)

    def line_of(self, line):
        return line.removesuffix(b"\n")

    def file(self, name):
        try:
            parts = os.fsdecode(name).split("/")
            if not self.may_be_given(parts):
                raise OSError("not there")
            with open(os.path.join(self.folder, *parts), "rb") as file:
                content = file.read()
            return b"%s %d\n" % (name, self.size(content)) + content
        except (OSError, ValueError):
            return b"erreur : " + name + b" : fichier introuvable\n"

    def handle(self):
        for line in map(self.line_of, self.rfile):
            if line == b"hello":
                self.wfile.write(b"hello\n")
            elif line == b"heure":
                self.wfile.write(self.now().isoformat(timespec="seconds").encode() + b"\n")
            elif line.startswith(b"fichier "):
                self.wfile.write(self.file(line.removeprefix(b"fichier ")))
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
        pass  # of one connection


def serve(handler):
    Server(("127.0.0.1", int(sys.argv[3])), handler).serve_forever()


if __name__ == "__main__":
    serve(Commands)
