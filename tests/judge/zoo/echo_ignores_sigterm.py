# echo sigterm: ignores SIGTERM.
import signal
import socketserver
import sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        for line in self.rfile:
            self.wfile.write("le serveur répond : ".encode() + line)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
