# client no-newline: shows a line when it has ended.
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
    for line in server.makefile("rb"):
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
except OSError as error:
    print(f"client: {error}", file=sys.stderr)
    os._exit(1)
os._exit(0)
