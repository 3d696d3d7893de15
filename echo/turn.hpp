// echo/turn.hpp: one client's turn, for a server that waits for many at once and never for one.
//
// echo/select.cpp writes it out. echo/poll, echo/generations and unix_domain/stream_server share it
// from here.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <new>
#include <string>
#include <string_view>

#include "../server.hpp"
#include "reply.hpp"

struct Client {
    Fd fd;
    Reply reply{};
    std::string unsent{greeting};  ///< the peer has to take it before we read more (backpressure)
};

/// Keeps `rest` for the client's next turn. When it is empty, no memory is kept, either.
inline void keep_unsent(Client& client, std::string_view rest) {
    std::string kept{rest};    // a copy first: `rest` may lie in `unsent`
    client.unsent.swap(kept);  // what `unsent` was is freed with `kept`
}

/// A ready client's turn: at most one recv, and one send of at most most_a_turn bytes, so that
/// nobody waits long for anybody. `answer` is working memory, the same for all clients.
/// False when the conversation is over.
inline bool take_turn(Client& client, std::string& answer) try {
    if (told_to_end) return true;  // poll is to see it, and soon
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
    // Sent at once: there is nearly always room for it, and poll need not be asked.
    const std::size_t size = std::min(owed.size(), most_a_turn);
    const ssize_t sent = send(client.fd.get(), owed.data(), size, 0);
    if (sent == -1 && !later(errno)) return false;
    if (sent > 0) owed.remove_prefix(static_cast<std::size_t>(sent));
    keep_unsent(client, owed);
    return true;
} catch (const std::bad_alloc&) {
    return false;  // no memory to keep the rest in: this client goes, the others stay
}
