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
//       all: the log -> send -----+    each from its cursor to the end, however many messages that
//       is
//
// Before this: log.hpp, the idea; echo/select and echo/poll, the loop. See also:
// notes/broadcast.md.
#include <sys/select.h>

#include <vector>

#include "../fd.hpp"
#include "../tcp/tcp.hpp"
#include "log.hpp"
#include "talk.hpp"

namespace {

struct Client {
    Fd fd;  ///< Empty once the connection is over, until the end of the turn.
    Talker talker;
    Cursor cursor;
    Patience patience{};
    bool reset = false;  ///< a send was told so: what it has begun to say is no message
};

struct Room {
    Log log{};
    std::vector<Client> clients{};
    std::size_t next = 0;  ///< Who is heard first (modulo their number).
    std::mt19937 random{std::random_device{}()};

    /// Somebody is too far behind: nobody is heard and nobody let in until it has caught up
    /// (backpressure).
    [[nodiscard]] bool must_wait() const { return log.size() > Patience::limit; }
};

void enter(Fd fd, Room& room) {
    Talker talker{new_name(room.random, [&](const std::string& name) {
        return std::ranges::any_of(
            room.clients, [&](const Client& other) { return other.talker.name() == name; });
    })};
    talker.enter(room.log);
    Cursor cursor{room.log.end(), talker.greeting()};  // after the news of its own coming
    room.clients.push_back({std::move(fd), std::move(talker), std::move(cursor)});
}

/// The others learn that it is gone. It is still sent what was said while it was there, and then
/// `farewell`.
void leave(Client& client, Log& log, std::string_view farewell = {}) {
    client.cursor.leave(log.end(), farewell);
    client.talker.leave(log);
}

/// The connection is over.
void lose(Client& client, Log& log) {
    if (!client.cursor.has_left()) leave(client, log);
    client.fd = Fd{};
}

/// No more is sent to it. What still comes is received: the last words of one that has closed, or
/// what would make of our close(2) a reset, if it were left unread, which can overtake the farewell
/// (RFC 2525, 2.17).
void hang_up(Client& client, int how) {
    shutdown(client.fd.get(), how);
    client.cursor.finish();
}

/// One recv, so that nobody waits long for anybody.
void hear(Client& client, Log& log) {
    char bytes[16 * 1024];  // as messages, 18 times as many at worst: what the log may be over the
                            // limit by
    const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
    if (received == -1 && tcp::later(errno)) return;
    if (received > 0 && client.cursor.has_left()) return;
    if (received > 0) {
        if (!client.talker.say({bytes, static_cast<std::size_t>(received)}, log))
            leave(client, log, too_long);
        return;
    }
    if (received == 0 && !client.reset && !client.cursor.has_left()) client.talker.end(log);
    if (received == 0 && !client.cursor.is_finished()) {
        leave(client, log);  // it has half-closed, and may be listening still
    } else {
        lose(client, log);
    }
}

/// Hears all who are ready, until that would be too much; who has to wait is heard first in the
/// next turn.
void hear_all(Room& room, const fd_set& readable) {
    const std::size_t count = room.clients.size();
    for (std::size_t i = 0; i < count; ++i, ++room.next) {
        Client& client = room.clients[room.next % count];
        if (!FD_ISSET(client.fd.get(), &readable)) continue;
        if (room.must_wait() && !client.cursor.has_left()) return;
        hear(client, room.log);
    }
}

/// One send: all that is owed, or as much of it as the socket takes. select(2) is not asked first:
/// it calls a socket writable when about a third of its buffer is free, and a slow reader may need
/// long for that.
void deliver(Client& client, Log& log) {
    if (client.cursor.is_finished()) return;
    if (const std::string_view owed = client.cursor.owed(log); !owed.empty()) {
        const ssize_t sent = send(client.fd.get(), owed.data(), owed.size(), 0);
        if (sent >= 0) client.cursor.advance(static_cast<std::size_t>(sent));
        if (sent == -1 && !tcp::later(errno)) {
            client.reset =
                errno != EPIPE;  // EPIPE: it had closed before, and has ended its last line so
            return hang_up(client, SHUT_RD);  // recv: what has come, then 0
        }
    }
    if (client.cursor.has_left() && client.cursor.owed(log).empty()) {
        hang_up(client, SHUT_WR);
        hear(client, log);  // the end, if it has half-closed: its descriptor is free before anybody
                            // else comes in
    }
}

/// Others wait for it: to read, or, once we have hung up, to close.
bool is_awaited(const Client& client, const Log& log) {
    if (client.cursor.is_finished()) return client.cursor.has_left();
    return log.end() - client.cursor.at() > Patience::limit;
}

/// Sends everyone what is new, loses those for whom we waited too long, and forgets what all have
/// been sent.
void deliver_all(Room& room) {
    const auto now = Patience::Clock::now();
    Log::Position slowest = room.log.end();
    for (Client& client : room.clients) {
        if (!client.fd) continue;
        deliver(client, room.log);
        if (client.patience.is_lost(is_awaited(client, room.log), client.cursor.at(), now))
            lose(client, room.log);
        if (client.fd) slowest = std::min(slowest, client.cursor.at());
    }
    room.log.forget(slowest);
}

/// A descriptor kept only to be given up, when accept says that we have no more (EMFILE): then one
/// client can be let in, to be told. Nobody stays without it.
Fd spare_descriptor() {
    return Fd{open("/dev/null", O_RDONLY | O_CLOEXEC)};
}

/// Lets in those who wait in the backlog, a hundred at most: those who are in want to be heard.
void accept_all(const Fd& listener, Fd& spare, tcp::Rest& rest, Room& room) {
    for (int i = 0; i < 100; ++i) {
        // accept4 gives the new socket O_NONBLOCK at once; macOS has accept, then fcntl(F_SETFL).
        Fd fd{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)};
        if (!fd && errno == EMFILE && spare) {
            spare = Fd{};
            continue;
        }
        if (!fd) rest.accept_failed(errno);
        if (!spare) spare = spare_descriptor();
        if (!fd) return;
        if (spare &&
            fd.get() <
                FD_SETSIZE) {  // FD_SET would write past the end of the fd_set (select(2), BUGS)
            enter(std::move(fd), room);
        } else {
            tcp::refuse(std::move(fd), full);
        }
    }
}

