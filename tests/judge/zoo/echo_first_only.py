# echo second-client: answers the first client only, and ends.
# also bytes: each of its lines has a client of its own; so have half-close, and most that follow.
# also half-close, hundred, reset, mid-line, never-reads, come-and-go: there is no other client.
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
client, _ = listener.accept()
client.sendall("Le serveur écoute.\n".encode())
for line in client.makefile("rb"):
    client.sendall("le serveur répond : ".encode() + line)
