# echo come-and-go: does not close the socket of a client that has gone.
import socket
import sys
import threading

kept = []


def serve(client):
    kept.append(client)
    try:
        client.sendall("Le serveur écoute.\n".encode())
        for line in client.makefile("rb"):
            client.sendall("le serveur répond : ".encode() + line)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
