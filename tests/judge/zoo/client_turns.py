# client both-ways: one line typed, one answer shown, and so on.
# also sends, shows, no-newline, pieces, bytes, big: each of them has another order.
# also slow-server, half-close, end, reset: the same.
import socket
import sys

try:
    server = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    for line in sys.stdin.buffer:
        server.sendall(line)
        sys.stdout.buffer.write(server.recv(65536))
        sys.stdout.flush()
except OSError as error:
    sys.exit(f"client: {error}")
