# plain accept: greets, where only what the client sends comes back.
# also one-line: the greeting comes before it; so it does in most of what follows.
# also no-newline, bytes, big, half-close, end, next, waiting: the same.
# also reset, leaves, never-reads, come-and-go: the same.
import socket
import sys
import threading


def serve(client):
    with client:
        try:
            client.sendall(b"220 bonjour\n")
            while piece := client.recv(65536):
                client.sendall(piece)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
