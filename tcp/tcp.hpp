// tcp/tcp.hpp: what every TCP program needs before and beside its lesson.
//
//     passive open   getaddrinfo -> socket -> bind -> listen      a server
//     active open    getaddrinfo -> socket -> connect             a client
//
// accept, select and poll are not here, nor recv and send but for send_all and refuse: they stand in the
// programs, where the lesson is. echo/iterative.cpp writes
// the passive open out in full; read it first. Sources: Beej's Guide ch. 5, Stevens UNP ch. 11, the man pages.
#pragma once

#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../fd.hpp"

namespace tcp {

/// Writes one line to stderr with one write(2), so that lines of several threads or processes stay whole. A server
/// does not wait for who reads its log: while that pipe is full (poll says 0: no room), what happens is not logged.
inline void log(const std::string& line) {
    pollfd out{STDERR_FILENO, POLLOUT, 0};
    std::cerr.clear();  // or a line that could not be written would be the last
    if (poll(&out, 1, 0) != 0) std::cerr << line + '\n';
}

// ---- The command line of a server: PROGRAM [-b ADDR] [-d DIR] [PORT] ---------------------------------

/// Says what is wrong and the usage on stderr, and ends the program with status 2.
[[noreturn]] inline void bad_usage(const std::string& program, const std::string& wrong, const std::string& usage) {
    log(program + ": " + wrong + '\n' + usage);
    std::exit(2);
}

/// What every program answers to a letter from getopt_long: to -h its usage, to an unknown option ('?') or one that
/// lacks its value (':') what is wrong. Then the program ends; any other letter is its own.
inline void common_option(int letter, char* argv[], const std::string& program, const std::string& usage) {
    if (letter == 'h') {
        std::cout << usage << '\n';
        std::exit(0);
    }
    const std::string word = argv[optind - 1];  // as typed, or one letter of a group: -xz
    const std::string option = word.starts_with("--") ? word : std::string{'-', static_cast<char>(optopt)};
    if (letter == ':') bad_usage(program, option + " wants a value", usage);
    if (letter == '?') bad_usage(program, "unknown option " + option, usage);
}

/// A time limit in seconds: decimal, fractions allowed, more than 0. Ends the program (status 2) on anything else.
inline std::chrono::milliseconds seconds_or_usage(const std::string& text, const std::string& program,
                                                  const std::string& usage) {
    const bool digits = text.find_first_not_of("0123456789.") == text.npos;  // strtod takes "inf", " 1" and "0x1", too
    char* end = nullptr;
    const double seconds = std::min(std::strtod(text.c_str(), &end), 86400.0);  // a day: it has to fit poll's int
    if (!digits || *end != '\0' || seconds <= 0) bad_usage(program, "bad number of seconds: " + text, usage);
    return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>{seconds});
}

/// A port number: decimal, 0 to 65535, nothing before or after it.
inline bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size();
}

/// Where a server listens, or a client connects.
struct Where {
    std::string host = "127.0.0.1";  ///< nobody but this machine gets in, unless -b says so
    std::string port = "9090";       ///< 0: the system takes a free one
    std::string directory{};         ///< of the files it serves, as -d says; empty: it serves none, and has no -d
};

/// Reads `PROGRAM [-b ADDR] [PORT]`, and `-d DIR` for a program that serves files; `where` has the defaults. Sees to
/// the standard descriptors before any other is opened. Ends the program itself on -h (status 0) and on bad usage (2).
inline Where server_arguments(const std::string& program, int argc, char* argv[], Where where = {}) {
    const bool files = !where.directory.empty();
    const std::string usage =
        "usage: " + program + (files ? " [-b ADDR] [-d DIR] [PORT]\n" : " [-b ADDR] [PORT]\n") +
        "  -b ADDR     listen on ADDR (default 127.0.0.1; :: is every interface, IPv6 and IPv4)\n" +
        (files ? "  -d DIR      serve the files of DIR (default " + where.directory + ")\n" : "") +
        "  PORT        default " + where.port + "; 0 takes a free port\n" + "  -h, --help  this text";
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    open_standard_descriptors();
    opterr = 0;  // the messages are ours
    for (int letter = 0; (letter = getopt_long(argc, argv, files ? ":b:d:h" : ":b:h", long_options, nullptr)) != -1;) {
        common_option(letter, argv, program, usage);
        (letter == 'd' ? where.directory : where.host) = optarg;
    }
    if (argc - optind > 1) bad_usage(program, "too many arguments", usage);
    if (optind < argc) where.port = argv[optind];
    if (!is_port(where.port)) bad_usage(program, "bad port: " + where.port, usage);
    return where;
}

// ---- Addresses ----------------------------------------------------------------------------------------

/// "127.0.0.1:9090", "[::1]:9090".
inline std::string text(const sockaddr* address, socklen_t length) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    const int error =
        getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) return gai_strerror(error);
    return (address->sa_family == AF_INET6 ? '[' + std::string{host} + ']' : host) + ':' + port;
}

