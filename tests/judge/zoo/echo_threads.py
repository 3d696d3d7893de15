# echo come-and-go: a thread that does not end with its client.
import socket
import sys
import threading


def serve(client):
    with client:
        try:
            client.sendall("Le serveur écoute.\n".encode())
            for line in client.makefile("rb"):
                client.sendall("le serveur répond : ".encode() + line)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        threading.Event().wait()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
