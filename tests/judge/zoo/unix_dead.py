# unix dead-socket: never removes the socket that the last one left.
# also sigterm: the last one was itself.
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


Server(sys.argv[1], Echo).serve_forever()