/// The near end of a socket, as text: the address and port it is bound to. Throws std::system_error.
inline std::string local_address(const Fd& fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    check("getsockname", getsockname(fd.get(), generic, &length));
    return text(generic, length);
}

/// The list that getaddrinfo(3) made, freed with its owner.
using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

/// Every TCP address of `host` and `port` (digits), in the order to try them (RFC 6724).
/// `flags`: AI_PASSIVE for an address to listen on. Throws std::runtime_error "HOST: Name or service not known".
inline Addresses resolve(const std::string& host, const std::string& port, int flags = 0) {
    addrinfo hints{};
    hints.ai_flags = flags | AI_NUMERICSERV;
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) throw std::runtime_error{host + ": " + gai_strerror(error)};
    return {found, freeaddrinfo};
}

// ---- The passive open -----------------------------------------------------------------------------------

/// A listener on the first address of `host` that can be bound. `type_flags`: SOCK_NONBLOCK for a loop that
/// polls, where a client that gave up between poll and accept must not block everybody (UNP 16.6).
/// Throws std::system_error "bind 127.0.0.1:9090: Address already in use", or what resolve() throws.
inline Fd passive_open(const Where& where, int type_flags = 0) {
    const Addresses addresses = resolve(where.host, where.port, AI_PASSIVE);
    for (const addrinfo* a = addresses.get();; a = a->ai_next) {
        try {
            const std::string name = text(a->ai_addr, a->ai_addrlen);
            Fd listener{check("socket " + name, socket(a->ai_family, a->ai_socktype | type_flags, a->ai_protocol))};
            const auto set = [&](int level, int option, int value) {
                check("setsockopt " + name, setsockopt(listener.get(), level, option, &value, sizeof value));
            };
            // Connections of the server's last life, in TIME_WAIT, do not keep the port; a listener still does.
            set(SOL_SOCKET, SO_REUSEADDR, 1);
            // `-b ::` takes IPv4 too, whatever the system's default (ipv6(7); the BSDs default to 1).
            if (a->ai_family == AF_INET6) set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
            // Accepted sockets inherit it. Nagle's algorithm holds a small send back until the one before is
            // acknowledged, and the peer may delay that by 40 ms. We send whole answers: waiting gains nothing.
            set(IPPROTO_TCP, TCP_NODELAY, 1);
            // Inherited too: a byte sent as urgent is a byte of the stream like any other (RFC 6093).
            set(SOL_SOCKET, SO_OOBINLINE, 1);
            check("bind " + name, bind(listener.get(), a->ai_addr, a->ai_addrlen));
            check("listen " + name, listen(listener.get(), SOMAXCONN));
            return listener;
        } catch (const std::system_error&) {
            if (a->ai_next == nullptr) throw;
        }
    }
}

// ---- Sending and receiving ------------------------------------------------------------------------------

/// Seconds since 1970. Not time(2): it reads the clock of the last tick, up to 10 ms late (CLOCK_REALTIME_COARSE in
/// clock_gettime(2)), and can say a second that a client has already seen end.
inline std::time_t now() {
    return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
}

