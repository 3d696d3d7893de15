# echo accept: closes a client that has said nothing for eight tenths of a second.
# also half-close, never-reads: the one who does not read there says nothing either, after a while.
# also hundred: on a busy machine each of so many has to wait for its turn.
import socket
import sys
import threading


def serve(client):
    try:
        client.sendall("Le serveur écoute.\n".encode())
        client.settimeout(0.8)
        for line in client.makefile("rb"):
            client.sendall("le serveur répond : ".encode() + line)
    except OSError:
        pass
    client.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
