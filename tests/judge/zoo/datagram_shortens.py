# datagram too-long: cuts an answer that is too long for a datagram, and sends what is left.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    try:
        data, address = server.recvfrom(65536)
        server.sendto(("le serveur répond : ".encode() + data)[:65507], address)
    except OSError:
        pass  # of one who has gone