/// Sends all of `bytes` on a blocking socket: send(2) may take a part of them only, or be interrupted.
/// False, with errno, when the connection is gone; the program ignores SIGPIPE, to be told so by EPIPE.
inline bool send_all(const Fd& fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(fd.get(), bytes.data(), bytes.size(), 0);
        if (sent == -1 && errno == EINTR) continue;
        if (sent == -1) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// Whether accept(2) and its like failed for want of descriptors or memory: the system's trouble, and it may pass.
inline bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// Whether a non-blocking call that failed with `error` is to be tried on a later turn; if not, the
/// connection is gone. EAGAIN and EWOULDBLOCK are one number here as on the BSDs.
inline bool later(int error) {
    return error == EAGAIN || error == EINTR || is_shortage(error);
}

/// Tells a client that there is no room for it, and closes, after reading what it has already sent (64 KiB at
/// most): close(2) with unread data is a reset, and a reset may overtake the message (RFC 2525, 2.17).
inline void refuse(const Fd client, std::string_view message) {
    send(client.get(), message.data(), message.size(), MSG_DONTWAIT);
    shutdown(client.get(), SHUT_WR);
    char unread[4096];
    for (int i = 0; i < 16 && recv(client.get(), unread, sizeof unread, MSG_DONTWAIT) > 0; ++i) {
    }
}

// ---- The active open ------------------------------------------------------------------------------------

/// The error that waits on a socket, 0 for none: of a connect that did not block, once poll calls it ready, the
/// outcome.
inline int pending_error(const Fd& fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/// connect(2) with an end to its patience (UNP 16.3). `fd` does not block: connect starts the handshake, and
/// poll waits for its outcome. 0, or the errno: ETIMEDOUT for no answer by `deadline`.
inline int connect_by(std::chrono::steady_clock::time_point deadline, const Fd& fd, const addrinfo& to) {
    int result = 0;
    do result = connect(fd.get(), to.ai_addr, to.ai_addrlen);
    while (result == -1 && errno == EINTR);
    if (result == 0 || errno != EINPROGRESS) return result == 0 ? 0 : errno;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd polled{fd.get(), POLLOUT, 0};
        const int ready = poll(&polled, 1, std::max(0, static_cast<int>(left.count())));
        if (ready == 0) return ETIMEDOUT;
        if (ready == 1) break;
        if (!later(errno)) return errno;
    }
    return pending_error(fd);
}

/// A connection to the first address of `to.host` that takes one; it does not block. The addresses share `limit`,
/// each what is left of it divided by those still to try: one that never answers leaves time for the next. (Without
/// a limit the system gives up first: after two minutes an address on Linux, tcp_syn_retries in tcp(7).)
/// Throws std::system_error "connect 127.0.0.1:9090: Connection refused", the last one's, or what resolve() throws.
inline Fd active_open(const Where& to, std::chrono::milliseconds limit = std::chrono::hours{1}) {
    const Addresses addresses = resolve(to.host, to.port);
    const auto end = std::chrono::steady_clock::now() + limit;
    auto untried = 0;
    for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) ++untried;
    for (const addrinfo* a = addresses.get();; a = a->ai_next, --untried) {
        try {
            const std::string name = text(a->ai_addr, a->ai_addrlen);
            Fd fd{check("socket " + name, socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK, a->ai_protocol))};
            const int one = 1;  // as in passive_open: what is ready to be sent does not wait for an acknowledgement
            check("setsockopt " + name, setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
            const auto now = std::chrono::steady_clock::now();
            errno = connect_by(now + (end - now) / untried, fd, *a);
            check("connect " + name, errno == 0 ? 0 : -1);
            return fd;
        } catch (const std::system_error&) {
            if (a->ai_next == nullptr) throw;
        }
    }
}

// ---- When accept fails ------------------------------------------------------------------------------------

/// In a loop that polls: when its listener takes a rest from accepting, and how long. For want of a descriptor
/// the connection stays in the backlog and the listener stays readable: trying again at once would spin.
class Rest {
  public:
    /// After accept failed with `error`. A shortage starts a rest and is said once, until the backlog has been
    /// emptied (EAGAIN; a blocking accept never says that, and there it is said once for all). Any other error cost at
    /// most that one connection (ECONNABORTED, accept(2) NOTES).
    void accept_failed(int error) {
        if (error == EAGAIN) said_ = false;
        if (!is_shortage(error)) return;
        until_ = Clock::now() + std::chrono::milliseconds{100};
        if (!std::exchange(said_, true)) log("accept: " + std::generic_category().message(error) + ", resting");
    }

    /// One of our own connections was closed: there is room again.
    void connection_closed() { until_ = {}; }

    /// For poll's timeout, in milliseconds: -1 when there is no rest, so that poll may wait for ever.
    [[nodiscard]] int timeout() {
        if (until_ == Clock::time_point{}) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until_ - Clock::now()).count();
        if (left <= 0) until_ = {};
        return left <= 0 ? -1 : static_cast<int>(left);
    }

  private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point until_{};
    bool said_ = false;
};

// ---- The end ------------------------------------------------------------------------------------------------

/// A descriptor that turns readable at SIGINT or SIGTERM: the self-pipe trick (TLPI 63.5.2). A flag alone is not
/// enough: a signal between the look at it and poll leaves poll asleep. Nor does ppoll help while descriptors
/// stay ready: it then returns without letting the blocked signal in. Call it once. Throws std::system_error.
inline Fd stop_pipe() {
    static volatile std::sig_atomic_t write_end = -1;
    int ends[2];
    check("pipe", pipe(ends));
    check("fcntl", fcntl(ends[0], F_SETFL, O_NONBLOCK));  // for rest_or_stop, which looks without waiting
    write_end = ends[1];
    struct sigaction action {};
    action.sa_handler = [](int) {
        const int saved = errno;
        [[maybe_unused]] const ssize_t n = write(write_end, "", 1);
        errno = saved;
    };
    action.sa_flags = SA_RESTART;
    for (const int signal : {SIGINT, SIGTERM}) check("sigaction", sigaction(signal, &action, nullptr));
    return Fd{ends[0]};
}

/// After poll or select failed, and not by EINTR: there was no memory for it (ENOMEM), or the limit of descriptors is
/// now below what it was given (EINVAL). It may pass; to ask again at once would spin. Sleeps for a tenth of a second,
/// or until a signal. True when `stop`, the stop pipe, has one: a poll that goes on failing would never tell.
inline bool rest_or_stop(const Fd& stop) {
    const timespec tenth{0, 100'000'000};
    nanosleep(&tenth, nullptr);
    char byte = 0;
    return read(stop.get(), &byte, 1) == 1;
}

}  // namespace tcp
