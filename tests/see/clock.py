"""A time server for a picture: answers each NTP request with the time of this machine (RFC 5905).

    python3 tests/see/clock.py PORT
"""

import socket
import struct
import sys
import time

SINCE_1900 = 2_208_988_800


def now():
    return int((time.time() + SINCE_1900) * 2**32) % 2**64


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    request, client = server.recvfrom(100)
    received = now()  # T2
    (origin,) = struct.unpack_from("!Q", request, 40)  # T1, as the client said it
    head = struct.pack("!BBbbII4s", 0o44, 2, 6, -20, 0, 0, b"\xc0\0\2\1")
    server.sendto(head + struct.pack("!4Q", received, origin, received, now()), client)  # T3
