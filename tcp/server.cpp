// tcp/server: the plainest TCP server. What a client sends comes back, byte for byte (RFC 862).
//
//     build/tcp/server                 serves on 127.0.0.1:9090
//     build/tcp/client 127.0.0.1 9090  talks to it from another terminal; so does nc 127.0.0.1 9090
//
//     socket, bind, listen             from here on the kernel takes connections for us
//     accept <-------------+           the next of them, which has a descriptor of its own
//     recv, send, recv ... |           until recv returns 0: the client has nothing more to say
//     close ---------------+           ~Fd does that. Read tcp/client next, then echo/iterative.
#include "../fd.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <charconv>
#include <iostream>

/// Writes a line to stderr, byte by byte: poll promises room for one. What finds none is lost.
void say(const char* what, const sockaddr_in& address) {
    char digits[INET_ADDRSTRLEN], line[64];
    inet_ntop(AF_INET, &address.sin_addr, digits, sizeof digits);
    snprintf(line, sizeof line, "%s %s:%d\n", what, digits, ntohs(address.sin_port));
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    for (const char* c = line; *c != 0 && poll(&room, 1, 0) == 1 && write(room.fd, c, 1) == 1;) ++c;
}

/// Sends back all that the client says, until it has no more to say, or is gone.
void converse(const Fd& client) {
    char bytes[16 * 1024];
    while (const ssize_t received = recv(client.get(), bytes, sizeof bytes, 0)) {
        if (received == -1 && errno != EINTR) return;  // EINTR: a signal came, but no bytes
        for (ssize_t done = 0; done < received;) {     // send may take only a part
            const ssize_t sent = send(client.get(), bytes + done, size_t(received - done), 0);
            if (sent == -1 && errno != EINTR) return;
            if (sent > 0) done += sent;
        }
    }
}

int main(int argc, char* argv[]) try {
    const std::string word = argc == 1 ? "9090" : argv[1];
    in_port_t port = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
    if (word == "-h" || word == "--help") return std::cout << "usage: tcp/server [PORT]\n", 0;
    if (argc > 2 || error != std::errc{} || *end != '\0')
        return std::cerr << "tcp/server: one PORT, like 9090\nusage: tcp/server [PORT]\n", 2;
    open_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    sockaddr_in address{};
    auto* const generic = reinterpret_cast<sockaddr*>(&address);  // the type that the calls take
    socklen_t length = sizeof address;
    address.sin_family = AF_INET;                        // IPv4
    address.sin_port = htons(port);                      // two bytes, the high one first
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);  // four bytes
    const Fd listener{check("socket", socket(AF_INET, SOCK_STREAM, 0))};
    const int on = 1;  // SO_REUSEADDR: when we start again, the port is ours at once (socket(7))
    check("setsockopt", setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    check("bind 127.0.0.1:" + word, bind(listener.get(), generic, length));
    check("listen", listen(listener.get(), SOMAXCONN));
    check("getsockname", getsockname(listener.get(), generic, &length));  // the port, if PORT was 0
    say("listening on", address);
    for (;;) {
        const Fd client{accept(listener.get(), generic, &length)};  // `address` is now the client's
        if (!client) sleep(1);  // the client has gone already, or no descriptor is free
        if (client) say("client", address);
        if (client) converse(client);
    }
} catch (const std::exception& error) {
    return std::cerr << "tcp/server: " << error.what() << '\n', 1;
}
