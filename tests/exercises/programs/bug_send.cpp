// echo/bug_send: what comes goes back (RFC 862), to all clients in one poll loop, in which no call
// but poll waits. It has one fault: find an input that shows it, and mend it.
//
//     make exercise NAME=bug_send
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"

namespace {

struct Client {
    Fd fd{};
};

/// What a client has said goes back to it. False when the client has gone.
bool take_turn(const Client& client) {
    char bytes[16 * 1024];
    const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
    if (received == -1) return later(errno);
    if (received == 0) return false;
    const ssize_t sent = send(client.fd.get(), bytes, static_cast<std::size_t>(received), 0);
    return sent != -1 || later(errno);
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/bug_send", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    log_line("listening on ", tcp::local_address(listener));
    Rest rest;
    PollList<Client> list{{{listener.get(), POLLIN, 0}}};
    for (;;) {
        if (poll(list.polled.data(), list.polled.size(), -1) == -1) continue;
        for (std::size_t i = list.clients.size(); i-- > 0;) {
            if (list.entry(i).revents != 0 && !take_turn(list.clients[i])) list.remove(i);
        }
        if (list.polled[0].revents == 0) continue;
        Client client{rest.accepted(accept(listener.get(), nullptr, nullptr))};
        if (client.fd) list.add(std::move(client), POLLIN);
    }
} catch (const std::exception& error) {
    log_line("echo/bug_send: ", error.what());
    return 1;
}
