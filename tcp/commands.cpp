// tcp/commands: a server for a simple protocol: hello, the time, a file.
//
//     build/tcp/commands               serves the files of the current directory on 127.0.0.1:9090
//     nc 127.0.0.1 9090                then type: hello, heure, fichier README.md, quitter
//
//     passive open                     tcp/tcp.hpp; open the directory
//     poll <--------------------+      who is ready?
//       stop pipe: leave        |      SIGINT, SIGTERM
//       client: recv            |      commands: one, many, or a part of one
//               answer, send ---+      pread -> send for a file, piece by piece
//       listener: accept -------+      until nobody is left waiting
//
// Before this: echo/poll, whose loop it repeats. After it: tcp/web, a protocol that the world
// speaks.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>

#include "../inside.hpp"
#include "../server.hpp"
#include "commands/commands.hpp"
#include "outgoing.hpp"
#include "tcp.hpp"
#include "wall_clock.hpp"

namespace {

enum Named { stop_entry, listener_entry };

struct Client {
    Fd fd;
    Commands commands{};
    Outgoing owed{};
    bool unanswered = false;  ///< there may be commands that have come and had no turn yet
    bool quit = false;
};

/// What to wait for from a client: that it says something or, while there is something to answer or
/// to send, that it takes it (backpressure).
short wanted(const Client& client) {
    return client.owed.empty() && !client.unanswered ? POLLIN : POLLOUT;
}

/// What `fichier NAME` is answered. Whatever keeps us from the file, the client hears one thing
/// only.
void send_file(Client& client, const std::string& name, const Fd& directory,
               PollList<Client>& list) {
    struct stat status {};
    Fd file = open_to_send(directory, name, status, list);
    client.owed.add(file ? Commands::found(name, status.st_size) : Commands::missing(name));
    if (file) client.owed.add(std::move(file), status, name);
}

/// Answers what has been asked, in order, as much as there is room for.
void answer(Client& client, const Fd& directory, PollList<Client>& list) {
    client.unanswered = true;
    std::string text;
    for (int files = 0; files < files_a_turn && client.owed.has_room();) {
        const Wish wish = client.commands.next(text);
        if (wish == Wish::nothing) {
            client.unanswered = false;
            return;
        }
        if (wish == Wish::answer) client.owed.add(text);
        if (wish == Wish::time) client.owed.add(rfc3339(wall_clock()) + '\n');
        if (wish == Wish::file) {
            send_file(client, text, directory, list);
            ++files;
        }
        if (wish == Wish::quit) client.quit = true;
    }
}

/// A ready client's turn: at most one recv, and what send_some sends, so that nobody waits long for
/// anybody. False when the conversation is over.
bool take_turn(Client& client, const Fd& directory, PollList<Client>& list) try {
    if (told_to_end) return true;  // poll is to see it, and soon
    if (wanted(client) == POLLIN) {
        char bytes[16 * 1024];
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == -1) return later(errno);
        if (received == 0 && !client.commands.end()) return false;
        client.commands.receive({bytes, static_cast<std::size_t>(received)});
    }
    if (client.owed.empty()) answer(client, directory, list);
    if (!send_some(client, directory, list)) return false;
    // After `quitter` our direction ends. We read on until the peer ends too: close(2) with unread
    // input is a reset, which may overtake our answers.
    if (client.quit && client.owed.empty()) shutdown(client.fd.get(), SHUT_WR);
    return true;
} catch (const std::bad_alloc&) {
    return false;  // no memory for what it asks: it goes, the others stay
}

/// Takes everybody who waits in the backlog, as echo/poll does.
void accept_all(const Fd& listener, PollList<Client>& list, Rest& rest) try {
    for (int i = 0; i < SOMAXCONN; ++i) {
        // One for the client, and two for a walk to a file: who would take those from the others is
        // better off in the backlog.
        const bool enough = list.clients.empty() || are_free(3, listener);
        Fd fd = rest.accepted(enough ? accept(listener.get(), nullptr, nullptr) : -1);
        if (!fd) return;
        list.add({std::move(fd)}, POLLIN);
    }
} catch (const std::bad_alloc&) {
    // There is no memory for one more client: it is closed.
}

/// Serves until a signal comes through the stop pipe.
void serve(const Fd& listener, const Fd& stop, const Fd& directory) {
    Rest rest;
    tcp::Rounds rounds;
    PollList<Client> list{{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}}};
    for (;;) {
        rounds.end_vanished(list.clients);
        const int timeout = rest.timeout();
        // A listener that rests is not looked at: poll skips a negative descriptor.
        list.polled[listener_entry].fd = timeout == -1 ? listener.get() : -1;
        const int ready =
            poll(list.polled.data(), list.count(), timeout == -1 ? rounds.timeout() : timeout);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // or the rest is over
        if (list.polled[stop_entry].revents != 0) return;
        for (std::size_t i = list.clients.size(); i-- > 0;) {  // backwards: see PollList
            if (list.entry(i).revents == 0) continue;
            if (take_turn(list.clients[i], directory, list)) {
                list.entry(i).events = wanted(list.clients[i]);
            } else {
                rounds.see_off(std::move(list.clients[i].fd));
                list.remove(i);
                rest.connection_closed();
            }
        }
        if (list.polled[listener_entry].revents != 0) accept_all(listener, list, rest);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("tcp/commands", argc, argv, {.directory = "."});
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    tzset();  // the zone is read from a file, once: not when there may be no descriptor left for it
    const Fd directory = open_directory(where.directory);
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = stop_pipe();  // only now: until here a signal ends the program by itself
    log_line("listening on ", tcp::local_address(listener));
    serve(listener, stop, directory);
} catch (const std::exception& error) {
    log_line("tcp/commands: ", error.what());
    return 1;
}
