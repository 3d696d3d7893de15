# echo second-client: after select has said "readable", readline waits for a whole line.
# also never-reads: it waits in sendall as well.
# also long-line, half-close: it has to read byte by byte, and that is slow.
import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
streams = {}
while True:
    for ready in select.select([listener, *streams], [], [])[0]:
        try:
            if ready is listener:
                ready = listener.accept()[0]
                streams[ready] = ready.makefile("rb", buffering=0)
                ready.sendall("Le serveur écoute.\n".encode())
            elif line := streams[ready].readline():
                ready.sendall("le serveur répond : ".encode() + line)
            else:
                raise OSError("the end")
        except OSError:
            streams.pop(ready).close(), ready.close()
