import socket, sys, threading

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.connect(("127.0.0.1", 9090))

def say():
    for line in sys.stdin:
        server.sendall(line.encode())
    server.shutdown(socket.SHUT_WR)

threading.Thread(target=say, daemon=True).start()
while received := server.recv(16384):
    print(received.decode(), end="", flush=True)
