// unix_domain/stream_server: echo/poll over a path: another address, and a caller who is known.
//
//     build/unix_domain/stream_server /tmp/echo        serves on that path
//     build/unix_domain/stream_client /tmp/echo        talks to it; so does nc -U /tmp/echo
//
//     socket -> bind -> listen         AF_UNIX: the address is a path, there is nothing to resolve
//     poll <--------------------+      who is ready?
//       stop pipe: leave        |      SIGINT, SIGTERM; the path is removed
//       client: recv -> send ---+      what does not fit its socket waits until it is writable
//       listener: accept -------+      and who is calling: its process, its user, its group
//
// The loop is the one of echo/poll, on purpose: compare the two files with diff. A client's turn is
// echo/turn.hpp; the file that bind makes, and who removes it, is unix_domain/path.hpp.
// Before this: echo/poll. After it: unix_domain/datagram_server.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>

#include "../echo/reply.hpp"
#include "../echo/turn.hpp"
#include "../server.hpp"
#include "options.hpp"
#include "path.hpp"
#include "system.hpp"

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
        unix_domain::set_options(fd);
        log_line("client ", unix_domain::caller(fd));
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
    std::string answer;
    PollList<Client> list{{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}}};
    for (;;) {
        const int timeout = rest.timeout();
        // A listener that rests is not looked at: poll skips a negative descriptor.
        list.polled[listener_entry].fd = timeout == -1 ? listener.get() : -1;
        const int ready = poll(list.polled.data(), list.count(), timeout);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // a signal (EINTR), or the rest is over
        if (list.polled[stop_entry].revents != 0) return;
        for (std::size_t i = list.clients.size(); i-- > 0;) {  // backwards: see PollList
            if (list.entry(i).revents == 0) continue;
            if (take_turn(list.clients[i], answer)) {
                list.entry(i).events = wanted(list.clients[i]);
            } else {
                list.remove(i);
                rest.connection_closed();
            }
        }
        if (list.polled[listener_entry].revents != 0) accept_all(listener, list, rest, answer);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to whoever has gone fails (EPIPE)
    const std::string usage = "PATH\n  PATH        the socket, made with mode 0600";
    const std::string path =
        unix_domain::operands("unix_domain/stream_server", 1, usage, argc, argv)[0];
    const sockaddr_un address = unix_domain::address_of(path);
    const Fd stop = stop_pipe();  // before bind: from then on there is a file to remove
    const Fd listener{check("socket", socket(AF_UNIX, SOCK_STREAM, 0))};
    unix_domain::SocketFile file{path};
    umask(0177);  // who may write to the file may connect: its owner alone, from the first moment
    check("bind " + path, bind(listener.get(), unix_domain::generic(address), sizeof address));
    file.bound();
    check("listen " + path, listen(listener.get(), SOMAXCONN));
    check("fcntl", set_nonblocking(listener));
    log_line("listening on ", path);
    serve(listener, stop);
} catch (const std::exception& error) {
    log_line("unix_domain/stream_server: ", error.what());
    return 1;
}
