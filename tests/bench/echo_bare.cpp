// tests/bench/echo_bare: recv, and send of an answer that was ready. No echo server is faster.
//
//     build/tests/bench/echo_bare 0    for one client at a time: echo_load PORT 1 IN_FLIGHT SECONDS
//
// It looks at nothing that comes: all lines are taken for those of echo_load, of 64 bytes.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "../../echo/reply.hpp"
#include "../../fd.hpp"

namespace {

constexpr std::size_t line_size = 64;

/// As many answers as fit into a recv.
std::string answers(std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all += Reply::prefix;
        for (std::size_t j = 0; j < line_size - 1; ++j) all += static_cast<char>('a' + j % 26);
        all += '\n';
    }
    return all;
}

bool send_all(const Fd& client, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent == -1) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void serve(const Fd& client) {
    static char bytes[16 * 1024];
    static const std::string ready = answers(sizeof bytes / line_size + 1);
    if (!send_all(client, greeting)) return;
    std::size_t rest = 0;  // of a line that has come in part
    for (ssize_t came; (came = recv(client.get(), bytes, sizeof bytes, 0)) > 0;) {
        rest += static_cast<std::size_t>(came);
        const std::size_t lines = rest / line_size;
        rest %= line_size;
        if (!send_all(client, {ready.data(), lines * (Reply::prefix.size() + line_size)})) return;
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    const Fd listener{check("socket", socket(AF_INET, SOCK_STREAM, 0))};
    check("bind", bind(listener.get(), generic, length));
    check("listen", listen(listener.get(), SOMAXCONN));
    check("getsockname", getsockname(listener.get(), generic, &length));
    std::cerr << "listening on 127.0.0.1:" << ntohs(address.sin_port) << '\n';
    const int on = 1;
    for (;;) {
        const Fd client{check("accept", accept(listener.get(), nullptr, nullptr))};
        setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        serve(client);
    }
} catch (const std::exception& error) {
    std::cerr << "echo_bare: " << error.what() << '\n';
    return 1;
}
