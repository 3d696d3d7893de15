// tests/bench/unix_load: one client of the echo protocol, at a path or at a port. Checks every byte
// that comes back.
//
//     build/tests/bench/unix_load ping PATH|PORT SECONDS     a line, its answer, the next: lines
//     per second build/tests/bench/unix_load bulk PATH|PORT SECONDS     lines without waiting:
//     bytes answered per second
//
// What has a slash in it is a path, what has none a port of 127.0.0.1. The lines are of 64 bytes,
// numbered: an answer that is lost, doubled or out of order is a wrong one. Prints one line of
// JSON.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../../echo/reply.hpp"
#include "../../fd.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t line_size = 64;
constexpr std::size_t lines_in_block = 4096;

Fd connect_to(const std::string& where) {
    if (where.find('/') != where.npos) {
        Fd fd{check("socket", socket(AF_UNIX, SOCK_STREAM, 0))};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        where.copy(address.sun_path, sizeof address.sun_path - 1);
        check("connect", connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
        return fd;
    }
    Fd fd{check("socket", socket(AF_INET, SOCK_STREAM, 0))};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(std::stoi(where)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check("connect", connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
    const int on = 1;
    check("setsockopt", setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    return fd;
}

/// What is sent, round and round, and what is owed for it.
struct Conversation {
    explicit Conversation(const Fd& server) : fd{server} {
        for (std::size_t i = 0; i < lines_in_block; ++i) {
            std::string line = std::to_string(i);
            line.resize(line_size - 1, 'x');
            line += '\n';
            sent += line;
            owed += std::string{Reply::prefix} + line;
        }
        for (std::string first; first != greeting;) {
            const auto got = receive(greeting.size() - first.size(), 0);
            first += got;
            if (first != greeting.substr(0, first.size()))
                throw std::runtime_error{"not the greeting"};
        }
    }

    std::string_view receive(std::size_t most, int flags) {
        const ssize_t n =
            check("recv", recv(fd.get(), buffer.data(), std::min(most, buffer.size()), flags));
        if (n == 0) throw std::runtime_error{"the server closed"};
        return {buffer.data(), static_cast<std::size_t>(n)};
    }

    /// Receives at most `most` bytes of answers, and returns how many came.
    std::size_t receive_answers(std::size_t most, int flags = 0) {
        const std::string_view came = receive(most, flags);
        for (auto rest = came; !rest.empty();) {
            const auto piece = rest.substr(0, owed.size() - position);
            if (piece != std::string_view{owed}.substr(position, piece.size()))
                throw std::runtime_error{"wrong bytes came back"};
            position = (position + piece.size()) % owed.size();
            rest.remove_prefix(piece.size());
        }
        return came.size();
    }

    const Fd& fd;
    std::string sent{};
    std::string owed{};
    std::size_t position = 0;  ///< in `owed`, of what comes next
    std::vector<char> buffer = std::vector<char>(256 * 1024);
};

void ping(Conversation& with, Clock::time_point end, double seconds) {
    std::size_t lines = 0;
    for (; Clock::now() < end; ++lines) {
        check("send", send(with.fd.get(), with.sent.data() + lines % lines_in_block * line_size,
                           line_size, 0));
        for (std::size_t left = Reply::prefix.size() + line_size; left > 0;)
            left -= with.receive_answers(left);
    }
    std::printf("{\"lines_per_second\": %.0f}\n", static_cast<double>(lines) / seconds);
}

void bulk(Conversation& with, Clock::time_point end, double seconds) {
    std::size_t received = 0;
    std::size_t from = 0;  // in `sent`
    while (Clock::now() < end) {
        pollfd polled{with.fd.get(), POLLIN | POLLOUT, 0};
        check("poll", poll(&polled, 1, -1));
        if ((polled.revents & POLLIN) != 0)
            received += with.receive_answers(with.buffer.size(), MSG_DONTWAIT);
        if ((polled.revents & POLLOUT) == 0) continue;
        const ssize_t n =
            send(with.fd.get(), with.sent.data() + from, with.sent.size() - from, MSG_DONTWAIT);
        if (n == -1 && errno != EAGAIN) check("send", n);
        if (n > 0) from = (from + static_cast<std::size_t>(n)) % with.sent.size();
    }
    std::printf("{\"bytes_per_second\": %.0f}\n", static_cast<double>(received) / seconds);
}

}  // namespace

int main(int argc, char* argv[]) try {
    if (argc != 4) throw std::runtime_error{"usage: unix_load ping|bulk PATH|PORT SECONDS"};
    const double seconds = std::atof(argv[3]);
    const Fd fd = connect_to(argv[2]);
    Conversation conversation{fd};
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>{seconds});
    (argv[1] == std::string_view{"ping"} ? ping : bulk)(conversation, end, seconds);
} catch (const std::exception& error) {
    std::fprintf(stderr, "unix_load: %s\n", error.what());
    return 1;
}
