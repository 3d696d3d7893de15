# unix not-a-socket: nobody answers at the path, and so it is removed, whatever it is.
import os
import socket
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


with socket.socket(socket.AF_UNIX) as probe:
    try:
        probe.connect(sys.argv[1])
        sys.exit("somebody listens there")
    except ConnectionRefusedError:  # a dead socket, and a file that is none, say the same
        os.unlink(sys.argv[1])
    except FileNotFoundError:
        pass
Server(sys.argv[1], Echo).serve_forever()
