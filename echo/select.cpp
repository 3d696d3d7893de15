// echo/select: all the clients in one thread. select(2) says who is ready, and nobody blocks.
//
//     build/echo/select                serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it, from a thousand terminals at most
//
//     passive open                     tcp/tcp.hpp; the listener does not block
//     FD_ZERO, FD_SET ... <-----+      the sets are filled anew each turn: select overwrites them
//     select                    |      who is ready?
//       stop pipe: leave        |      SIGINT, SIGTERM
//       client: recv -> send ---+      what does not fit its socket waits until it is writable
//       listener: accept -------+      until nobody is left waiting
//
// An fd_set is an array of FD_SETSIZE bits, 1024 on most systems, and FD_SET on a descriptor past its end writes
// into whatever stands behind it: a client with such a descriptor is told "serveur complet".
// Before this: echo/thread. After it: echo/poll, which has no such end. Beej's Guide, chapter 7.
#include <sys/select.h>

#include <vector>

#include "../fd.hpp"
#include "../tcp/tcp.hpp"
#include "reply.hpp"

namespace {

struct Client {
    Fd fd;
    Reply reply{};
    std::string unsent{greeting};  ///< While there is some we do not read: the peer must take it first (backpressure).
};

/// A ready client's turn: at most one recv and one send, so that nobody waits long for anybody.
/// `answer` is scratch: a client owns memory only for what its socket did not take. False when the conversation is
/// over.
bool take_turn(Client& client, std::string& answer) try {
    std::string_view owed = client.unsent;
    if (owed.empty()) {
        char bytes[16 * 1024];  // the answer, 22 times as long at worst, is what one client can make us keep
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == 0) return false;  // the peer has half-closed, and nothing is owed to it
        if (received == -1) return tcp::later(errno);
        answer.clear();
        client.reply.answer({bytes, static_cast<std::size_t>(received)}, answer);
        owed = answer;
    }
    // At once: it nearly always fits, and saves a turn through select.
    const ssize_t sent = send(client.fd.get(), owed.data(), owed.size(), 0);
    if (sent == -1 && !tcp::later(errno)) return false;
    if (sent > 0) owed.remove_prefix(static_cast<std::size_t>(sent));
    std::string{owed}.swap(client.unsent);  // no assignment: owed may look into unsent, and the swap frees its memory
    return true;
} catch (const std::bad_alloc&) {
    return false;  // no memory for what it does not read: it goes, the others stay
}

/// Takes everybody who waits: until EAGAIN, or as many as a backlog can hold, since in a flood of connections there is
/// always one more, and the clients we have wait for their turn. After any other error the next turn tries again.
void accept_all(const Fd& listener, std::vector<Client>& clients, tcp::Rest& rest, std::string& answer) {
    // accept4 gives the new socket O_NONBLOCK at once; macOS has accept, then fcntl(F_SETFL).
    for (int i = 0; i < SOMAXCONN; ++i) {
        Fd fd{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)};
        if (!fd) return rest.accept_failed(errno);
        if (fd.get() >= FD_SETSIZE) {
            tcp::refuse(std::move(fd), full);
            continue;
        }
        Client client{std::move(fd)};  // owed the greeting
        if (take_turn(client, answer)) clients.push_back(std::move(client));
    }
}

void serve(const Fd& listener, const Fd& stop) {
    tcp::Rest rest;
    std::string answer;
    std::vector<Client> clients;
    for (;;) {
        fd_set readable;
        fd_set writable;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        FD_SET(stop.get(), &readable);
        int highest = std::max(stop.get(), listener.get());
        for (const Client& client : clients) {
            FD_SET(client.fd.get(), client.unsent.empty() ? &readable : &writable);
            highest = std::max(highest, client.fd.get());
        }
        const int timeout = rest.timeout();
        timeval resting{0, timeout * 1000L};
        if (timeout == -1) FD_SET(listener.get(), &readable);

        const int ready = select(highest + 1, &readable, &writable, nullptr, timeout == -1 ? nullptr : &resting);
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // an error, where the sets mean nothing; or the rest is over
        if (FD_ISSET(stop.get(), &readable)) return;
        // Backwards: the last client is moved into a freed place, and has had its turn by then.
        for (std::size_t i = clients.size(); i-- > 0;) {
            const int fd = clients[i].fd.get();
            if (!FD_ISSET(fd, &readable) && !FD_ISSET(fd, &writable)) continue;
            if (take_turn(clients[i], answer)) continue;
            std::swap(clients[i], clients.back());
            clients.pop_back();
            rest.connection_closed();
        }
        if (FD_ISSET(listener.get(), &readable)) accept_all(listener, clients, rest, answer);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/select", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // a send to a client that has gone is an errno, EPIPE, and not our death
    const Fd listener = tcp::passive_open(where, SOCK_NONBLOCK);
    const Fd stop = tcp::stop_pipe();
    if (std::max(stop.get(), listener.get()) >= FD_SETSIZE) throw std::runtime_error{"no descriptor below FD_SETSIZE"};
    tcp::log("listening on " + tcp::local_address(listener));
    serve(listener, stop);
} catch (const std::exception& error) {
    tcp::log(std::string{"echo/select: "} + error.what());
    return 1;
}
