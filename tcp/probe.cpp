// tcp/probe: what a client sees of a port: open, closed, filtered or rejected.
//
//     build/tcp/probe 127.0.0.1 22 80 9090
//
//     socket, connect           for each port; nobody waits: a SYN leaves for all of them at once
//     poll <-------------+      what comes back?
//       SO_ERROR --------+      SYN-ACK: open     RST: closed     nothing: filtered
//       error queue -----+      an ICMP message: rejected, and why          tcp/error_queue.hpp
//
// Before this: tcp/netcat, whose connect is one of these. After it: tcp/forward, which connects
// amid other work. Sources: connect(2) EINPROGRESS; UNP 16.3; RFC 9293 3.10.7.3 (a SYN's answers)
// and 3.9.2.2 (ICMP).
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

#include "error_queue.hpp"
#include "tcp.hpp"

namespace {

/// One port at one address.
struct Attempt {
    sockaddr_storage to{};
    socklen_t length = 0;
    Fd fd{};
    std::int64_t deadline = 0;  ///< by clock_ms()
    std::string verdict{};      ///< empty until it is known
};

/// What the end of a connect, 0 or its errno, means.
std::string verdict_of(int error, const Fd& fd) {
    if (error == 0 || error == ECONNRESET || error == EPIPE) return "open";  // if only for a moment
    if (error == ETIMEDOUT) return "filtered";  // dropped on the way, there or back
    const std::string reason = kept_icmp(fd);
    if (reason.empty() && error == ECONNREFUSED) return "closed";
    // Without a message it is our own system that knows no way there.
    return "rejected (" + (reason.empty() ? std::generic_category().message(error) : reason) + ')';
}

void settle(Attempt& attempt, int error) {
    attempt.verdict = verdict_of(error, attempt.fd);
    attempt.fd = Fd{};
}

/// Sends the SYN. False, with errno, when there is no descriptor for it.
bool start(Attempt& attempt, int limit) {
    const int family = attempt.to.ss_family;
    attempt.fd = Fd{socket(family, SOCK_STREAM, 0)};
    if (!attempt.fd && is_shortage(errno)) return false;
    int error = errno;  // EAFNOSUPPORT: a system without IPv6
    if (attempt.fd) {
        check("fcntl", set_nonblocking(attempt.fd));
        keep_icmp(attempt.fd, family);
        attempt.deadline = clock_ms() + limit;
        const auto* const to = reinterpret_cast<const sockaddr*>(&attempt.to);
        error = tcp::start_connect(attempt.fd, to, attempt.length);
    }
    if (error != 0) settle(attempt, error);
    return true;
}

/// What poll, and the clock, say of an attempt that waits.
void look_at(Attempt& attempt, short revents) {
    if (revents != 0) {
        settle(attempt, tcp::connect_result(attempt.fd));
    } else if (clock_ms() >= attempt.deadline) {
        settle(attempt, ETIMEDOUT);
    }
}

/// Gives every attempt its verdict, with as many at once as there are descriptors for; each has
/// `limit` milliseconds. Throws std::system_error.
void probe(std::vector<Attempt>& attempts, int limit) {
    auto next = attempts.begin();
    std::vector<Attempt*> waiting;  // the first has the first deadline
    std::vector<pollfd> polled;
    for (;;) {
        for (; next != attempts.end() && start(*next, limit); ++next)
            if (next->verdict.empty()) waiting.push_back(&*next);
        if (waiting.empty() && next == attempts.end()) return;
        if (waiting.empty()) check("socket", -1);
        polled.clear();
        for (const Attempt* attempt : waiting) polled.push_back({attempt->fd.get(), POLLOUT, 0});
        const auto left = std::max<std::int64_t>(0, waiting.front()->deadline - clock_ms());
        const int ready =
            poll(polled.data(), static_cast<nfds_t>(polled.size()), static_cast<int>(left));
        if (ready == -1 && errno != EINTR) sleep_a_little();  // ENOMEM: it may pass
        for (std::size_t i = 0; i < waiting.size(); ++i) look_at(*waiting[i], polled[i].revents);
        std::erase_if(waiting, [](const Attempt* attempt) { return !attempt->verdict.empty(); });
    }
}

struct Arguments {
    int limit = 2000;  ///< milliseconds
    std::string host{};
    std::vector<std::string> ports{};
};

Arguments read_arguments(int argc, char* argv[]) {
    const std::string program = "tcp/probe";
    const std::string usage =
        "usage: tcp/probe [-w SECONDS] HOST PORT...\n"
        "  -w SECONDS  how long to wait for an answer (default 2; 0.5)\n"
        "  -h, --help  this text\n"
        "status 0: every port is open; 1: not every one; 2: bad usage";
    open_standard_descriptors();
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    Arguments arguments;
    opterr = 0;  // the messages are ours
    for (int letter = 0; (letter = getopt_long(argc, argv, ":w:h", long_options, nullptr)) != -1;) {
        tcp::common_option(letter, argv, program, usage);
        arguments.limit = tcp::seconds_or_usage(optarg, program, usage);
    }
    if (argc - optind < 2) bad_usage(program, "HOST or PORT is missing", usage);
    arguments.host = argv[optind];
    arguments.ports.assign(argv + optind + 1, argv + argc);
    for (const std::string& port : arguments.ports)
        if (!tcp::is_port(port)) bad_usage(program, "bad port: " + port, usage);
    return arguments;
}

/// An attempt for each port at each of the host's addresses: all of the first port, all of the
/// second ...
std::vector<Attempt> plan(const Arguments& arguments) {
    const tcp::Addresses addresses = tcp::resolve(arguments.host, "0");
    std::vector<Attempt> attempts;
    for (const std::string& port : arguments.ports) {
        const in_port_t number = htons(static_cast<in_port_t>(std::stoi(port)));
        for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
            sockaddr_storage& to = attempts.emplace_back().to;
            attempts.back().length = a->ai_addrlen;
            std::memcpy(&to, a->ai_addr, a->ai_addrlen);
            if (a->ai_family == AF_INET) reinterpret_cast<sockaddr_in&>(to).sin_port = number;
            if (a->ai_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(to).sin6_port = number;
        }
    }
    return attempts;
}

bool is_open(const Attempt& attempt) {
    return attempt.verdict == "open";
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to nobody fails (EPIPE)
    const Arguments arguments = read_arguments(argc, argv);
    std::vector<Attempt> attempts = plan(arguments);
    probe(attempts, arguments.limit);
    // One line a port: a client tries one address after the other, so one that is open makes the
    // port open.
    std::string lines;
    bool all_open = true;
    const auto addresses = static_cast<std::ptrdiff_t>(attempts.size() / arguments.ports.size());
    for (auto first = attempts.begin(); first != attempts.end(); first += addresses) {
        const auto found = std::find_if(first, first + addresses, is_open);
        const Attempt& shown = found == first + addresses ? *first : *found;
        const auto* const address = reinterpret_cast<const sockaddr*>(&shown.to);
        lines += tcp::text(address, shown.length) + ' ' + shown.verdict + '\n';
        all_open = all_open && is_open(shown);
    }
    const bool written = std::fputs(lines.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    // EBADF: standard output was closed by somebody who wants the status only.
    if (!written && errno != EBADF) check("write", -1);
    return all_open ? 0 : 1;
} catch (const std::exception& error) {
    log_line("tcp/probe: ", error.what());
    return 1;
}
