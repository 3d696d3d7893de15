// echo/iterative: the smallest echo server, one client after the other, every call written out.
//
//     build/echo/iterative             serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it; a second nc waits until the first has gone
//
//     getaddrinfo                      the text of an address -> the struct that the calls want
//     socket -> bind -> listen         the passive open: from here on the kernel takes connections
//     accept <----------------+        the next of them
//     recv -> send, recv ...  |        until recv returns 0: the client has nothing more to say
//     close ------------------+
//
// SIGINT and SIGTERM end it as they end any program. Beej's Guide, chapters 5 and 6.
// After this: echo/fork, where nobody waits. The opening of all the others: tcp/tcp.hpp.
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <charconv>
#include <csignal>
#include <iostream>
#include <memory>

#include "../fd.hpp"
#include "reply.hpp"

namespace {

constexpr const char* usage =
    "usage: echo/iterative [-b ADDR] [PORT]\n"
    "  -b ADDR     listen on ADDR (default 127.0.0.1; :: is every interface, IPv6 and IPv4)\n"
    "  PORT        default 9090; 0 takes a free port\n"
    "  -h, --help  this text\n";

[[noreturn]] void bad_usage(const std::string& wrong) {
    std::cerr << "echo/iterative: " + wrong + '\n' + usage;
    std::exit(2);
}

/// An address as text: "127.0.0.1:9090", "[::1]:9090".
std::string text(const sockaddr* address, socklen_t length) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    const int error =
        getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) throw std::runtime_error{gai_strerror(error)};
    return (address->sa_family == AF_INET6 ? '[' + std::string{host} + ']' : host) + ':' + port;
}

/// The passive open, and the line that says it is done.
Fd listen_on(const char* host, const char* port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;  // IPv4 or IPv6, whichever ADDR is
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) throw std::runtime_error{std::string{host} + ": " + gai_strerror(error)};
    // A name may have several addresses; the first will do here. tcp::passive_open tries them all.
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address{found, freeaddrinfo};
    const std::string name = text(address->ai_addr, address->ai_addrlen);

    Fd listener{check("socket", socket(address->ai_family, address->ai_socktype, address->ai_protocol))};
    // After a restart, old connections in TIME_WAIT hold the port for a minute; this lets us bind all the same.
    const int on = 1;
    check("setsockopt", setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    // What accept returns inherits it: a byte sent as urgent is a byte of the stream like any other (RFC 6093).
    check("setsockopt", setsockopt(listener.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
    // `-b ::` takes IPv4 too, whatever the system's default (ipv6(7)).
    const int off = 0;
    if (address->ai_family == AF_INET6)
        check("setsockopt", setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
    check("bind " + name, bind(listener.get(), address->ai_addr, address->ai_addrlen));
    check("listen " + name, listen(listener.get(), SOMAXCONN));

    sockaddr_storage bound{};  // the port that we have, where 0 was asked for
    socklen_t length = sizeof bound;
    auto* const generic = reinterpret_cast<sockaddr*>(&bound);
    check("getsockname", getsockname(listener.get(), generic, &length));
    std::cerr << "listening on " + text(generic, length) + '\n';
    return listener;
}

/// Sends all of `bytes`: send may take only a part of them. False when the connection is gone.
bool send_all(const Fd& client, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(client.get(), bytes.data(), bytes.size(), 0);
        if (sent == -1 && errno == EINTR) continue;
        if (sent == -1) return false;  // ECONNRESET, EPIPE ...
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// One client's whole conversation.
void converse(const Fd& client) {
    Reply reply;
    std::string out{greeting};
    char in[16 * 1024];
    while (send_all(client, out)) {
        ssize_t received = -1;
        do received = recv(client.get(), in, sizeof in, 0);
        while (received == -1 && errno == EINTR);
        if (received <= 0) return;  // 0: the client's half-close, and all it was owed is sent; -1: a reset
        out.clear();
        reply.answer({in, static_cast<std::size_t>(received)}, out);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const char* host = "127.0.0.1";  // nobody but this machine gets in, unless -b says so
    const char* port = "9090";
    open_standard_descriptors();
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    opterr = 0;  // the messages are ours
    for (int letter = 0; (letter = getopt_long(argc, argv, ":b:h", long_options, nullptr)) != -1;) {
        if (letter == 'h') return std::cout << usage, 0;
        if (letter == ':') bad_usage("-b wants a value");
        const std::string word = argv[optind - 1];
        if (letter == '?')  // as typed, or one letter of a group: -xz
            bad_usage("unknown option " +
                      (word.starts_with("--") ? word : std::string{'-', static_cast<char>(optopt)}));
        host = optarg;
    }
    if (argc - optind > 1) bad_usage("too many arguments");
    if (optind < argc) port = argv[optind];
    const std::string_view digits{port};
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
    if (error != std::errc{} || end != digits.end()) bad_usage("bad port: " + std::string{digits});

    std::signal(SIGPIPE, SIG_IGN);  // a send to a client that has gone is an errno, EPIPE, and not our death
    const Fd listener = listen_on(host, port);
    for (bool said = false;;) {
        if (const Fd client{accept(listener.get(), nullptr, nullptr)}) {
            converse(client);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            // The connection stays in the backlog: trying again at once would only spin.
            if (!std::exchange(said, true)) std::perror("accept");
            poll(nullptr, 0, 100);  // looks at nothing: it lets a tenth of a second pass
        }
        // Else EINTR: again; or ECONNABORTED ...: that client is gone, the next one is not.
    }
} catch (const std::exception& error) {
    std::cerr << std::string{"echo/iterative: "} + error.what() + '\n';
    return 1;
}
