// tcp/web: a web server: a redirection, a sum, and a static site, for thousands of clients.
//
//     build/tcp/web                    serves tcp/www on 127.0.0.1:8080
//     curl -i 127.0.0.1:8080/          talks to it, and so does any browser
//
//     passive open                     tcp/tcp.hpp; open the directory
//     poll <--------------------+      who is ready? whose time is up?
//       stop pipe: leave        |      SIGINT, SIGTERM
//       client: recv            |      requests: one, many, or a part of one    web/http.hpp
//               answer          |      which response?                          web/site.hpp
//               send -----------+      pread -> send for a file, piece by piece    outgoing.hpp
//       listener: accept -------+      until nobody is left waiting
//
// Before this: tcp/commands. What is new is time: a client that has begun a request must come to
// its end, and one that says nothing makes room when there is no room left.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>

#include "../inside.hpp"
#include "../server.hpp"
#include "outgoing.hpp"
#include "tcp.hpp"
#include "wall_clock.hpp"
#include "web/clients.hpp"
#include "web/site.hpp"

namespace {

constexpr int head_time = 10'000;  ///< for a head, in milliseconds from its first byte

enum Named { stop_entry, listener_entry };

/// The answer to `request`. A walk to a file takes two descriptors: for want of them, the files of
/// others are put aside.
Answer find_answer(const http::Request& request, bool announced, Server& server) {
    Answer answer = site(request, announced, server.files, wall_clock());
    while (answer.response.status == 503 && !are_free(2, server.files.directory) &&
           put_a_file_aside(server.list)) {
        answer = site(request, announced, server.files, wall_clock());
    }
    return answer;
}

/// Answers what has been asked, in order, as much as there is room for.
void answer(Client& client, Server& server) try {
    for (int i = 0; i < files_a_turn && client.owed.has_room(); ++i) {
        if (client.stage != Stage::open || !client.parser.read(client.received)) return;
        // poll has announced the first only: others may have come since.
        respond(client, find_answer(client.parser.request(), i == 0, server));
        client.received.erase(0, client.parser.length());
        client.parser = {};
    }
} catch (const http::Refused& refused) {
    respond_last(client, refused.status);
}

/// Once all is sent: what do we wait for now, and how long?
void wait_for_the_next(Client& client, std::int64_t now) {
    if (client.stage == Stage::last) {
        end(client, now);
    } else if (client.until == never && !client.received.empty()) {
        client.until = now + head_time;
    }
    if (client.received.empty()) client.received.shrink_to_fit();  // a silent client owns no buffer
}

/// A client's turn, when it is ready or its time is up. False when the conversation is over.
bool take_turn(Client& client, Server& server) try {
    if (told_to_end) return true;  // poll is to see it, and soon
    const bool late = client.until <= server.now;
    client.heard = server.now;
    if (late && client.stage >= Stage::ended) return is_waited_for(client, server.now);
    char bytes[16 * 1024];
    // Of a server that was stopped (Control-Z) until now, the rest of the head may be waiting.
    if (late && recv(client.fd.get(), bytes, 1, MSG_PEEK) == -1) {
        respond_last(client, 408);
    } else if (wanted(client) == POLLIN) {
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == -1) return later(errno);
        if (received == 0 && !client.parser.has_begun()) return see_off(client, server.now);
        if (client.stage == Stage::ended) return true;
        if (received == 0) respond_last(client, 400);  // in the middle of a head
        client.received.append(bytes, static_cast<std::size_t>(received));
    }
    if (client.owed.empty()) answer(client, server);
    if (!send_some(client, server.files.directory, server.list)) return false;
    if (wanted(client) == POLLIN) wait_for_the_next(client, server.now);
    return true;
} catch (const std::bad_alloc&) {
    return false;  // no memory for what it asks: it goes, the others stay
}

/// Takes everybody who waits in the backlog, as echo/poll does.
void accept_all(const Fd& listener, Server& server, Rest& rest) try {
    sockaddr_storage address{};
    auto* const peer = reinterpret_cast<sockaddr*>(&address);
    for (int i = 0; i < SOMAXCONN; ++i) {
        socklen_t length = sizeof address;
        // One for the client, and two for a walk to a file, which are not to be taken from others.
        const bool enough = server.list.clients.empty() || are_free(3, listener);
        const int number = enough ? accept(listener.get(), peer, &length) : -1;
        const bool is_full = number == -1 && errno == EMFILE;
        if (Fd fd = rest.accepted(number)) {
            server.list.add({std::move(fd), tcp::text(peer, length), server.now}, POLLIN);
            continue;
        }
        // accept(2) wants a descriptor before it looks who waits: only the first time round has
        // poll said that somebody does.
        if (is_full && (i > 0 || make_room(server))) rest.connection_closed();
        return;
    }
} catch (const std::bad_alloc&) {
    // There is no memory for one more client: it is closed.
}

/// How long poll may wait, in milliseconds. `rest`: see Rest::timeout().
int timeout_until(std::int64_t next, int rest) {
    std::int64_t limit = std::clamp<std::int64_t>(next - clock_ms(), 0, tcp::Rounds::period);
    if (rest != -1) limit = std::min<std::int64_t>(limit, rest);
    if (!standard_log().empty()) limit = std::min<std::int64_t>(limit, 100);  // lines wait for room
    return static_cast<int>(limit);
}

/// Serves until a signal comes through the stop pipe.
void serve(const Fd& listener, const Fd& stop, Server& server) {
    Rest rest;
    tcp::Rounds rounds;
    PollList<Client>& list = server.list;
    for (;;) {
        rounds.end_vanished(list.clients);
        const int rested = rest.timeout();
        // A listener that rests is not looked at: poll skips a negative descriptor.
        list.polled[listener_entry].fd = rested == -1 ? listener.get() : -1;
        const int ready =
            poll(list.polled.data(), list.count(), timeout_until(server.next, rested));
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready == -1) continue;
        if (list.polled[stop_entry].revents != 0) return;
        server.now = clock_ms();
        server.files.looked_for.clear();
        const bool time_is_up = server.next <= server.now;
        if (time_is_up) server.next = never;                   // until it is found anew
        for (std::size_t i = list.clients.size(); i-- > 0;) {  // backwards: see PollList
            Client& client = list.clients[i];
            if (list.entry(i).revents == 0 && !time_is_up) continue;
            const bool its_turn = list.entry(i).revents != 0 || client.until <= server.now;
            if (its_turn && !take_turn(client, server)) {
                list.remove(i);
                rest.connection_closed();
                continue;
            }
            list.entry(i) = polled(client);
            server.next = std::min(server.next, client.until);
        }
        if (list.polled[listener_entry].revents != 0) accept_all(listener, server, rest);
        standard_log().write_some();
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where =
        tcp::server_arguments("tcp/web", argc, argv, {.port = "8080", .directory = "tcp/www"});
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    Fd directory = open_directory(where.directory);
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = stop_pipe();  // only now: until here a signal ends the program by itself
    Server server{{std::move(directory)}, {{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}}}};
    log_line("listening on ", tcp::local_address(listener));
    serve(listener, stop, server);
} catch (const std::exception& error) {
    log_line("tcp/web: ", error.what());
    return 1;
}
