// tcp/forward: brings a port of another machine to this one, for any number of connections in one
// poll(2) loop.
//
//     build/tcp/forward 4000:roucas101:22     who connects to port 4000 here talks with port 22 of
//     nc 127.0.0.1 4000                       roucas101
//
//     passive open, for each redirection      tcp/tcp.hpp; how one is written: tcp/spec.hpp
//     poll <--------------------------+       who is ready?
//       stop pipe: leave              |       SIGINT, SIGTERM
//       relay: recv -> send ----------+       tcp/relay.hpp
//       look-up: connect -------------+       the target's name has been found: tcp/resolver.hpp
//       listener: accept, look up ----+       until nobody is left waiting
//
// Before this: tcp/netcat, for the two directions; tcp/probe, for the connect that does not block;
// echo/poll, for the loop. For the lab: `ssh -L` adds encryption, and a say in who may use it.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>
#include <vector>

#include "../server.hpp"
#include "forward_options.hpp"
#include "relay.hpp"
#include "resolver.hpp"
#include "spec.hpp"
#include "tcp.hpp"

namespace {

/// A redirection at work.
struct Redirection {
    Fd listener;
    Spec::End target;
    std::shared_ptr<const LookUp> look_up{};  ///< under way; who comes meanwhile has the next
};

/// First come the entries with a name, then the listeners, then two for each relay.
enum Named { stop_entry, done_entry, first_listener };

struct Server {
    std::vector<Redirection> redirections;
    Resolver resolver;
    std::vector<Relay> relays{};
    std::size_t first_relay = first_listener + redirections.size();
    std::vector<pollfd> polled{first_relay};
    Rest rest{};
    tcp::Rounds rounds{};

    /// There is a place for its entries in `polled` before a relay is here: no turn of the loop has
    /// to find memory. Throws std::bad_alloc, and the relay is closed.
    void add(Relay relay) {
        const std::size_t needed = first_relay + 2 * (relays.size() + 1);
        if (polled.size() < needed) polled.resize(needed);
        relays.push_back(std::move(relay));
    }

    /// The last relay takes the place of the one that is over.
    void remove(std::size_t i) {
        relays[i].see_off(rounds);
        std::swap(relays[i], relays.back());
        relays.pop_back();
        rest.connection_closed();
    }
};

/// The look-up that relays of redirection `which` wait for is over, or there can be none.
void end_wait(Server& server, std::size_t which, const std::shared_ptr<const LookUp>& look_up) {
    for (Relay& relay : server.relays)
        if (relay.waits_for(which)) relay.resolved(look_up);
}

/// Starts a look-up for the relays of redirection `which` that have come since the last one began:
/// its answer may be older than they are. One at a time: while one is under way, they wait.
void look_up(Server& server, std::size_t which) {
    Redirection& redirection = server.redirections[which];
    auto& relays = server.relays;
    const auto joins = [which](Relay& relay) { return relay.joins(which); };
    if (redirection.look_up || std::count_if(relays.begin(), relays.end(), joins) == 0) return;
    const std::shared_ptr<LookUp> started = server.resolver.start(redirection.target, which);
    if (started && started->in_thread)
        redirection.look_up = started;
    else
        end_wait(server, which, started);
}

/// A thread has looked up a name.
void take_answer(Server& server) {
    std::size_t which = 0;
    if (read(server.resolver.done().get(), &which, sizeof which) != sizeof which) return;
    server.resolver.ended();
    end_wait(server, which, std::exchange(server.redirections[which].look_up, nullptr));
    look_up(server, which);
}

/// Takes whoever waits in a listener's backlog, as echo/poll does: next, the target is looked up.
void accept_all(Server& server, std::size_t which) try {
    const Fd& listener = server.redirections[which].listener;
    for (int i = 0; i < SOMAXCONN; ++i) {
        // A relay needs two descriptors, and a look-up one: while they are not there, the client is
        // better off in the backlog.
        Fd second{dup(listener.get())};
        const Fd third{server.resolver.looks_up() ? dup(listener.get()) : -1};
        const bool enough = second && (third || !server.resolver.looks_up());
        const int number = enough ? accept(listener.get(), nullptr, nullptr) : -1;
        Fd client = server.rest.accepted(number, which);
        if (!client) return;
        server.add(Relay{std::move(client), std::move(second), which});
    }
} catch (const std::bad_alloc&) {
    // There is no memory for one more client: it is closed.
}

/// Serves until a signal comes through the stop pipe.
void serve(Server& server, const Fd& stop) {
    std::vector<pollfd>& polled = server.polled;
    polled[stop_entry] = {stop.get(), POLLIN, 0};
    polled[done_entry] = {server.resolver.done().get(), POLLIN, 0};
    for (;;) {
        const int rest = server.rest.timeout();
        nfds_t end = first_listener;
        for (const Redirection& redirection : server.redirections)  // poll skips what is negative
            polled[end++] = {rest == -1 ? redirection.listener.get() : -1, POLLIN, 0};
        for (const Relay& relay : server.relays)
            for (const pollfd& wanted : relay.wanted()) polled[end++] = wanted;
        const int ready = poll(polled.data(), end, rest == -1 ? server.rounds.timeout() : rest);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready == -1) continue;
        server.rounds.close_who_have_all();
        tcp::Rounds* const looks = server.rounds.are_due() ? &server.rounds : nullptr;
        if (polled[stop_entry].revents != 0) return;
        // Backwards: the last relay, which takes the place of one that is over, has had its turn.
        for (std::size_t i = server.relays.size(); i-- > 0;) {
            const short client = polled[server.first_relay + 2 * i].revents;
            const short target = polled[server.first_relay + 2 * i + 1].revents;
            if (!server.relays[i].take_turn(client, target, looks)) server.remove(i);
        }
        if (polled[done_entry].revents != 0) take_answer(server);
        for (std::size_t i = 0; i < server.redirections.size(); ++i)
            if (polled[first_listener + i].revents != 0) {
                accept_all(server, i);
                look_up(server, i);
            }
    }
}

Fd listen_at(const Spec::End& end) {
    try {
        return tcp::passive_open({end.host, end.port});
    } catch (const std::system_error& error) {
        const bool has_ipv6 = error.code() != std::errc::address_family_not_supported;
        if (end.host != "::" || has_ipv6) throw;
        return tcp::passive_open({"0.0.0.0", end.port});
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const std::vector<Spec> specs = read_forward_arguments(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a peer that has gone fails (EPIPE)
    std::vector<Redirection> redirections;
    for (const Spec& spec : specs) {
        redirections.push_back({listen_at(spec.listen), spec.target});
        check("fcntl", set_nonblocking(redirections.back().listener));
    }
    // Not before: to look up an address to listen on may take long, and a signal is to end that.
    const Fd stop = stop_pipe();
    const auto has_name = [](const Spec& spec) { return is_name(spec.target); };
    Server server{std::move(redirections),
                  Resolver{std::any_of(specs.begin(), specs.end(), has_name)}};
    for (const Redirection& redirection : server.redirections)
        log_line("listening on ", tcp::local_address(redirection.listener));
    serve(server, stop);
} catch (const std::exception& error) {
    log_line("tcp/forward: ", error.what());
    return 1;
}
