// unix_domain/stream_server: echo/poll over a path. Only the address changed, and the kernel says
// who is calling.
//
//     build/unix_domain/stream_server /tmp/echo        serves on that path
//     build/unix_domain/stream_client /tmp/echo        talks to it; so does nc -U /tmp/echo
//
//     socket -> bind -> listen         AF_UNIX: the address is a path, there is nothing to resolve
//     poll <--------------------+      who is ready?
//       stop pipe: leave        |      SIGINT, SIGTERM; the path is removed
//       client: recv -> send ---+      what does not fit its socket waits for POLLOUT
//       listener: accept -------+      getsockopt(SO_PEERCRED): the caller's process, user and
//       group
//
// Before this: echo/poll, the same loop. After it: unix_domain/datagram_server. See also:
// unix_domain/path.hpp.
#include <poll.h>

#include <vector>

#include "../echo/reply.hpp"
#include "../fd.hpp"
#include "../tcp/tcp.hpp"
#include "path.hpp"

namespace {

struct Client {
    Fd fd;
    Reply reply{};
    std::string unsent{greeting};  ///< While there is some we do not read: the peer must take it
                                   ///< first (backpressure).
};

/// Who called connect, as the kernel saw it then: nothing that the client says can change it. pid
/// 0: not to be seen from our PID namespace. Linux; the BSDs and macOS have getpeereid(3) for the
/// user and the group, and macOS getsockopt(SOL_LOCAL, LOCAL_PEERPID) for the process.
std::string caller(const Fd& fd) {
    ucred who{};
    socklen_t length = sizeof who;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &length) == -1) return "unknown";
    return "pid " + std::to_string(who.pid) + ", uid " + std::to_string(who.uid) + ", gid " +
           std::to_string(who.gid);
}

/// A ready client's turn: at most one recv and one send, so that nobody waits long for anybody.
/// `answer` is scratch: a client owns memory only for what its socket did not take. False when the
/// conversation is over.
bool take_turn(Client& client, std::string& answer) try {
    std::string_view owed = client.unsent;
    if (owed.empty()) {
        char bytes[16 * 1024];  // the answer, 22 times as long at worst, is what one client can
                                // make us keep
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == 0) return false;  // the peer has half-closed, and nothing is owed to it
        if (received == -1) return tcp::later(errno);
        answer.clear();
        client.reply.answer({bytes, static_cast<std::size_t>(received)}, answer);
        owed = answer;
    }
    // At once: it nearly always fits, and saves a turn through poll.
    const ssize_t sent = send(client.fd.get(), owed.data(), owed.size(), 0);
    if (sent == -1 && !tcp::later(errno)) return false;
    if (sent > 0) owed.remove_prefix(static_cast<std::size_t>(sent));
    std::string{owed}.swap(
        client.unsent);  // no assignment: owed may look into unsent, and the swap frees its memory
    return true;
} catch (const std::bad_alloc&) {
    return false;  // no memory for what it does not read: it goes, the others stay
}

/// What poll looks at, and what we know of it: clients[i] is polled[first + i].
struct Loop {
    static constexpr std::size_t first = 2;  ///< after the stop pipe and the listener
    std::vector<pollfd> polled;
    std::vector<Client> clients{};

    /// What to wait for from a client: something to read or, while it is owed something, room to
    /// send.
    static short wanted(const Client& client) { return client.unsent.empty() ? POLLIN : POLLOUT; }

    void add(Client client) {
        polled.push_back({client.fd.get(), wanted(client), 0});
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

/// Takes everybody who waits: until EAGAIN, or as many as a backlog can hold, since in a flood of
/// connections there is always one more, and the clients we have wait for their turn. After any
/// other error the next turn tries again.
void accept_all(const Fd& listener, Loop& loop, tcp::Rest& rest, std::string& answer) {
    // accept4 gives the new socket O_NONBLOCK at once; macOS has accept, then fcntl(F_SETFL).
    for (int i = 0; i < SOMAXCONN; ++i) {
        Fd fd{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)};
        if (!fd) return rest.accept_failed(errno);
        // A byte sent as urgent is a byte of the stream like any other (Linux since 5.15; not
        // inherited, as TCP's is).
        const int on = 1;
        setsockopt(fd.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
        tcp::log("client " + caller(fd));
        Client client{std::move(fd)};  // owed the greeting
        if (take_turn(client, answer)) loop.add(std::move(client));
    }
}

void serve(const Fd& listener, const Fd& stop) {
    tcp::Rest rest;
    std::string answer;
    Loop loop{{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}}};
    for (;;) {
        const int timeout = rest.timeout();
        loop.polled[1].fd =
            timeout == -1 ? listener.get() : -1;  // poll skips a negative descriptor
        const int ready = poll(loop.polled.data(), loop.polled.size(), timeout);
        // ENOMEM, or EINVAL: the limit of descriptors is now below what we have. Trying again at
        // once would only spin.
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // or the rest is over
        if (loop.polled[0].revents != 0) return;
        // Backwards: the last client is moved into a freed place, and has had its turn by then.
        for (std::size_t i = loop.clients.size(); i-- > 0;) {
            if (loop.polled[Loop::first + i].revents == 0) continue;
            if (take_turn(loop.clients[i], answer)) {
                loop.polled[Loop::first + i].events = Loop::wanted(loop.clients[i]);
            } else {
                loop.remove(i);
                rest.connection_closed();
            }
        }
        if (loop.polled[1].revents != 0) accept_all(listener, loop, rest, answer);
    }
}

}  // namespace

constexpr auto usage = "PATH\n  PATH        the socket, made with mode 0600";

int main(int argc, char* argv[]) try {
    const std::string path =
        unix_domain::operands("unix_domain/stream_server", 1, usage, argc, argv)[0];
    const sockaddr_un address = unix_domain::address_of(path);
    std::signal(SIGPIPE,
                SIG_IGN);  // a send to a peer that has gone is an errno, EPIPE, and no death
    const Fd stop = tcp::stop_pipe();  // before bind: from then on there is a file to remove

    const Fd listener{check("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0))};
    unix_domain::SocketFile file{path};
    umask(0177);  // who may connect is who may write to the file: its owner alone, from the first
                  // moment
    check("bind " + path, bind(listener.get(), unix_domain::generic(address), sizeof address));
    file.bound();
    check("listen " + path, listen(listener.get(), SOMAXCONN));
    tcp::log("listening on " + path);
    serve(listener, stop);
} catch (const std::exception& error) {
    tcp::log(std::string{"unix_domain/stream_server: "} + error.what());
    return 1;
}
