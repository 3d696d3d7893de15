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

/// What poll is to look at. Not at who is over: it would report POLLHUP again and again.
inline pollfd polled(const Client& client) {
    return {client.stage == Stage::over ? -1 : client.fd.get(), wanted(client), 0};
}

/// Since when a client has been silent, when somebody waits for room; `now` if it is to stay. Who
/// is owed something, or has not taken all of its last answer, is to stay unless it has been seen
/// to take nothing for minutes, whatever it says.
inline std::int64_t silent_since(Client& client, std::int64_t now) {
    const int left = on_its_way(client.fd);
    const bool has_all = left == 0 && wanted(client) == POLLIN;
    if (has_all && client.stage == Stage::open) return client.heard;
    if (std::exchange(client.left, left) != left) client.took = now;
    return now - client.took >= tcp::patience ? client.took : now;
}

/// For want of descriptors: closes the connection of the client that has been silent for longest,
/// for a second at least. False when there is none. A limit of time in its place would close
/// connections that are in nobody's way, and let those who come all at once have everything until
/// it is over.
inline bool make_room(Server& server) {
    Client* silent = nullptr;
    pollfd* entry = nullptr;
    std::int64_t longest = server.now - 1000;
    for (std::size_t i = 0; i < server.list.clients.size(); ++i) {
        Client& client = server.list.clients[i];
        if (server.list.entry(i).revents != 0 && client.stage < Stage::ended) continue;
        const std::int64_t since = silent_since(client, server.now);
        if (since > longest) continue;
        longest = since;
        silent = &client;
        entry = &server.list.entry(i);
    }
    if (silent == nullptr) return false;
    silent->fd = Fd{};
    entry->fd = -1;  // poll skips it
    // It leaves the list when it has its turn, at once.
    silent->stage = Stage::ended;
    silent->until = server.next = 0;
    return true;
}
