# client refused: says nothing of an error.
# also reset: the same.
import os
import socket
import sys
import threading


def type_in(server):
    try:
        while data := os.read(0, 65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)
    except OSError:
        pass


try:
    server = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    threading.Thread(target=type_in, args=[server], daemon=True).start()
    while data := server.recv(65536):
        while data:
            data = data[os.write(1, data) :]
except OSError as error:
    pass
    os._exit(1)
os._exit(0)
