import socket, sys

server = socket.socket()
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
while True:
    client, address = server.accept()
    client.sendall("Le serveur écoute.\n".encode())
    while line := client.recv(1024):
        client.sendall("le serveur répond : ".encode() + line)
