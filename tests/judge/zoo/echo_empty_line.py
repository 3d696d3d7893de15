# echo empty-line: takes an empty line for the end.
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        while (line := self.rfile.readline()) not in (b"", b"\n"):
            self.wfile.write("le serveur répond : ".encode() + line)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
