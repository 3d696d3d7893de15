// tcp/commands: a server for a simple protocol: hello, the time, a file.
//
//     build/tcp/commands               serves the files of the current directory on 127.0.0.1:9090
//     nc 127.0.0.1 9090                then type: hello, heure, fichier README.md, quitter
//
//     passive open                     tcp/tcp.hpp; open the directory
//     poll <--------------------+      who is ready?
//       stop pipe: leave        |      SIGINT, SIGTERM
//       client: recv            |      commands, one or many, or half of one
//               answer, send ---+      pread -> send for a file, piece by piece
//       listener: accept -------+      until nobody is left waiting
//
// Before this: echo/poll, which has the same loop. After it: tcp/web, a protocol that the world
// speaks.
#include "commands.hpp"

#include <poll.h>

#include <vector>

#include "../fd.hpp"
#include "inside.hpp"
#include "outgoing.hpp"
#include "tcp.hpp"

namespace {

struct Client {
    Fd fd;
    Commands commands{};  ///< While we owe nothing, no whole command is left in it.
    Outgoing owed{};      ///< While there is some we do not read: the peer must take it first
                          ///< (backpressure).
    bool quit = false;
};

/// What `fichier NAME` is answered. Whatever keeps us from opening it, the client hears one thing
/// only.
void send_file(Client& client, const std::string& name, const Fd& directory) {
    struct stat status {};
    Fd file = open_inside(directory, name, status);
    client.owed.add(file ? Commands::found(name, status.st_size) : Commands::missing(name));
    if (file) client.owed.add(std::move(file), status.st_size);
}

/// Answers what has been asked, in order, as much as there is room for. False when there was
/// nothing to answer.
bool answer(Client& client, const Fd& directory) {
    std::string text;
    for (Wish wish{};
         client.owed.has_room() && (wish = client.commands.next(text)) != Wish::nothing;) {
        if (wish == Wish::answer) client.owed.add(text);
        if (wish == Wish::time) client.owed.add(rfc3339(tcp::now()) + '\n');
        if (wish == Wish::file) send_file(client, text, directory);
        if (wish == Wish::quit) client.quit = true;
    }
    return !client.owed.empty();
}

/// A ready client's turn: at most one recv. False when the conversation is over.
bool take_turn(Client& client, const Fd& directory) {
    if (client.owed.empty()) {
        char bytes[16 * 1024];
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == -1) return tcp::later(errno);
        if (received == 0 && !client.commands.end()) return false;
        client.commands.receive({bytes, static_cast<std::size_t>(received)});
    }
    do {
        if (!client.owed.send_some(client.fd)) return false;
    } while (client.owed.empty() && answer(client, directory));
    // Half of the end. We read on to the peer's: close(2) with unread input is a reset, which may
    // overtake our answers.
    if (client.quit && client.owed.empty()) shutdown(client.fd.get(), SHUT_WR);
    return true;
}

/// What poll looks at, and what we know of it: clients[i] is polled[first + i].
struct Loop {
    static constexpr std::size_t first = 2;  ///< after the stop pipe and the listener
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
    // accept4 gives the new socket O_NONBLOCK at once; macOS has accept, then fcntl(F_SETFL).
    for (int i = 0; i < SOMAXCONN; ++i) {
        Fd fd{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)};
        if (!fd) return rest.accept_failed(errno);
        loop.add({std::move(fd)});
    }
}

void serve(const Fd& listener, const Fd& stop, const Fd& directory) {
    tcp::Rest rest;
    Loop loop{{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}}};
    for (;;) {
        const int timeout = rest.timeout();
        loop.polled[1].fd =
            timeout == -1 ? listener.get() : -1;  // poll skips a negative descriptor
        const int ready = poll(loop.polled.data(), loop.polled.size(), timeout);
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // EINTR; or a rest is over
        if (loop.polled[0].revents != 0) return;
        // Backwards: the last client is moved into a freed place, and has had its turn by then.
        for (std::size_t i = loop.clients.size(); i-- > 0;) {
            if (loop.polled[Loop::first + i].revents == 0) continue;
            if (take_turn(loop.clients[i], directory)) {
                loop.polled[Loop::first + i].events =
                    loop.clients[i].owed.empty() ? POLLIN : POLLOUT;
            } else {
                loop.remove(i);
                rest.connection_closed();
            }
        }
        if (loop.polled[1].revents != 0) accept_all(listener, loop, rest);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("tcp/commands", argc, argv, {.directory = "."});
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
    tcp::log(std::string{"tcp/commands: "} + error.what());
    return 1;
}
