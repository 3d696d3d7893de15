// echo/poll: an echo server for thousands of clients in one thread. poll(2) says who is ready.
//
//     build/echo/poll                  serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it, from as many terminals as you like
//
//     passive open                     tcp/tcp.hpp; the listener does not block
//     poll <--------------------+      who is ready?
//       stop pipe: leave        |      SIGINT, SIGTERM
//       client: recv -> send ---+      what does not fit its socket waits until it is writable
//       listener: accept -------+      until nobody is left waiting
//
// poll is given a list with an entry for each descriptor. It may be as long as you like, and stays
// from turn to turn: PollList, in server.hpp. A client's turn is as in echo/select: echo/turn.hpp.
// Before this: echo/select. After it: echo/generations, for when most clients are silent.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "reply.hpp"
#include "turn.hpp"

namespace {

enum Named { stop_entry, listener_entry };

/// What to wait for: that the client says something or, while it is owed something, that there is
/// room to send it.
short wanted(const Client& client) {
    return client.unsent.empty() ? POLLIN : POLLOUT;
}

/// Takes all who wait in the backlog: until EAGAIN, but at most as many as it holds. In a flood of
/// connections there is always one more, and the clients that we have must get their turn.
void accept_all(const Fd& listener, PollList<Client>& list, Rest& rest, std::string& answer) try {
    for (int i = 0; i < SOMAXCONN; ++i) {
        Fd fd = rest.accepted(accept(listener.get(), nullptr, nullptr));
        if (!fd) return;
        Client client{std::move(fd)};  // it is owed the greeting
        if (!take_turn(client, answer)) continue;
        const short events = wanted(client);
        list.add(std::move(client), events);
    }
} catch (const std::bad_alloc&) {
    // There is no memory for one more client: it is closed.
}

/// Serves until a signal comes through the stop pipe.
void serve(const Fd& listener, const Fd& stop) {
    Rest rest;
    tcp::Rounds rounds;
    std::string answer;
    PollList<Client> list{{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}}};
    for (;;) {
        rounds.end_vanished(list.clients);  // poll finds them ready
        const int timeout = rest.timeout();
        // A listener that rests is not looked at: poll skips a negative descriptor.
        list.polled[listener_entry].fd = timeout == -1 ? listener.get() : -1;
        const int ready =
            poll(list.polled.data(), list.count(), timeout == -1 ? rounds.timeout() : timeout);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // a signal (EINTR), or the rest is over
        if (list.polled[stop_entry].revents != 0) return;
        for (std::size_t i = list.clients.size(); i-- > 0;) {  // backwards: see PollList
            if (list.entry(i).revents == 0) continue;
            if (take_turn(list.clients[i], answer)) {
                list.entry(i).events = wanted(list.clients[i]);
            } else {
                rounds.see_off(std::move(list.clients[i].fd));
                list.remove(i);
                rest.connection_closed();
            }
        }
        if (list.polled[listener_entry].revents != 0) accept_all(listener, list, rest, answer);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/poll", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = stop_pipe();
    log_line("listening on ", tcp::local_address(listener));
    serve(listener, stop);
} catch (const std::exception& error) {
    log_line("echo/poll: ", error.what());
    return 1;
}
