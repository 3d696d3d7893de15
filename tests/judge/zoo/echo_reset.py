# echo reset: an error of one client ends the whole server.
# also mid-line: to answer one who has closed is such an error.
# also come-and-go: there are resets among them.
# also never-reads: all wait in the same sendall.
import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
begun = {}
while True:
    for ready in select.select([listener, *begun], [], [])[0]:
        if ready is listener:
            ready = listener.accept()[0]
            begun[ready] = True
            ready.sendall("Le serveur écoute.\n".encode())
        elif piece := ready.recv(65536):
            for line in piece.splitlines(True) if b"\r" not in piece else [piece]:
                ready.sendall(("le serveur répond : " if begun[ready] else "").encode() + line)
                begun[ready] = line.endswith(b"\n")
        else:
            begun.pop(ready), ready.close()
