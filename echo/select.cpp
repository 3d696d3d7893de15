// echo/select: an echo server for many clients in one thread. select(2) says who is ready.
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
// An fd_set is an array of FD_SETSIZE bits, 1024 on most systems. FD_SET on a descriptor past its
// end writes into whatever stands behind it. A client with such a descriptor is sent away.
//
// Before this: echo/thread. After it: echo/poll, which has no such end. Beej's Guide, chapter 7.
#include "../fd.hpp"

#include <sys/select.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "reply.hpp"

namespace {

struct Client {
    Fd fd;
    Reply reply{};
    std::string unsent{greeting};  ///< the peer has to take it before we read more (backpressure)
};

/// Keeps `rest` for the client's next turn. When it is empty, no memory is kept, either.
void keep_unsent(Client& client, std::string_view rest) {
    std::string kept{rest};    // a copy first: `rest` may lie in `unsent`
    client.unsent.swap(kept);  // what `unsent` was is freed with `kept`
}

/// A ready client's turn: at most one recv, and one send of at most most_a_turn bytes, so that
/// nobody waits long for anybody. `answer` is working memory, the same for all clients.
/// False when the conversation is over.
bool take_turn(Client& client, std::string& answer) try {
    if (told_to_end) return true;  // select is to see it, and soon
    std::string_view owed = client.unsent;
    if (owed.empty()) {
        char bytes[16 * 1024];  // an answer may be 22 times as long (to empty lines)
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == 0) return false;  // the peer has half-closed, and nothing is owed to it
        if (received == -1) return later(errno);
        answer.clear();
        client.reply.answer({bytes, static_cast<std::size_t>(received)}, answer);
        owed = answer;
    }
    // Sent at once: there is nearly always room for it, and select need not be asked.
    const std::size_t size = std::min(owed.size(), most_a_turn);
    const ssize_t sent = send(client.fd.get(), owed.data(), size, 0);
    if (sent == -1 && !later(errno)) return false;
    if (sent > 0) owed.remove_prefix(static_cast<std::size_t>(sent));
    keep_unsent(client, owed);
    return true;
} catch (const std::bad_alloc&) {
    return false;  // no memory to keep the rest in: this client goes, the others stay
}

/// Takes all who wait in the backlog: until EAGAIN, but at most as many as it holds. In a flood of
/// connections there is always one more, and the clients that we have must get their turn.
void accept_all(const Fd& listener, std::vector<Client>& clients, Rest& rest, tcp::Rounds& rounds,
                std::string& answer) try {
    for (int i = 0; i < SOMAXCONN; ++i) {
        Fd fd = rest.accepted(accept(listener.get(), nullptr, nullptr));
        if (!fd) return;
        if (fd.get() >= FD_SETSIZE) {
            rounds.refuse(std::move(fd), full);
            continue;
        }
        Client client{std::move(fd)};  // it is owed the greeting
        if (!take_turn(client, answer)) continue;
        clients.push_back(std::move(client));
    }
} catch (const std::bad_alloc&) {
    // There is no memory for one more client: it is closed.
}

/// Serves until a signal comes through the stop pipe.
void serve(const Fd& listener, const Fd& stop) {
    Rest rest;
    tcp::Rounds rounds;
    std::string answer;
    std::vector<Client> clients;
    for (;;) {
        rounds.end_vanished(clients);  // select finds them ready
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
        // A listener that rests is not looked at.
        if (timeout == -1) FD_SET(listener.get(), &readable);
        const int most = timeout == -1 ? rounds.timeout() : timeout;
        timeval limit{most / 1000, suseconds_t{most % 1000} * 1000};
        const int ready = select(highest + 1, &readable, &writable, nullptr, &limit);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // a signal (EINTR), or the rest is over
        if (FD_ISSET(stop.get(), &readable)) return;
        // Backwards: the client that is moved into a freed place has had its turn already.
        for (std::size_t i = clients.size(); i-- > 0;) {
            const int fd = clients[i].fd.get();
            if (!FD_ISSET(fd, &readable) && !FD_ISSET(fd, &writable)) continue;
            if (!take_turn(clients[i], answer)) {
                rounds.see_off(std::move(clients[i].fd));
                std::swap(clients[i], clients.back());
                clients.pop_back();
                rest.connection_closed();
            }
        }
        if (FD_ISSET(listener.get(), &readable))
            accept_all(listener, clients, rest, rounds, answer);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/select", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = stop_pipe();
    if (std::max(stop.get(), listener.get()) >= FD_SETSIZE)
        throw std::runtime_error{"no descriptor below FD_SETSIZE"};
    log_line("listening on ", tcp::local_address(listener));
    serve(listener, stop);
} catch (const std::exception& error) {
    log_line("echo/select: ", error.what());
    return 1;
}
