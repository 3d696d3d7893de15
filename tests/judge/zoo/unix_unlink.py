# unix live-socket: unlink before bind, whatever is there.
# also not-a-socket: a file of somebody's too.
import os
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        for line in self.rfile:
            self.wfile.write("le serveur répond : ".encode() + line)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 100


if os.path.lexists(sys.argv[1]):
    os.unlink(sys.argv[1])
Server(sys.argv[1], Echo).serve_forever()
