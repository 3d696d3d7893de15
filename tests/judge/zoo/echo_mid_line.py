# echo mid-line: at the end of the input there is no newline, and the error ends the server.
# also last-line: that has no newline either.
import os
import socket
import sys
import threading


def serve(client):
    waiting = b""
    try:
        client.sendall("Le serveur écoute.\n".encode())
        while piece := client.recv(65536):
            waiting += piece
            if b"\n" in piece:
                *lines, waiting = waiting.split(b"\n")
                client.sendall(
                    b"".join("le serveur répond : ".encode() + line + b"\n" for line in lines)
                )
    except OSError:
        waiting = b""
    if waiting:
        os._exit(1)  # what an exception does where there is one thread
    client.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
