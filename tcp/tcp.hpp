// tcp/tcp.hpp: addresses, and what every TCP program does before its lesson begins.
//
//     server_arguments   PROGRAM [-b ADDR] [-d DIR] [PORT]
//     passive_open       getaddrinfo -> socket -> bind -> listen      a server
//     active_open        getaddrinfo -> socket -> connect             a client
//
// tcp/server.cpp and tcp/client.cpp write these calls out for one kind of address: read them first.
// Sources: Beej's Guide, chapter 5; Stevens, UNP, chapters 11 and 16; the man pages named below.
#pragma once

#include "../fd.hpp"

#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../server.hpp"
#include "connecting.hpp"
#include "keepalive.hpp"
#include "options.hpp"

namespace tcp {

/// Where a server listens, or a client connects.
struct Where {
    std::string host = "127.0.0.1";  ///< nobody but this machine gets in, unless -b says so
    std::string port = "9090";       ///< 0: the system takes a free one
    std::string directory{};         ///< that -d says; empty: the program serves no files
};

/// Reads `PROGRAM [-b ADDR] [PORT]`, and `-d DIR` for a program that serves files; `where` has the
/// defaults. Ends the program itself on -h (status 0) and on bad usage (status 2).
inline Where server_arguments(const std::string& program, int argc, char* argv[],
                              Where where = {}) {
    const bool files = !where.directory.empty();
    const std::string usage =
        "usage: " + program + " [-b ADDR]" + (files ? " [-d DIR]" : "") + " [PORT]\n" +
        "  -b ADDR     listen on ADDR (default 127.0.0.1; :: is every interface, IPv6 and IPv4)\n" +
        (files ? "  -d DIR      serve the files of DIR (default " + where.directory + ")\n" : "") +
        "  PORT        default " + where.port + "; 0 takes a free port\n  -h, --help  this text";
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    const char* const letters = files ? ":b:d:h" : ":b:h";
    open_standard_descriptors();
    opterr = 0;  // the messages are ours
    for (int letter = 0;
         (letter = getopt_long(argc, argv, letters, long_options, nullptr)) != -1;) {
        common_option(letter, argv, program, usage);
        (letter == 'd' ? where.directory : where.host) = optarg;
    }
    if (argc - optind > 1) bad_usage(program, "too many arguments", usage);
    if (optind < argc) where.port = argv[optind];
    if (!is_port(where.port)) bad_usage(program, "bad port: " + where.port, usage);
    return where;
}

/// "127.0.0.1:9090", "[::1]:9090".
inline std::string text(const sockaddr* address, socklen_t length) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    const int error = getnameinfo(address, length, host, sizeof host, port, sizeof port,
                                  NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) return gai_strerror(error);
    const bool v6 = address->sa_family == AF_INET6;
    return (v6 ? '[' + std::string{host} + ']' : host) + ':' + port;
}

/// The near end of a socket, as text. Throws std::system_error.
inline std::string local_address(const Fd& fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    check("getsockname", getsockname(fd.get(), generic, &length));
    return text(generic, length);
}

/// The list that getaddrinfo(3) made, freed with its owner.
using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

/// Asks getaddrinfo(3) for every TCP address of `host` and `port` (digits), in the order to try
/// them (RFC 6724). `flags`: AI_PASSIVE for an address to listen on; AI_NUMERICHOST where `host`
/// must be an address, in digits, and no name server is asked. 0, or an error for gai_strerror(3).
inline int look_up(const std::string& host, const std::string& port, int flags, Addresses& found) {
    addrinfo hints{};
    hints.ai_flags = flags | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;  // ai_family stays AF_UNSPEC: IPv4 and IPv6
    addrinfo* first = nullptr;
    const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &first);
    found.reset(error == 0 ? first : nullptr);
    return error;
}

/// The same addresses. Throws std::runtime_error "HOST: Name or service not known".
inline Addresses resolve(const std::string& host, const std::string& port, int flags = 0) {
    Addresses found{nullptr, freeaddrinfo};
    const int error = look_up(host, port, flags, found);
    if (error != 0) throw std::runtime_error{host + ": " + gai_strerror(error)};
    return found;
}

/// Sets what every connection of ours has; what accept(2) returns inherits it from its listener.
/// Throws std::system_error.
inline void set_options(const Fd& fd) {
    // Nagle's algorithm holds a small send back until the one before is acknowledged, and the peer
    // may delay that by 40 ms. We send whole answers: waiting gains nothing.
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    // A byte sent as urgent is a byte of the stream like any other (RFC 6093).
    set_option(fd, SOL_SOCKET, SO_OOBINLINE, 1);
    keep_alive(fd);
}

/// A listener on the first address of `where` that can be bound. Throws std::system_error "bind
/// 127.0.0.1:9090: Address already in use", or what resolve() throws.
inline Fd passive_open(const Where& where) {
    const Addresses addresses = resolve(where.host, where.port, AI_PASSIVE);
    for (const addrinfo* a = addresses.get();; a = a->ai_next) {
        try {
            const std::string name = text(a->ai_addr, a->ai_addrlen);
            Fd listener{check("socket " + name, socket(a->ai_family, a->ai_socktype, 0))};
            // Connections of the server's last life, in TIME_WAIT, do not keep the port.
            set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
            // `-b ::` takes IPv4 too, whatever the system's default is (ipv6(7)).
            if (a->ai_family == AF_INET6) set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
            set_options(listener);
            check("bind " + name, bind(listener.get(), a->ai_addr, a->ai_addrlen));
            check("listen " + name, listen(listener.get(), SOMAXCONN));
            return listener;
        } catch (const std::system_error& error) {
            // A port that is taken at one address is not looked for at the next.
            const bool is_taken = error.code() == std::errc::address_in_use;
            if (is_taken || a->ai_next == nullptr) throw;
        }
    }
}

/// A connection, which does not block, to the first address of `to.host` that takes one. The
/// addresses share `limit` milliseconds: each has what is left of it, divided by those still to
/// try, so that one that never answers leaves time for the next. (Without a limit of ours the
/// system gives an address up, on Linux after two minutes: tcp_syn_retries in tcp(7).) Throws
/// std::system_error "connect 127.0.0.1:9090: Connection refused", the last one's, or what
/// resolve() throws.
inline Fd active_open(const Where& to, int limit = 3'600'000) {
    const Addresses addresses = resolve(to.host, to.port);
    const std::int64_t end = clock_ms() + limit;
    int untried = 0;
    for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) ++untried;
    for (const addrinfo* a = addresses.get();; a = a->ai_next, --untried) {
        try {
            const std::string name = text(a->ai_addr, a->ai_addrlen);
            Fd fd{check("socket " + name, socket(a->ai_family, a->ai_socktype, 0))};
            check("fcntl", set_nonblocking(fd));
            set_options(fd);
            int error = start_connect(fd, a->ai_addr, a->ai_addrlen);
            if (error == 0) error = wait_connected(fd, (end - clock_ms()) / untried);
            errno = error;
            check("connect " + name, error == 0 ? 0 : -1);
            return fd;
        } catch (const std::system_error&) {
            if (a->ai_next == nullptr) throw;
        }
    }
}

}  // namespace tcp
