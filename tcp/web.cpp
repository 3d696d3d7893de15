// tcp/web: a web server: a redirection, a sum, and a static site, for thousands of clients.
//
//     build/tcp/web                    serves tcp/www on 127.0.0.1:8080
//     curl -i 127.0.0.1:8080/          talks to it, and so does any browser
//
//     passive open                     tcp/tcp.hpp; open the directory
//     poll <--------------------+      who is ready? whose time is up?
//       stop pipe: leave        |      SIGINT, SIGTERM
//       client: recv            |      requests: one, many, or a part of one    tcp/http.hpp
//               answer          |      which response?                          tcp/site.hpp,
//               tcp/response.hpp send -----------+      pread -> send for a file, piece by piece
//               tcp/outgoing.hpp
//       listener: accept -------+      until nobody is left waiting
//
// Before this: tcp/commands. What is new is time: a client that has begun a request must come to
// its end.
#include <poll.h>

#include <vector>

#include "../fd.hpp"
#include "access_log.hpp"
#include "http.hpp"
#include "outgoing.hpp"
#include "response.hpp"
#include "site.hpp"
#include "tcp.hpp"

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto never = Clock::time_point::max();
constexpr std::chrono::seconds head_time{10};  ///< for a head, from its first byte
constexpr std::chrono::seconds end_time{2};    ///< for the peer to end, once we have

struct Client {
    Fd fd;
    std::string peer;        ///< its address, for the log
    std::string received{};  ///< what is not answered yet
    http::Parser parser{};   ///< of the request that it starts with
    Outgoing owed{};         ///< While there is some we do not read: the peer must take it first
                             ///< (backpressure).
    bool last = false;       ///< what is owed is the last answer
    Clock::time_point until = never;  ///< our patience, with a head that has begun or with an end
};

/// Owes the client `answer` to the request that its parser has read, or has read a part of.
void respond(Client& client, Answer answer, AccessLog& log) {
    client.until = never;
    const http::Request& request = client.parser.request();
    // A body would be of no use to us: we do not look for its end, and what follows it is not taken
    // for a request.
    if (!request.keep_alive || request.body) client.last = true;
    const auto* const connection = client.last ? "close" : request.minor == 0 ? "keep-alive" : "";
    const off_t length =
        answer.file ? answer.size : static_cast<off_t>(answer.response.body.size());
    client.owed.add(http::head(answer.response, length, connection, tcp::now()));
    const bool with_body = request.method != "HEAD";
    if (with_body) {
        client.owed.add(answer.response.body);
        client.owed.add(std::move(answer.file), answer.size);
    }
    const auto asked =
        request.method.empty() ? "- -" : request.method + ' ' + request.target.substr(0, 1000);
    log.add(client.peer + ' ' + asked + ' ' + std::to_string(answer.response.status) + ' ' +
            std::to_string(with_body ? length : 0));
}

/// Answers with an error, and no more after it: we do not know where the next request would start.
void refuse(Client& client, int status, AccessLog& log) {
    client.last = true;
    respond(client, {http::page(status)}, log);
}

/// Answers what has been asked, in order, as much as there is room for. False when there was
/// nothing to answer.
bool answer(Client& client, const Fd& directory, AccessLog& log) {
    while (!client.last && client.owed.has_room()) {
        try {
            if (!client.parser.read(client.received)) break;
            respond(client, site(client.parser.request(), directory, tcp::now()), log);
        } catch (const http::Refused& refused) {
            refuse(client, refused.status, log);
        }
        client.received.erase(0, client.parser.length());
        client.parser = {};
    }
    return !client.owed.empty();
}

/// Once all is sent: what do we wait for now, and how long?
void wait_for_the_next(Client& client) {
    if (client.last || client.received.empty())
        std::string{}.swap(client.received);  // a silent client owns no buffer
    if (client.until != never) return;
    if (client.last) {
        // Half of the end. close(2) with unread input is a reset, which may overtake our answer
        // (RFC 9112, 9.6).
        shutdown(client.fd.get(), SHUT_WR);
        client.until = Clock::now() + end_time;
    } else if (!client.received.empty()) {
        client.until = Clock::now() + head_time;
    }
}

