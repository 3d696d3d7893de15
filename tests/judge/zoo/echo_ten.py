# echo hundred: ten threads, and so ten clients at once.
import concurrent.futures
import socket
import sys


def serve(client):
    with client, client.makefile("rb") as lines:
        try:
            client.sendall("Le serveur écoute.\n".encode())
            for line in lines:
                client.sendall("le serveur répond : ".encode() + line)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
pool = concurrent.futures.ThreadPoolExecutor(10)
while True:
    pool.submit(serve, listener.accept()[0])
