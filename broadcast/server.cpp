// broadcast/server: a room where everyone hears everyone, in one thread, with one select(2) loop.
//
//     build/broadcast/server           serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                enters the room; what is typed there, all see
//
//     passive open                     tcp/tcp.hpp; the listener does not block
//     select <--------------------+    who is ready?
//       stop pipe: leave          |    SIGINT, SIGTERM
//       client: recv -> the log   |    not while somebody is too far behind
//       listener: accept          |    likewise
//       all: the log -> send -----+    from each one's cursor to the end, be it a thousand messages
//
// Before this: log.hpp, the idea; room.hpp, who comes and goes; echo/select, the loop.
#include "../fd.hpp"

#include <sys/select.h>
#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "room.hpp"

namespace {

/// The client will say no more: recv has returned 0.
void end(Client& client, Room& room) {
    const bool last_line_counts = client.state != State::cut_off_by_reset && !client.has_left();
    if (last_line_counts) client.talker.end(room.log);
    if (client.state == State::talking) return room.leave(client);  // it may be listening still
    room.lose(client);
}

/// One recv, so that nobody waits long for anybody.
void hear(Client& client, Room& room) try {
    char bytes[16 * 1024];  // as messages up to 18 times as long: so far the log may pass its limit
    const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
    if (received == -1 && later(errno)) return;
    if (received == -1) return room.lose(client);
    if (received == 0) return end(client, room);
    if (client.has_left()) return;  // nobody hears it any more
    if (client.talker.say({bytes, static_cast<std::size_t>(received)}, room.log)) return;
    client.state == State::talking ? room.leave(client, too_long) : room.lose(client);
} catch (const std::bad_alloc&) {
    room.lose(client);  // there is no memory for what it says: it goes, the others stay
}

/// Hears all who are ready, until somebody is too far behind. The next turn goes on from there.
void hear_all(Room& room, const fd_set& readable) {
    const std::size_t count = room.clients.size();
    for (std::size_t i = 0; i < count; ++i, ++room.next) {
        Client& client = room.clients[room.next % count];
        if (!FD_ISSET(client.fd.get(), &readable)) continue;
        if (room.must_wait() && !client.has_left()) return;
        hear(client, room);
    }
}

/// One send: all that is owed, or as much of it as the socket takes. select(2) is not asked first:
/// it calls a socket writable when about a third of its buffer is free, and a slow reader may need
/// long for that.
void deliver(Client& client, Room& room) {
    if (const std::string_view owed = client.cursor.owed(room.log); !owed.empty()) {
        const ssize_t sent = send(client.fd.get(), owed.data(), owed.size(), 0);
        if (sent >= 0) client.cursor.advance(static_cast<std::size_t>(sent));
        if (sent == -1 && !later(errno)) {
            if (client.state == State::leaving) return room.lose(client);
            client.state = errno == EPIPE ? State::cut_off_by_close : State::cut_off_by_reset;
            shutdown(client.fd.get(), SHUT_RD);  // recv: what has come, then 0
            return;
        }
    }
    if (client.state == State::leaving && client.cursor.owed(room.log).empty()) {
        // Half-closed only. What still comes is received: a close(2) that leaves it unread is a
        // reset, which can overtake the farewell (RFC 2525, 2.17).
        shutdown(client.fd.get(), SHUT_WR);
        client.state = State::closing;
        client.patience = {};  // it has been sent all: whatever was asked of it, it has done
        hear(client, room);    // it may have closed: its descriptor is free before anybody comes in
    }
}

/// Sends everyone what is new, loses those for whom we have waited too long, and forgets what
/// everyone has been sent.
void deliver_all(Room& room) {
    const std::int64_t now = clock_ms();
    const bool looks = room.rounds.are_due();
    room.rounds.close_who_have_all();
    Log::Position slowest = room.log.end();
    for (Client& client : room.clients) {
        if (told_to_end) return;  // select is to see it, and soon
        if (client.is_served()) deliver(client, room);
        const Log::Position at = client.cursor.at();
        if (client.patience.is_lost(room.is_awaited(client), at, now)) room.lose(client);
        if (looks && room.rounds.has_vanished(client.fd)) room.lose(client);
        if (client.is_served()) slowest = std::min(slowest, at);
    }
    room.log.forget(slowest);
}

/// Lets in those who wait in the backlog, a hundred at most: those in the room must be heard, too.
/// `spare` is kept only to be given up when accept finds no descriptor free (EMFILE): then it can
/// take one client, to tell it so. While there is no spare one, every newcomer is sent away.
void accept_all(const Fd& listener, Fd& spare, Rest& rest, Room& room) try {
    for (int i = 0; i < 100; ++i) {
        const int number = accept(listener.get(), nullptr, nullptr);
        if (number == -1 && errno == EMFILE && spare) {
            spare = Fd{};
            continue;
        }
        Fd fd = rest.accepted(number);
        if (!spare) spare = Fd{dup(listener.get())};
        if (!fd) return;
        if (spare && fd.get() < FD_SETSIZE) {  // FD_SET would write past the end of the fd_set
            room.enter(std::move(fd));
        } else {
            room.rounds.refuse(std::move(fd), full);
        }
    }
} catch (const std::bad_alloc&) {
    // There is no memory for one more client: it is closed.
}

void serve(const Fd& listener, Fd& spare, const Fd& stop) {
    Rest rest;
    Room room;
    for (;;) {
        fd_set readable;
        fd_set writable;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        FD_SET(stop.get(), &readable);
        const bool resting = rest.timeout() != -1;
        if (!resting && !room.must_wait()) FD_SET(listener.get(), &readable);
        bool timed = resting || room.must_wait();
        for (const Client& client : room.clients) {
            const int fd = client.fd.get();
            const bool heard = client.state < State::leaving && !room.must_wait();
            if (heard || client.state == State::closing) FD_SET(fd, &readable);
            if (client.is_served() && !client.cursor.owed(room.log).empty()) FD_SET(fd, &writable);
            timed = timed || client.patience.is_running() || client.state == State::closing;
        }
        // A tenth of a second, when there is somebody to wait for, or the listener rests.
        const int most = timed ? 100 : room.rounds.timeout();
        timeval tick{most / 1000, suseconds_t{most % 1000} * 1000};
        const int ready = select(FD_SETSIZE, &readable, &writable, nullptr, &tick);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready == -1) continue;  // the sets say nothing
        if (FD_ISSET(stop.get(), &readable)) return;
        hear_all(room, readable);
        if (FD_ISSET(listener.get(), &readable)) accept_all(listener, spare, rest, room);
        deliver_all(room);
        const auto is_gone = [](const Client& client) { return client.state == State::gone; };
        if (std::erase_if(room.clients, is_gone) > 0) rest.connection_closed();
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("broadcast/server", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = stop_pipe();
    if (std::max(stop.get(), listener.get()) >= FD_SETSIZE)
        throw std::runtime_error{"no descriptor below FD_SETSIZE"};
    // Inherited. What the kernel holds for a slow client is not in the log, and nobody can see it.
    tcp::set_option(listener, SOL_SOCKET, SO_SNDBUF, 128 * 1024);
    Fd spare{dup(listener.get())};
    log_line("listening on ", tcp::local_address(listener));
    serve(listener, spare, stop);
} catch (const std::exception& error) {
    log_line("broadcast/server: ", error.what());
    return 1;
}
