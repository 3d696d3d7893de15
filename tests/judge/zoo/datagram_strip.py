# datagram nothing-added: takes the end of line off, which came and was to go back.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, address = server.recvfrom(65536)
    try:
        server.sendto("le serveur répond : ".encode() + data.removesuffix(b"\n"), address)
    except OSError:
        pass
