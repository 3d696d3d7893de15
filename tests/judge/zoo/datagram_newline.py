# datagram nothing-added: puts a newline after each answer, as if a datagram had lines.
# also answer, bytes, empty, two-clients, one-each, large, too-long, gone, flood: the same.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, address = server.recvfrom(65536)
    try:
        server.sendto("le serveur répond : ".encode() + data + b"\n", address)
    except OSError:
        pass
