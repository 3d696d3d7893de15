// broadcast/room.hpp: who is in the room, and the ways out of it.
//
//     talking ---- it half-closes, or its line is too long ----> leaving
//        |                                                          | all it is owed is sent
//        | a send fails                                             v
//        v                                                       closing
//     cut off: what it has said before is still heard               | it closes, too
//        | recv says 0                                              v
//        +-------------------------------------------------------> gone
//
// A reset, or patience that has run out, leads from anywhere to gone. The others are told as soon
// as it is not talking any more, or, if it was cut off, when it is gone: its last words come first.
#pragma once

#include "../fd.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "../server.hpp"
#include "../tcp/keepalive.hpp"
#include "log.hpp"
#include "talk.hpp"

enum class State {
    talking,
    cut_off_by_close,  ///< EPIPE: it has closed. A last line without its end is a message
    cut_off_by_reset,  ///< ECONNRESET ...: a line without its end is none
    leaving,           ///< it is sent what was said while it was there, then its farewell
    closing,           ///< we have half-closed, and wait for its close
    gone               ///< its descriptor is closed; it is removed at the end of the turn
};

struct Client {
    Fd fd;
    Talker talker;
    Cursor cursor;
    Patience patience{};
    State state = State::talking;

    /// Whether it may still be sent something.
    [[nodiscard]] bool is_served() const {
        return state == State::talking || state == State::leaving;
    }

    /// Whether the others have heard that it has left.
    [[nodiscard]] bool has_left() const { return state >= State::leaving; }
};

struct Room {
    Log log{};
    std::vector<Client> clients{};
    std::size_t next = 0;  ///< who is heard first (modulo their number)
    std::mt19937 random{std::random_device{}()};
    tcp::Rounds rounds{};

    /// Somebody is too far behind: nobody is heard and nobody let in until it has caught up
    /// (backpressure).
    [[nodiscard]] bool must_wait() const { return log.size() > Patience::limit; }

    /// Lets a client in, and says so to the others. Throws std::bad_alloc, and has then changed
    /// nothing.
    void enter(Fd fd) {
        Talker talker{new_name(random, [&](const std::string& name) {
            return std::any_of(clients.begin(), clients.end(),
                               [&](const Client& other) { return other.talker.name() == name; });
        })};
        clients.reserve(clients.size() + 1);
        const std::string greeting = talker.greeting();
        talker.enter(log);
        // Its cursor stands after the news of its own coming.
        clients.push_back({std::move(fd), std::move(talker), Cursor{log.end(), greeting}});
    }

    /// The others learn that it leaves. It is still sent what was said so far, and then `farewell`.
    void leave(Client& client, std::string_view farewell = {}) {
        client.cursor.leave(log.end(), farewell);
        client.talker.leave(log);
        client.state = State::leaving;
    }

    /// The connection is over.
    void lose(Client& client) {
        if (!client.has_left()) client.talker.leave(log);
        if (client.state == State::closing) rounds.see_off(std::move(client.fd));
        client.fd = Fd{};
        client.state = State::gone;
    }

    /// Whether others wait for it: to read or, once we have half-closed and it knows, to close. Who
    /// is leaving is behind what is said meanwhile, too: the log has to be kept from its cursor on.
    [[nodiscard]] bool is_awaited(const Client& client) const {
        if (client.is_served()) return log.end() - client.cursor.at() > Patience::limit;
        return client.state == State::closing && on_its_way(client.fd) == 0;
    }
};
