# echo reset: takes no notice of a send that failed, and the next one is SIGPIPE.
# also come-and-go: there are resets among them.
# also mid-line: one has gone before its answer.
import signal
import socketserver
import sys

signal.signal(
    signal.SIGPIPE, signal.SIG_DFL
)  # as in C, where nobody has asked for anything else


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        try:
            for line in self.rfile:
                for piece in ("le serveur répond : ".encode() + line, b""):
                    try:
                        self.request.sendall(piece or b"")
                    except OSError:
                        pass
        except OSError:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
