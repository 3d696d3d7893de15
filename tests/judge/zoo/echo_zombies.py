# echo come-and-go: nobody waits for the children that have ended.
import os
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    client = listener.accept()[0]
    if os.fork() == 0:
        listener.close()
        try:
            client.sendall("Le serveur écoute.\n".encode())
            for line in client.makefile("rb"):
                client.sendall("le serveur répond : ".encode() + line)
        except OSError:
            pass
        os._exit(0)
    client.close()
