// echo/bug_order: says how long each line is, one client after the other. A line of N bytes, its
// end not counted, is answered by N as four bytes, the high one first, and then the line again. It
// has one fault: find an input that shows it, and mend it.
//
//     make exercise NAME=bug_order
#include "../fd.hpp"

#include <sys/socket.h>

#include <csignal>
#include <cstdint>

#include "../server.hpp"
#include "../tcp/tcp.hpp"

namespace {

struct Head {
    std::uint32_t length;
};

bool answer(const Fd& client, const std::string& line) {
    const Head head{static_cast<std::uint32_t>(line.size())};
    return send_all(client, {reinterpret_cast<const char*>(&head), sizeof head}) &&
           send_all(client, line + '\n');
}

void converse(const Fd& client) {
    std::string received;
    char bytes[4096];
    for (;;) {
        const ssize_t size = recv(client.get(), bytes, sizeof bytes, 0);
        if (size == -1 && errno == EINTR) continue;
        if (size <= 0) return;
        received.append(bytes, static_cast<std::size_t>(size));
        for (std::size_t end; (end = received.find('\n')) != std::string::npos;) {
            if (!answer(client, received.substr(0, end))) return;
            received.erase(0, end + 1);
        }
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/bug_order", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd listener = tcp::passive_open(where);
    log_line("listening on ", tcp::local_address(listener));
    for (;;) {
        const Fd client{accept(listener.get(), nullptr, nullptr)};
        if (client) converse(client);
    }
} catch (const std::exception& error) {
    log_line("echo/bug_order: ", error.what());
    return 1;
}
