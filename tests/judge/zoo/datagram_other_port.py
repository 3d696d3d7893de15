# datagram answer: answers from a socket of its own, and so from another port.
# also nothing-added, bytes, empty, two-clients, one-each, large, too-long, gone, flood: the same.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, address = server.recvfrom(65536)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.sendto("le serveur répond : ".encode() + data, address)
        except OSError:
            pass
