"""A room that does all that it should, a thread for each client; the faulty ones change one
thing of it."""

import os
import socket
import struct
import sys
import threading


class Room:
    stuck = 3  # seconds after which one who takes nothing is dropped

    def __init__(self):
        self.names, self.lock = {}, threading.RLock()

    def new_name(self):
        while (name := os.urandom(2).hex()[:3].encode()) in self.names.values():
            pass
        return name

    def tell(self, text, but=None):
        late = []
        for client in [client for client in self.names if client is not but]:
            try:
                client.sendall(text)
            except OSError:
                late.append(client)  # too slow (SO_SNDTIMEO), or gone
        for client in late:
            try:
                client.shutdown(socket.SHUT_RDWR)  # its own thread notices
            except OSError:
                pass

    def say(self, client, lines):
        start = b"Message de " + self.names[client] + b" : "
        self.tell(b"".join(start + line + b"\n" for line in lines))

    def leave(self, client, last, was_reset):
        if last:
            self.say(client, [last])
        self.tell(self.names.pop(client) + " est déconnecté\n".encode(), but=client)

    def is_too_long(self, line):
        return len(line) > 65536

    def split(self, begun):
        *lines, begun = begun.split(b"\n")
        return lines, begun

    def listen_to(self, client):
        """Until the client has no more to say; returns what it said last, without a newline."""
        begun = b""
        while piece := client.recv(65536):
            lines, begun = self.split(begun + piece)
            if any(map(self.is_too_long, [begun, *lines])):
                client.sendall("erreur : ligne trop longue\n".encode())
                client.shutdown(socket.SHUT_WR)
                client.settimeout(0.3)
                while client.recv(65536):
                    pass
                raise OSError("too long")
            with self.lock:
                self.say(client, lines)
        return begun

    def receive(self, client):
        with self.lock:
            name = self.new_name()
            self.tell(name + " est connecté\n".encode())
            self.names[client] = name
            client.sendall(b"je suis : " + name + b"\n")
        last, was_reset = b"", False
        try:
            last = self.listen_to(client)
        except OSError:
            was_reset = True
        with self.lock:
            self.leave(client, last, was_reset)
        client.close()

    def serve(self):
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
        while True:
            client = listener.accept()[0]
            seconds = struct.pack("ll", int(self.stuck), int(self.stuck % 1 * 1e6))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            threading.Thread(target=self.receive, args=[client], daemon=True).start()


if __name__ == "__main__":
    Room().serve()
