"""Clients that ask for as much as they can, as fast as they can: COUNT connections, which read all
that comes, until this is killed. What they say comes on standard input.

    python3 tests/soak/greedy.py HOST PORT COUNT      or: PATH "" COUNT
"""

import select
import socket
import sys


def main(host, port, count):
    said = sys.stdin.buffer.read()
    epoll = select.epoll()
    clients = {}
    for _ in range(int(count)):
        client = socket.socket(socket.AF_INET if port else socket.AF_UNIX)
        client.connect((host, int(port)) if port else host)
        client.setblocking(False)
        clients[client.fileno()] = [client, memoryview(said)]
        epoll.register(client, select.EPOLLIN | select.EPOLLOUT)
    print("begun", flush=True)
    while True:
        for descriptor, events in epoll.poll():
            client, left = clients[descriptor]
            try:
                if events & select.EPOLLIN:
                    client.recv(1 << 20)
                if events & select.EPOLLOUT:
                    left = left[client.send(left) :]
            except BlockingIOError:
                continue
            clients[descriptor][1] = left or memoryview(said)


if __name__ == "__main__":
    main(*sys.argv[1:])
