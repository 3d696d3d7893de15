# echo pieces: takes the end of a recv for the end of a line.
# also long-line: it comes in many pieces.
# also last-line: it puts a newline where none was.
import socketserver
import sys

PREFIX = "le serveur répond : ".encode()


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall("Le serveur écoute.\n".encode())
        while piece := self.request.recv(65536):
            self.request.sendall(
                b"".join(
                    PREFIX + line + b"\n" for line in piece.removesuffix(b"\n").split(b"\n")
                )
            )


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
