# echo sigterm: a child keeps the listener, and with it the port.
import os
import signal
import socket
import sys

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    client = listener.accept()[0]
    if os.fork() == 0:
        try:
            client.sendall("Le serveur écoute.\n".encode())
            for line in client.makefile("rb"):
                client.sendall("le serveur répond : ".encode() + line)
        except OSError:
            pass
        os._exit(0)
    client.close()
