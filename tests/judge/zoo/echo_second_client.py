# echo second-client: one client after the other.
# also hundred: they are there at once.
# also never-reads: the others wait for one who does not read.
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        for line in self.rfile:
            self.wfile.write("le serveur répond : ".encode() + line)


class Server(socketserver.TCPServer):
    allow_reuse_address = True


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