void serve(const Fd& listener, Fd& spare, const Fd& stop) {
    tcp::Rest rest;
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
            const Cursor& cursor =
                client.cursor;  // one that has left is heard again once we have hung up: its close
            if (cursor.has_left() ? cursor.is_finished() : !room.must_wait())
                FD_SET(client.fd.get(), &readable);
            if (!cursor.owed(room.log).empty()) FD_SET(client.fd.get(), &writable);
            timed = timed || client.patience.is_running();
        }
        timeval tick{0, 100'000};  // in microseconds: while there is somebody to wait for, or the
                                   // listener rests
        const int ready =
            select(FD_SETSIZE, &readable, &writable, nullptr, timed ? &tick : nullptr);
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready == -1) continue;  // the sets say nothing
        if (FD_ISSET(stop.get(), &readable)) return;
        hear_all(room, readable);
        if (FD_ISSET(listener.get(), &readable)) accept_all(listener, spare, rest, room);
        deliver_all(room);
        if (std::erase_if(room.clients, [](const Client& client) { return !client.fd; }) > 0)
            rest.connection_closed();
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("broadcast/server", argc, argv);
    std::signal(SIGPIPE,
                SIG_IGN);  // a send to a peer that has gone is an errno, EPIPE, and no death
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = tcp::stop_pipe();
    if (std::max(stop.get(), listener.get()) >= FD_SETSIZE)
        throw std::runtime_error{"no descriptor below FD_SETSIZE"};
    const int unsent =
        128 * 1024;  // Inherited: what the kernel holds for a slow client is in nobody's log.
    check("setsockopt", setsockopt(listener.get(), SOL_SOCKET, SO_SNDBUF, &unsent, sizeof unsent));
    Fd spare = spare_descriptor();
    tcp::log("listening on " + tcp::local_address(listener));
    serve(listener, spare, stop);
} catch (const std::exception& error) {
    tcp::log(std::string{"broadcast/server: "} + error.what());
    return 1;
}
