# datagram empty: takes an empty datagram for the end.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, address = server.recvfrom(65536)
    if not data:
        break
    try:
        server.sendto("le serveur répond : ".encode() + data, address)
    except OSError:
        pass
