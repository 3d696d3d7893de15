// tcp/forward: brings a port of another machine to this one, for any number of connections in one
// poll(2) loop.
//
//     build/tcp/forward 4000:roucas101:22      who connects to port 4000 here talks with port 22 of
//     roucas101 nc 127.0.0.1 4000
//
//     passive open, for each redirection     tcp/tcp.hpp; how one is written: tcp/spec.hpp
//     poll <------------------------+        who is ready?
//       stop pipe: leave            |        SIGINT, SIGTERM
//       relay: recv -> send --------+        tcp/relay.hpp
//       listener: accept, connect --+        until nobody is left waiting
//
// Before this: tcp/netcat, for the two directions; tcp/probe, for the connect that does not block;
// echo/poll, for the loop. `ssh -L` adds what this lacks: encryption, and a say in who may use it.
// This is for the lab.
#include <poll.h>

#include <vector>

#include "../fd.hpp"
#include "relay.hpp"
#include "spec.hpp"
#include "tcp.hpp"

namespace {

/// A redirection at work.
struct Listener {
    Fd fd;
    Spec::End target;
};

Listener listen_for(const Spec& spec) {
    const auto open = [&](const std::string& host) {
        Listener opened{tcp::passive_open({host, spec.listen.port}), spec.target};
        check("fcntl", set_nonblocking(opened.fd));
        return opened;
    };
    try {
        return open(spec.listen.host);
    } catch (const std::system_error& error) {
        const bool no_ipv6 =
            spec.listen.host == "::" && error.code() == std::errc::address_family_not_supported;
        if (!no_ipv6) throw;
        return open("0.0.0.0");
    }
}

/// Takes everybody who waits in a listener's backlog: until EAGAIN, or as many as it can hold, as
/// echo/poll does.
void accept_all(const Listener& listener, std::vector<Relay>& relays, tcp::Rest& rest) {
    for (int i = 0; i < SOMAXCONN; ++i) {
        // A relay needs two descriptors: while there is no second one, the client is better off in
        // the backlog.
        Fd second{fcntl(listener.fd.get(), F_DUPFD_CLOEXEC, 0)};
        Fd client{second ? accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK) : -1};
        if (!client) return rest.accept_failed(errno);
        second = Fd{};
        Relay relay{std::move(client)};
        if (relay.open_target(listener.target)) relays.push_back(std::move(relay));
    }
}

void serve(const std::vector<Listener>& listeners, const Fd& stop) {
    tcp::Rest rest;
    std::vector<Relay> relays;
    std::vector<pollfd> polled;
    for (;;) {
        const int timeout = rest.timeout();
        polled.assign(1, {stop.get(), POLLIN, 0});
        for (const Listener& listener : listeners)  // poll skips a negative descriptor
            polled.push_back({timeout == -1 ? listener.fd.get() : -1, POLLIN, 0});
        const std::size_t first =
            polled.size();  // relays[i] has polled[first + 2 * i], its client, and the next one
        for (const Relay& relay : relays)
            for (const pollfd& end : relay.wanted()) polled.push_back(end);

        const int ready = poll(polled.data(), polled.size(), timeout);
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // EINTR; or a rest is over
        if (polled[0].revents != 0) return;
        // Backwards: the last relay, which takes the place of one that is over, has had its turn.
        for (std::size_t i = relays.size(); i-- > 0;) {
            const short client = polled[first + 2 * i].revents;
            const short target = polled[first + 2 * i + 1].revents;
            if ((client == 0 && target == 0) || relays[i].take_turn(client, target)) continue;
            std::swap(relays[i], relays.back());
            relays.pop_back();
            rest.connection_closed();
        }
        for (std::size_t i = 0; i < listeners.size(); ++i)
            if (polled[1 + i].revents != 0) accept_all(listeners[i], relays, rest);
    }
}

std::vector<Spec> read_arguments(int argc, char* argv[]) {
    const std::string program = "tcp/forward";
    const std::string usage =
        "usage: tcp/forward [-L] [bind_address:]port:host:hostport ...\n"
        "  bind_address, port  where to listen: 127.0.0.1 by default, * for every interface; port "
        "0 takes a free one\n"
        "  host, hostport      where to connect to for each client\n"
        "  -h, --help          this text\n"
        "IPv6 addresses go in brackets: [::1]:4000:[fd00::4]:22";
    open_standard_descriptors();
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    std::vector<std::string> texts;
    opterr = 0;  // the messages are ours
    // "-": a word that is no option is given to us like an option's value, in its place among the
    // others.
    for (int letter = 0;
         (letter = getopt_long(argc, argv, "-:L:h", long_options, nullptr)) != -1;) {
        tcp::common_option(letter, argv, program, usage);
        texts.emplace_back(optarg);
    }
    texts.insert(texts.end(), argv + optind, argv + argc);  // what follows a --
    if (texts.empty()) tcp::bad_usage(program, "no redirection", usage);
    std::vector<Spec> specs;
    try {
        for (const std::string& text : texts) specs.push_back(parse_spec(text));
    } catch (const std::invalid_argument& error) {
        tcp::bad_usage(program, error.what(), usage);
    }
    return specs;
}

}  // namespace

int main(int argc, char* argv[]) try {
    const std::vector<Spec> specs = read_arguments(argc, argv);
    std::signal(SIGPIPE,
                SIG_IGN);  // a send to a peer that has gone is an errno, EPIPE, and no death
    std::vector<Listener> listeners(specs.size());
    std::transform(specs.begin(), specs.end(), listeners.begin(), listen_for);
    const Fd stop = tcp::stop_pipe();  // not before: to look up a name may take long, and a signal
                                       // is to end that too
    for (const Listener& listener : listeners)
        tcp::log("listening on " + tcp::local_address(listener.fd));
    serve(listeners, stop);
} catch (const std::exception& error) {
    tcp::log(std::string{"tcp/forward: "} + error.what());
    return 1;
}
