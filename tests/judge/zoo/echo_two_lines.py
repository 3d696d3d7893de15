# echo two-lines: looks for one line in what a recv returned, and not for all that are there.
import socketserver
import sys

PREFIX = "le serveur répond : ".encode()


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall("Le serveur écoute.\n".encode())
        waiting = b""
        while piece := self.request.recv(65536):
            waiting += piece
            if b"\n" in piece:
                line, _, waiting = waiting.partition(b"\n")
                self.request.sendall(PREFIX + line + b"\n")
        self.request.sendall(b"".join(PREFIX + line for line in waiting.splitlines(True)))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
