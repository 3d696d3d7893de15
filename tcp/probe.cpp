// tcp/probe: what a client sees of a port: open, closed, filtered or rejected.
//
//     build/tcp/probe 127.0.0.1 22 80 9090
//
//     connect, without blocking, for each port      a SYN leaves for each of them at once
//     poll <---------------+                        what comes back?
//       getsockopt --------+                        SYN-ACK: open     RST: closed     nothing:
//       filtered
//     recvmsg, of the error queue                   an ICMP message: rejected, and why
//
// Before this: tcp/netcat, whose connect is one of these. After it: tcp/forward, which connects
// amid other work. Sources: connect(2) EINPROGRESS, UNP 16.3, RFC 9293 3.10.7.3 (a SYN's answers)
// and 3.9.2.2 (ICMP), ip(7) IP_RECVERR.
// clang-format off
#include <ctime>  // for linux/errqueue.h, which uses timespec and does not say so
#include <linux/errqueue.h>
// clang-format on
#include <poll.h>

#include <cstring>
#include <vector>

#include "../fd.hpp"
#include "icmp.hpp"
#include "tcp.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// One port at one address.
struct Attempt {
    sockaddr_storage to{};
    socklen_t length = 0;
    Fd fd{};
    Clock::time_point deadline{};
    std::string verdict{};  ///< empty until it is known
};

/// Why the connection on `fd` was rejected, when an ICMP message did it; else empty. SO_ERROR alone
/// says ECONNREFUSED for a RST and for "port unreachable" alike: the message itself is in the
/// socket's error queue, where IP_RECVERR had it put (Linux since 5.10; other systems keep no such
/// queue, and the firewall's "port unreachable" is `closed`).
std::string rejection(const Fd& fd) {
    alignas(cmsghdr) char control[512];
    msghdr message{};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(fd.get(), &message, MSG_ERRQUEUE) == -1) return {};
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6) continue;
        const auto* const error = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(c));
        if (error->ee_origin == SO_EE_ORIGIN_ICMP)
            return icmp_reason(Icmp::v4, error->ee_type, error->ee_code);
        if (error->ee_origin == SO_EE_ORIGIN_ICMP6)
            return icmp_reason(Icmp::v6, error->ee_type, error->ee_code);
    }
    return {};
}

/// What the end of connect, 0 or its errno, means.
std::string verdict_of(int error, const Fd& fd) {
    if (error == 0 || error == ECONNRESET) return "open";  // even if it hung up at once
    if (error == ETIMEDOUT) return "filtered";             // dropped on the way, there or back
    const std::string reason = rejection(fd);
    if (reason.empty() && error == ECONNREFUSED) return "closed";
    // Without a message it is our own system that knows no way there.
    return "rejected (" + (reason.empty() ? std::generic_category().message(error) : reason) + ')';
}

void settle(Attempt& attempt, int error) {
    attempt.verdict = verdict_of(error, attempt.fd);
    attempt.fd = Fd{};
}

