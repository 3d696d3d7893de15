// echo/gaps: what comes goes back (RFC 862), to all clients in one select loop. It has five gaps:
// fill in GAP 1, try, then GAP 2 ... There is a test for each. ([[maybe_unused]] keeps the compiler
// from warning of what is not used yet.)
//
//     make exercise NAME=gaps
//
//     select <-----------------+       waits until somebody has something for us
//       the listener: accept --+       a newcomer
//       a client: recv, send --+       what it said goes back; 0 is the end
#include "../fd.hpp"

#include <sys/select.h>
#include <sys/socket.h>

#include <csignal>
#include <list>

#include "../server.hpp"
#include "../tcp/tcp.hpp"

namespace {

/// What a client has said goes back to it. False when the client is to be closed.
bool take_turn([[maybe_unused]] const Fd& client) {
    [[maybe_unused]] char bytes[16 * 1024];
    const ssize_t received = -1;  // GAP 4: call recv(2) in the place of -1

    if (received == -1) return false;
    // GAP 5: what does 0 mean, and what is to be returned then?

    return send_all(client, {bytes, static_cast<std::size_t>(received)});
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/gaps", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd listener = tcp::passive_open(where);
    log_line("listening on ", tcp::local_address(listener));
    std::list<Fd> clients;
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(listener.get(), &ready);
        [[maybe_unused]] int highest = listener.get();  // the highest descriptor in `ready`
        for ([[maybe_unused]] const Fd& client : clients) {
            // GAP 3: the client too is to be in `ready`, and `highest` as high as it is
        }
        errno = ENOSYS;  // "Function not implemented"
        // GAP 1: call select(2) in the place of -1. It waits until one of `ready` can be read, and
        // leaves in `ready` only those that can. Nobody is waited for to write; there is no limit.
        check("select", -1);

        for (auto client = clients.begin(); client != clients.end();) {
            const bool stays = !FD_ISSET(client->get(), &ready) || take_turn(*client);
            client = stays ? std::next(client) : clients.erase(client);  // ~Fd closes it
        }
        if (FD_ISSET(listener.get(), &ready)) {
            log_line("a client is at the door");
            Fd client;  // GAP 2: Fd client{...}, with what accept(2) returns

            if (!client) sleep_a_little();
            if (client && client.get() < FD_SETSIZE) {
                log_line("and comes in");
                clients.push_back(std::move(client));
            }
        }
    }
} catch (const std::exception& error) {
    log_line("echo/gaps: ", error.what());
    return 1;
}
