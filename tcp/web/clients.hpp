// tcp/web/clients.hpp: all clients of tcp/web, and which of them makes room when there is none
// left.
#pragma once

#include "../../fd.hpp"

#include <poll.h>

#include <cstdint>
#include <utility>

#include "../../server.hpp"
#include "../keepalive.hpp"
#include "client.hpp"

/// What the clients share.
struct Server {
    Files files;
    PollList<Client> list;
    std::int64_t now = clock_ms();  ///< when poll last returned
    std::int64_t next = never;      ///< nobody's `until` is before it
};

/// What to wait for from a client: that it says something or, while there is something to answer or
/// to send, that it takes it (backpressure).
inline short wanted(const Client& client) {
    return client.owed.empty() && !has_unanswered(client) ? POLLIN : POLLOUT;
}

/// For somebody who waits for room: whether a client has taken nothing for minutes of what it was
/// sent.
inline bool takes_nothing(Client& client, std::int64_t now) {
    const int left = on_its_way(client.fd);
    if (std::exchange(client.left, left) != left) client.heard = now;
    return now - client.heard >= tcp::patience;
}

/// For want of descriptors: closes the connection of the client that has been silent for longest.
/// For a second at least, if it is owed nothing; else it has taken nothing for minutes. False when
/// there is none. A limit of time in its place would close connections that are in nobody's way,
/// and let those who come all at once have everything until it is over.
inline bool make_room(Server& server) {
    Client* silent = nullptr;
    pollfd* entry = nullptr;
    for (std::size_t i = 0; i < server.list.clients.size(); ++i) {
        Client& client = server.list.clients[i];
        if (server.list.entry(i).revents != 0) continue;
        const bool owed_nothing = wanted(client) == POLLIN && client.stage == Stage::open;
        if (!owed_nothing && !takes_nothing(client, server.now)) continue;
        if (silent != nullptr && silent->heard <= client.heard) continue;
        silent = &client;
        entry = &server.list.entry(i);
    }
    if (silent == nullptr || server.now - silent->heard < 1000) return false;
    silent->fd = Fd{};
    entry->fd = -1;  // poll skips it
    // It leaves the list when it has its turn, at once.
    silent->stage = Stage::ended;
    silent->until = server.next = 0;
    return true;
}
