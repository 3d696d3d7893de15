import socket, sys, threading


def serve(client):
    try:
        client.sendall("Le serveur écoute.\n".encode())
        for line in client.makefile("rb"):
            client.sendall("le serveur répond : ".encode() + line)
    except OSError:
        pass  # it has gone: that ends this conversation, and no other
    client.close()


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
while True:
    client, address = server.accept()
    threading.Thread(target=serve, args=[client], daemon=True).start()
