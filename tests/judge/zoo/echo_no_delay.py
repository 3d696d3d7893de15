# echo no-delay: an answer in two sends, and the second waits for the acknowledgement of the first.
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write("Le serveur écoute.\n".encode())
        for line in self.rfile:
            self.wfile.write("le serveur répond : ".encode())
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
