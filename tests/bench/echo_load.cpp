// tests/bench/echo_load: a load for the echo protocol. Checks every byte that comes back.
//
//     build/tests/bench/echo_load PORT CLIENTS IN_FLIGHT SECONDS [IDLE [WARM_UP]]
//
// CLIENTS connections each keep IN_FLIGHT lines of 64 bytes on their way; IDLE more only connect.
// After WARM_UP seconds (a tenth of SECONDS) it counts for SECONDS, and prints one line of JSON:
// lines answered a second, and the percentiles of the time from a line's send to its answer, in
// microseconds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "../../echo/reply.hpp"
#include "../../fd.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t line_size = 64;
constexpr std::size_t answer_size = line_size + Reply::prefix.size();
constexpr std::size_t batch = 1024;  // answers in the pattern that a recv is compared with

struct Client {
    Fd fd;
    std::size_t greeted = 0;   // bytes of the greeting that have come
    std::size_t position = 0;  // in the answer that is coming
    std::deque<Clock::time_point> on_their_way{};
};

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "echo_load: %s\n", what.c_str());
    std::exit(1);
}

Fd connect_to(int port) {
    Fd fd{check("socket", socket(AF_INET, SOCK_STREAM, 0))};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check("connect", connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

}  // namespace

int main(int argc, char* argv[]) try {
    if (argc < 5) fail("usage: echo_load PORT CLIENTS IN_FLIGHT SECONDS [IDLE [WARM_UP]]");
    const int port = std::atoi(argv[1]);
    const auto clients_wanted = std::strtoul(argv[2], nullptr, 10);
    const auto in_flight = std::strtoul(argv[3], nullptr, 10);
    const double seconds = std::atof(argv[4]);
    const auto idle_wanted = argc > 5 ? std::strtoul(argv[5], nullptr, 10) : 0;

    const double warm_up = argc > 6 ? std::atof(argv[6]) : seconds / 10;

    std::string line(line_size - 1, 'x');
    for (std::size_t i = 0; i < line.size(); ++i) line[i] = static_cast<char>('a' + i % 26);
    line += '\n';
    std::string lines;
    std::string pattern;
    for (std::size_t i = 0; i < batch; ++i)
        lines += line, pattern += std::string{Reply::prefix} + line;

    std::vector<Fd> idle;
    for (std::size_t i = 0; i < idle_wanted; ++i) idle.push_back(connect_to(port));
    const Fd epoll{check("epoll_create1", epoll_create1(0))};
    std::vector<Client> clients(clients_wanted);
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].fd = connect_to(port);
        epoll_event event{EPOLLIN, {.u64 = i}};
        check("epoll_ctl", epoll_ctl(epoll.get(), EPOLL_CTL_ADD, clients[i].fd.get(), &event));
    }

    const auto send_lines = [&](Client& client, std::size_t count, Clock::time_point now) {
        client.on_their_way.insert(client.on_their_way.end(), count, now);
        for (std::string_view rest{lines.data(), count * line_size}; !rest.empty();)
            rest.remove_prefix(static_cast<std::size_t>(
                check("send", send(client.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL))));
    };

    std::vector<double> latencies;
    latencies.reserve(1 << 22);
    std::size_t answered = 0;
    const auto start = Clock::now();
    const auto counting =
        start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{warm_up});
    const auto end = counting + std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>{seconds});
    static char buffer[batch * answer_size / 2];
    for (auto now = start; now < end;) {
        epoll_event events[512];
        const int ready = epoll_wait(epoll.get(), events, 512, 10000);
        if (ready == 0) fail("ten seconds without an answer");
        for (int e = 0; e < ready; ++e) {
            Client& client = clients[events[e].data.u64];
            const ssize_t got = check("recv", recv(client.fd.get(), buffer, sizeof buffer, 0));
            if (got == 0) fail("the server closed");
            now = Clock::now();
            std::string_view bytes{buffer, static_cast<std::size_t>(got)};
            if (client.greeted < greeting.size()) {
                const auto part = std::min(bytes.size(), greeting.size() - client.greeted);
                if (bytes.substr(0, part) != greeting.substr(client.greeted, part))
                    fail("not the greeting");
                bytes.remove_prefix(part);
                client.greeted += part;
                if (client.greeted == greeting.size()) send_lines(client, in_flight, now);
            }
            if (std::memcmp(bytes.data(), pattern.data() + client.position, bytes.size()) != 0)
                fail("wrong bytes came back");
            const std::size_t done = (client.position + bytes.size()) / answer_size;
            client.position = (client.position + bytes.size()) % answer_size;
            if (done == 0) continue;
            if (now >= counting) {
                answered += done;
                for (std::size_t i = 0; i < done; ++i)
                    latencies.push_back(
                        std::chrono::duration<double, std::micro>(now - client.on_their_way[i])
                            .count());
            }
            client.on_their_way.erase(
                client.on_their_way.begin(),
                client.on_their_way.begin() + static_cast<std::ptrdiff_t>(done));
            send_lines(client, done, now);
        }
        now = Clock::now();
    }
    std::sort(latencies.begin(), latencies.end());
    const auto percentile = [&](double p) {
        return latencies.empty() ? 0.0
                                 : latencies[static_cast<std::size_t>(
                                       p * static_cast<double>(latencies.size() - 1))];
    };
    std::printf("{\"lines_per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
                static_cast<double>(answered) / seconds, percentile(0.5), percentile(0.99));
} catch (const std::exception& error) {
    fail(error.what());
}
