// echo/bug_end: shouts back in capitals, to all clients in one poll loop: a-z becomes A-Z, every
// other byte stays. It has one fault: find out how to show it (look at `top`), and mend it.
//
//     make exercise NAME=bug_end
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>
#include <vector>

#include "../server.hpp"
#include "../tcp/tcp.hpp"

namespace {

/// Shouts back what a client has said. False when the client is to be closed.
bool take_turn(const Fd& client) {
    char bytes[4096];
    const ssize_t received = recv(client.get(), bytes, sizeof bytes, 0);
    if (received == -1) return errno == EINTR;
    for (ssize_t i = 0; i < received; ++i)
        if (bytes[i] >= 'a' && bytes[i] <= 'z') bytes[i] = static_cast<char>(bytes[i] - 'a' + 'A');
    return send_all(client, {bytes, static_cast<std::size_t>(received)});
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/bug_end", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd listener = tcp::passive_open(where);
    log_line("listening on ", tcp::local_address(listener));
    std::vector<Fd> clients;
    std::vector<pollfd> polled{{listener.get(), POLLIN, 0}};  // polled[i + 1] is clients[i]
    for (;;) {
        if (poll(polled.data(), polled.size(), -1) == -1) continue;
        for (std::size_t i = clients.size(); i-- > 0;) {
            if (polled[i + 1].revents == 0 || take_turn(clients[i])) continue;
            clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(i));
            polled.erase(polled.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
        if (polled[0].revents == 0) continue;
        if (Fd client{accept(listener.get(), nullptr, nullptr)}) {
            polled.push_back({client.get(), POLLIN, 0});
            clients.push_back(std::move(client));
        }
    }
} catch (const std::exception& error) {
    log_line("echo/bug_end: ", error.what());
    return 1;
}
