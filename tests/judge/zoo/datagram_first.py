# datagram two-clients: answers all to the address of the first.
# also bytes, empty, gone, flood: those have other clients too.
# also too-long: it asks for one more.
# also answer: the judge's first question, whether the server is there, makes it the first client.
# also nothing-added, one-each, large: the same.
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
first = None
while True:
    data, address = server.recvfrom(65536)
    first = first or address
    try:
        server.sendto("le serveur répond : ".encode() + data, first)
    except OSError:
        pass
