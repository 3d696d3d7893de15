# broadcast names: draws a name, and does not look whether it is taken.
# also one-order: twenty are there at once.
import os
import socket
import sys
import threading

clients, lock = {}, threading.Lock()


def tell(text, but=None):
    late = []
    for client in [client for client in clients if client is not but]:
        try:
            client.sendall(text)
        except OSError:
            late.append(client)  # too slow (SO_SNDTIMEO), or gone
    for client in late:
        try:
            client.shutdown(socket.SHUT_RDWR)  # its own thread notices
        except OSError:
            pass


def serve(client):
    begun = b""
    with lock:
        name = next(name for _ in range(9999) if (name := b"%03d" % (os.getrandom(1)[0] % 40)) not in ())
        tell(name + " est connecté\n".encode())
        clients[client] = name
        client.sendall(b"je suis : " + name + b"\n")
    try:
        while piece := client.recv(65536):
            *lines, begun = (begun + piece).split(b"\n")
            if any(len(line) > 65536 for line in [begun, *lines]):
                client.sendall("erreur : ligne trop longue\n".encode())
                client.shutdown(socket.SHUT_WR)
                client.settimeout(0.3)
                while client.recv(65536):
                    pass
                raise OSError("too long")
            with lock:
                tell(b"".join(b"Message de " + name + b" : " + line + b"\n" for line in lines))
    except OSError:
        begun = b""
    with lock:
        if begun:
            tell(b"Message de " + name + b" : " + begun + b"\n")
        del clients[client]
        tell(name + " est déconnecté\n".encode())
    client.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    client = listener.accept()[0]
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, (3).to_bytes(8, "little") + bytes(8))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    threading.Thread(target=serve, args=[client], daemon=True).start()
