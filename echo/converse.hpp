// echo/converse.hpp: a whole conversation with one client, for a server that may wait for it.
//
//     send <-----------+    the greeting; then the answers
//     recv ------------+    until it returns 0: the client has nothing more to say
//
// echo/iterative, echo/fork and echo/thread have this in common, and differ in who waits.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>

#include <new>
#include <string>

#include "../server.hpp"
#include "reply.hpp"

/// Talks with `client` until it has half-closed and been sent all it is owed, or is gone.
inline void converse(const Fd& client) try {
    Reply reply;
    std::string out{greeting};
    char in[16 * 1024];
    while (send_all(client, out)) {
        out.clear();
        const ssize_t received = recv(client.get(), in, sizeof in, 0);
        if (received == -1 && errno == EINTR) continue;  // a signal came; there is nothing to send
        if (received <= 0) return;                       // 0: the client's half-close; -1: a reset
        reply.answer({in, static_cast<std::size_t>(received)}, out);
    }
} catch (const std::bad_alloc&) {
    // There is no memory for the answer: this conversation ends, and no other.
}