/// A client's turn, when it is ready or its time is up: at most one recv. False when the
/// conversation is over.
bool take_turn(Client& client, const Fd& directory, AccessLog& log) {
    if (client.until <= Clock::now()) {
        if (client.last) return false;
        refuse(client, 408, log);
    } else if (client.owed.empty()) {
        char bytes[16 * 1024];
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == -1) return tcp::later(errno);
        if (client.last) return received > 0;  // we have ended: what still comes is thrown away
        if (received == 0 && client.received.empty()) return false;
        if (received == 0) refuse(client, 400, log);  // in the middle of a head
        client.received.append(bytes, static_cast<std::size_t>(received));
    }
    do {
        if (!client.owed.send_some(client.fd)) return false;
    } while (client.owed.empty() && answer(client, directory, log));
    if (client.owed.empty()) wait_for_the_next(client);
    return true;
}

/// What poll looks at, and what we know of it: clients[i] is polled[first + i].
struct Loop {
    static constexpr std::size_t first = 3;  ///< after the stop pipe, the listener and the log
    std::vector<pollfd> polled;
    std::vector<Client> clients{};

    void add(Client client) {
        polled.push_back({client.fd.get(), POLLIN, 0});
        clients.push_back(std::move(client));
    }

    /// The last one takes the place of the one who goes: no shifting.
    void remove(std::size_t i) {
        std::swap(polled[first + i], polled.back());
        std::swap(clients[i], clients.back());
        polled.pop_back();
        clients.pop_back();
    }
};

/// Takes everybody who waits: until EAGAIN, or as many as a backlog can hold, as echo/poll does.
void accept_all(const Fd& listener, Loop& loop, tcp::Rest& rest) {
    sockaddr_storage address{};
    auto* const peer = reinterpret_cast<sockaddr*>(&address);
    for (int i = 0; i < SOMAXCONN; ++i) {
        socklen_t length = sizeof address;
        // accept4 gives the new socket O_NONBLOCK at once; macOS has accept, then fcntl(F_SETFL).
        Fd fd{accept4(listener.get(), peer, &length, SOCK_NONBLOCK)};
        if (!fd) return rest.accept_failed(errno);
        loop.add({std::move(fd), tcp::text(peer, length)});
    }
}

/// poll's timeout, in milliseconds: until `next`, but no longer than `limit` (-1 is for ever).
int timeout_until(Clock::time_point next, int limit) {
    if (next == never) return limit;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    return static_cast<int>(
        std::min(static_cast<unsigned>(std::max<long>(left, 0)), static_cast<unsigned>(limit)));
}

void serve(const Fd& listener, const Fd& stop, const Fd& directory) {
    tcp::Rest rest;
    AccessLog log;
    Clock::time_point next = never;  // nobody's `until` is before it
    Loop loop{{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}, {STDERR_FILENO, POLLOUT, 0}}};
    while (loop.polled[0].revents == 0) {
        const int limit = rest.timeout();
        loop.polled[1].fd = limit == -1 ? listener.get() : -1;  // poll skips a negative descriptor
        loop.polled[2].fd = log.empty() ? -1 : STDERR_FILENO;
        const int ready = poll(loop.polled.data(), loop.polled.size(), timeout_until(next, limit));
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready == -1) continue;
        const auto now = Clock::now();
        const bool time_is_up = next <= now;
        // Backwards: the last client is moved into a freed place, and has had its turn by then.
        for (std::size_t i = loop.clients.size(); i-- > 0;) {
            Client& client = loop.clients[i];
            if (loop.polled[Loop::first + i].revents == 0 && !(time_is_up && client.until <= now))
                continue;
            if (take_turn(client, directory, log)) {
                loop.polled[Loop::first + i].events = client.owed.empty() ? POLLIN : POLLOUT;
                next = std::min(next, client.until);
            } else {
                loop.remove(i);
                rest.connection_closed();
            }
        }
        if (time_is_up) {
            next = never;
            for (const Client& client : loop.clients) next = std::min(next, client.until);
        }
        if (loop.polled[1].revents != 0) accept_all(listener, loop, rest);
        log.write_some();
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where =
        tcp::server_arguments("tcp/web", argc, argv, {.port = "8080", .directory = "tcp/www"});
    std::signal(SIGPIPE,
                SIG_IGN);  // a send to a peer that has gone is an errno, EPIPE, and no death
    const Fd directory = open_directory(where.directory);
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = tcp::stop_pipe();  // not before: to look up a name may take long, and a signal
                                       // is to end that too
    tcp::log("listening on " + tcp::local_address(listener));
    serve(listener, stop, directory);
} catch (const std::exception& error) {
    tcp::log(std::string{"tcp/web: "} + error.what());
    return 1;
}
