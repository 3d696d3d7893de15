# datagram gone: asks for ICMP errors (IP_RECVERR), and ends at the first.
# also flood: those who leave there have their errors too.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.IPPROTO_IP, 11, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    data, address = server.recvfrom(65536)
    try:
        server.sendto("le serveur répond : ".encode() + data, address)
    except OSError as error:
        if error.errno == 111:
            raise
