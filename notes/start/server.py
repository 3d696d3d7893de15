import socket

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 9090))
listener.listen()
print("listening on 127.0.0.1:9090", flush=True)
while True:
    client, address = listener.accept()
    while received := client.recv(16384):
        client.sendall(received)
    client.close()
