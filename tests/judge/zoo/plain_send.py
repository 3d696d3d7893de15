# plain big: send() may take a part only, and the rest is lost (a socket that does not block).
# also half-close: more than the buffers on the way hold is owed there too.
import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    client, _ = listener.accept()
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with client:
        try:
            while select.select([client], [], []) and (piece := client.recv(65536)):
                select.select([], [client], [])
                client.send(piece)
        except OSError:
            pass
