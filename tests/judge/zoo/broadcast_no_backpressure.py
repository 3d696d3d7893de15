# broadcast slow-reader: those who send never wait: a queue without end for each, and a thread for it.
import queue
import socket
import threading

from right.room import Room


class Faulty(Room):
    def __init__(self):
        super().__init__()
        self.writers = {}

    def tell(self, text, but=None):
        for client in self.names:
            if client not in self.writers:
                waiting = queue.Queue()
                writer = threading.Thread(target=self.write, args=[client, waiting], daemon=True)
                self.writers[client] = waiting, writer
                writer.start()
            if client is not but:
                self.writers[client][0].put(text)

    def write(self, client, waiting):
        try:
            while (text := waiting.get()) is not None:
                client.sendall(text)
        except OSError:
            client.shutdown(socket.SHUT_RDWR)

    def leave(self, client, last, was_reset):
        super().leave(client, last, was_reset)
        if client in self.writers:
            waiting, writer = self.writers.pop(client)
            waiting.put(None)
            writer.join()


Faulty().serve()
