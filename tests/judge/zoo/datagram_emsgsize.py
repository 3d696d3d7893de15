# datagram too-long: an answer that is too long for a datagram ends the server (EMSGSIZE).
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, address = server.recvfrom(65536)
    server.sendto("le serveur répond : ".encode() + data, address)
