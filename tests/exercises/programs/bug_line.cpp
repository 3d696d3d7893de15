// echo/bug_line: the echo server, without the greeting, one client after the other. Each line X is
// answered `le serveur répond : X`. It has one fault: find an input that shows it, and mend it.
//
//     make exercise NAME=bug_line
#include "../fd.hpp"

#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"

namespace {

void converse(const Fd& client) {
    char line[64];
    for (;;) {
        const ssize_t received = recv(client.get(), line, sizeof line, 0);
        if (received == -1 && errno == EINTR) continue;
        if (received <= 0) return;
        std::string text(line, static_cast<std::size_t>(received));
        if (text.back() == '\n') text.pop_back();
        if (!send_all(client, "le serveur répond : " + text + '\n')) return;
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/bug_line", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd listener = tcp::passive_open(where);
    log_line("listening on ", tcp::local_address(listener));
    for (;;) {
        const Fd client{accept(listener.get(), nullptr, nullptr)};
        if (client) converse(client);
    }
} catch (const std::exception& error) {
    log_line("echo/bug_line: ", error.what());
    return 1;
}