/// Sends the SYN. False, with errno, when there is no descriptor for it.
bool start(Attempt& attempt, std::chrono::milliseconds limit) {
    attempt.fd = Fd{socket(attempt.to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    if (!attempt.fd && tcp::is_shortage(errno)) return false;
    if (!attempt.fd) {
        settle(attempt, errno);  // a system without IPv6
        return true;
    }
    const int fd = attempt.fd.get();
    const int one = 1;
    if (attempt.to.ss_family == AF_INET) setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
    if (attempt.to.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
    attempt.deadline = Clock::now() + limit;
    int result = 0;
    do result = connect(fd, reinterpret_cast<sockaddr*>(&attempt.to), attempt.length);
    while (result == -1 && errno == EINTR);
    if (result == 0 || errno != EINPROGRESS) settle(attempt, result == 0 ? 0 : errno);
    return true;
}

/// What poll, and the clock, say of an attempt that waits.
void look_at(Attempt& attempt, short revents) {
    if (revents != 0) {
        settle(attempt, tcp::pending_error(attempt.fd));
    } else if (Clock::now() >= attempt.deadline) {
        settle(attempt, ETIMEDOUT);
    }
}

/// Gives every attempt its verdict, with as many at once as there are descriptors for. Throws
/// std::system_error.
void probe(std::vector<Attempt>& attempts, std::chrono::milliseconds limit) {
    auto next = attempts.begin();
    std::vector<Attempt*> waiting;  // the one whose deadline comes first first
    std::vector<pollfd> polled;
    for (;;) {
        for (; next != attempts.end() && start(*next, limit); ++next)
            if (next->verdict.empty()) waiting.push_back(&*next);
        if (waiting.empty() && next == attempts.end()) return;
        if (waiting.empty()) check("socket", -1);
        polled.clear();
        for (const Attempt* attempt : waiting) polled.push_back({attempt->fd.get(), POLLOUT, 0});
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(waiting.front()->deadline - Clock::now());
        const int ready =
            poll(polled.data(), polled.size(), std::max(0, static_cast<int>(left.count())));
        if (ready == -1 && !tcp::later(errno)) check("poll", ready);
        for (std::size_t i = 0; i < waiting.size(); ++i) look_at(*waiting[i], polled[i].revents);
        std::erase_if(waiting, [](const Attempt* attempt) { return !attempt->verdict.empty(); });
    }
}

struct Arguments {
    std::chrono::milliseconds limit{2000};
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
        arguments.limit = std::chrono::milliseconds{tcp::seconds_or_usage(optarg, program, usage)};
    }
    if (argc - optind < 2) tcp::bad_usage(program, "HOST or PORT is missing", usage);
    arguments.host = argv[optind];
    arguments.ports.assign(argv + optind + 1, argv + argc);
    for (const std::string& port : arguments.ports)
        if (!tcp::is_port(port)) tcp::bad_usage(program, "bad port: " + port, usage);
    return arguments;
}

/// An attempt for each port at each of the host's addresses: all of the first port, all of the
/// second ...
std::vector<Attempt> plan(const std::string& host, const std::vector<std::string>& ports) {
    const tcp::Addresses addresses = tcp::resolve(host, "0");
    std::vector<Attempt> attempts;
    for (const std::string& port : ports) {
        for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
            Attempt attempt;
            attempt.length = a->ai_addrlen;
            std::memcpy(&attempt.to, a->ai_addr, a->ai_addrlen);
            const in_port_t number = htons(static_cast<in_port_t>(std::stoi(port)));
            if (a->ai_family == AF_INET)
                reinterpret_cast<sockaddr_in&>(attempt.to).sin_port = number;
            if (a->ai_family == AF_INET6)
                reinterpret_cast<sockaddr_in6&>(attempt.to).sin6_port = number;
            attempts.push_back(std::move(attempt));
        }
    }
    return attempts;
}

}  // namespace

int main(int argc, char* argv[]) try {
    const Arguments arguments = read_arguments(argc, argv);
    std::vector<Attempt> attempts = plan(arguments.host, arguments.ports);
    probe(attempts, arguments.limit);
    // One line a port: a client tries one address after the other, so one that is open makes the
    // port open.
    bool all_open = true;
    const auto addresses = static_cast<std::ptrdiff_t>(attempts.size() / arguments.ports.size());
    for (auto first = attempts.begin(); first != attempts.end(); first += addresses) {
        const auto open = [](const Attempt& attempt) { return attempt.verdict == "open"; };
        const auto found = std::find_if(first, first + addresses, open);
        const Attempt& shown = found == first + addresses ? *first : *found;
        std::cout << tcp::text(reinterpret_cast<const sockaddr*>(&shown.to), shown.length) << ' '
                  << shown.verdict << '\n';
        all_open = all_open && open(shown);
    }
    if (!std::cout.flush() && errno != EBADF)
        check("write", -1);  // EBADF: closed, by who wants the status only
    return all_open ? 0 : 1;
} catch (const std::exception& error) {
    tcp::log(std::string{"tcp/probe: "} + error.what());
    return 1;
}
