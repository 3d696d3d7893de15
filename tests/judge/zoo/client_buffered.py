# client shows: what is shown stays in a buffer until the end.
# also no-newline, pieces, bytes, both-ways, big, slow-server, half-close, end: it shows there.
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
        sys.stdout.buffer.write(data)
    sys.stdout.flush()
except OSError as error:
    print(f"client: {error}", file=sys.stderr)
    os._exit(1)
os._exit(0)
