// echo/datagram: the echo server without a connection. Each datagram has its answer.
//
//     build/echo/datagram              serves on 127.0.0.1:9090, UDP
//     nc -u 127.0.0.1 9090             talks to it
//
//     getaddrinfo, socket, bind        UDP: there is nobody to accept, so there is no listen
//     poll <---------------------+     a datagram, or the stop pipe (SIGINT, SIGTERM)
//       recvfrom -> sendto ------+     a whole datagram, and the address that it came from
//
// The answer is a few words and then what came. Nobody is greeted, as nobody connects. A datagram
// may be lost, doubled or overtaken on its way; none is ever cut in two, or joined to another.
// With `-b 0.0.0.0` or `-b ::` the kernel chooses the address that an answer leaves from. Where a
// machine has several, it may be another than was asked: a connected client does not hear it.
// Before this: tcp/server. Beside it: unix_domain/datagram_server. Beej's Guide, chapter 6.3.
#include "../fd.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "reply.hpp"

namespace {

constexpr std::size_t longest = 65'535;  // no UDP datagram is longer: its length has 16 bits

/// A UDP socket, bound to the first address of `where` that can be. Throws std::system_error, or
/// what tcp::resolve() throws.
Fd open_socket(const tcp::Where& where) {
    const tcp::Addresses addresses = tcp::resolve(where.host, where.port, AI_PASSIVE);
    for (const addrinfo* a = addresses.get();; a = a->ai_next) {
        try {
            const std::string name = tcp::text(a->ai_addr, a->ai_addrlen);
            Fd fd{check("socket " + name, socket(a->ai_family, SOCK_DGRAM, 0))};
            // `-b ::` takes IPv4 too, whatever the system's default is (ipv6(7)).
            if (a->ai_family == AF_INET6) tcp::set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
            // What waits for a neighbour that does not answer ARP may fill as much as we have by
            // default (unres_qlen_bytes): twice that leaves the rest to the others.
            tcp::set_option(fd, SOL_SOCKET, SO_SNDBUF, 1024 * 1024);
            check("bind " + name, bind(fd.get(), a->ai_addr, a->ai_addrlen));
            check("fcntl", set_nonblocking(fd));
            return fd;
        } catch (const std::system_error& error) {
            // A port that is taken at one address is not looked for at the next.
            const bool is_taken = error.code() == std::errc::address_in_use;
            if (is_taken || a->ai_next == nullptr) throw;
        }
    }
}

/// Receives one datagram, and answers it. `bytes` begins with the answer's prefix, and the datagram
/// is received right behind it: then the answer is ready.
void answer_one(const Fd& server, std::string& bytes) {
    sockaddr_storage client{};
    socklen_t length = sizeof client;
    auto* const address = reinterpret_cast<sockaddr*>(&client);
    char* const datagram = bytes.data() + Reply::prefix.size();
    const ssize_t received = recvfrom(server.get(), datagram, longest, 0, address, &length);
    // ECONNREFUSED: an ICMP message says that an earlier answer found nobody. EAGAIN: poll saw a
    // datagram with a wrong checksum (select(2), BUGS). Neither is a datagram.
    if (received == -1) {
        if (is_shortage(errno)) sleep_a_little();  // it is still in the queue: do not spin
        return;
    }
    const std::size_t size = Reply::prefix.size() + static_cast<std::size_t>(received);
    while (sendto(server.get(), bytes.data(), size, 0, address, length) == -1) {
        if (errno == EINTR) continue;
        static bool said = false;
        if (errno == EMSGSIZE && !std::exchange(said, true))
            log_line("sendto: an answer is too long for a datagram");
        return;  // as UDP does: what cannot be delivered is lost
    }
}

void serve(const Fd& server, const Fd& stop) {
    std::string bytes{Reply::prefix};
    bytes.resize(bytes.size() + longest);
    for (;;) {
        pollfd polled[] = {{stop.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
        const int ready = poll(polled, 2, -1);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready <= 0) continue;
        if (polled[0].revents != 0) return;
        answer_one(server, bytes);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/datagram", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to a log that nobody reads fails (EPIPE)
    const Fd server = open_socket(where);
    const Fd stop = stop_pipe();
    log_line("listening on ", tcp::local_address(server));
    serve(server, stop);
} catch (const std::exception& error) {
    log_line("echo/datagram: ", error.what());
    return 1;
}
