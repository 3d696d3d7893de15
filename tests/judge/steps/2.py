import socket, sys

server = socket.socket()
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
while True:
    client, address = server.accept()
    client.sendall("Le serveur écoute.\n".encode())
    for line in client.makefile("rb"):
        client.sendall("le serveur répond : ".encode() + line)
    client.close()
