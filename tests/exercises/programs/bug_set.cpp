// echo/bug_set: counts what each client says, all of them in one select loop: to every piece that
// comes it answers how many bytes have come from that client by now, and a newline.
// It has one fault: find clients that show it, and mend it.
//
//     make exercise NAME=bug_set
#include "../fd.hpp"

#include <sys/select.h>
#include <sys/socket.h>

#include <csignal>
#include <map>

#include "../server.hpp"
#include "../tcp/tcp.hpp"

namespace {

struct Client {
    Fd fd{};
    std::uint64_t bytes = 0;  ///< that have come from it
};

/// Hears a client, and answers. False when it has gone.
bool take_turn(Client& client) {
    char bytes[4096];
    const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
    if (received == -1) return errno == EINTR;
    if (received == 0) return false;
    client.bytes += static_cast<std::uint64_t>(received);
    return send_all(client.fd, std::to_string(client.bytes) + '\n');
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/bug_set", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd listener = tcp::passive_open(where);
    log_line("listening on ", tcp::local_address(listener));
    std::map<int, Client> clients;  // by descriptor
    fd_set set;
    FD_ZERO(&set);
    FD_SET(listener.get(), &set);
    for (;;) {
        const int highest = clients.empty() ? 0 : clients.rbegin()->first;
        if (select(std::max(highest, listener.get()) + 1, &set, nullptr, nullptr, nullptr) == -1)
            continue;
        for (auto i = clients.begin(); i != clients.end();) {
            const bool stays = !FD_ISSET(i->first, &set) || take_turn(i->second);
            if (!stays) FD_CLR(i->first, &set);
            i = stays ? std::next(i) : clients.erase(i);
        }
        if (!FD_ISSET(listener.get(), &set)) continue;
        Fd client{accept(listener.get(), nullptr, nullptr)};
        if (!client || client.get() >= FD_SETSIZE) continue;
        const int number = client.get();
        FD_SET(number, &set);
        clients[number].fd = std::move(client);
    }
} catch (const std::exception& error) {
    log_line("echo/bug_set: ", error.what());
    return 1;
}
