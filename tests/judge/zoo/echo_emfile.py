# echo come-and-go: no descriptor is left, accept fails (EMFILE), and that ends the server.
import socket
import sys
import threading


def answer(client):
    with client:
        try:
            client.sendall("Le serveur écoute.\n".encode())
            for line in client.makefile("rb"):
                client.sendall("le serveur répond : ".encode() + line)
        except OSError:
            pass  # of this client


server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    client, _ = server.accept()
    threading.Thread(target=answer, args=[client], daemon=True).start()
