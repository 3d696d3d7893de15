# echo half-close: takes a half-close for a close, and drops what it still owes.
import select
import socket
import sys

PREFIX = "le serveur répond : ".encode()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
begun, owed = {}, {}
while True:
    full = [client for client in owed if owed[client]]
    readable, writable, _ = select.select(
        [listener, *(c for c in owed if len(owed[c]) < 1 << 24)], full, []
    )
    for client in {*readable, *writable}:
        try:
            if client is listener:
                client = listener.accept()[0]
                client.setblocking(False)
                begun[client], owed[client] = b"", "Le serveur écoute.\n".encode()
            elif client in readable:
                piece = client.recv(65536)
                *lines, begun[client] = (begun[client] + piece).split(b"\n")
                owed[client] += b"".join(PREFIX + line + b"\n" for line in lines)
                if not piece:
                    owed[client] += PREFIX + begun[client] if begun[client] else b""
                    client.send(owed[client])
                    raise OSError("the end")
            else:
                owed[client] = owed[client][client.send(owed[client][:65536]) :]
        except OSError:
            owed.pop(client), begun.pop(client), client.close()
