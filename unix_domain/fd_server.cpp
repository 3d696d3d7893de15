// unix_domain/fd_server: opens files for others, and hands them over open: a descriptor in the mail
// (SCM_RIGHTS).
//
//     build/unix_domain/fd_server /tmp/files DIR       opens what stands in DIR
//     build/unix_domain/fd_client /tmp/files NAME      asks for DIR/NAME, and reads it
//
//     socket -> bind -> listen
//     poll <-----------------------+      who is ready?
//       stop pipe: leave           |      SIGINT, SIGTERM; the path is removed
//       client: recv --------------+      a name, and its newline or a half-close
//         open -> sendmsg -> close +      one byte and the descriptor; or a line that says no
//       listener: accept ----------+
//
// What crosses is not a number but the open file: the client gets a descriptor of its own for it,
// as if by dup(2). So it is opened by the server's rights, and read by one who may have none.
//
// The loop is that of echo/poll, the start that of stream_server: read these before, and
// tcp/commands. After it: unix_domain/fd_client. See also: rights.hpp; inside.hpp, for the names.
#include "../fd.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <climits>
#include <csignal>

#include "../inside.hpp"
#include "../server.hpp"
#include "options.hpp"
#include "path.hpp"
#include "rights.hpp"
#include "system.hpp"

namespace {

enum Named { stop_entry, listener_entry };

/// Of what a client sends behind its name so many bytes are read, and then no more.
constexpr std::size_t flood = std::size_t{1024} * 1024;

struct Client {
    Fd fd;
    std::string name{};    ///< what has come of it, under twice PATH_MAX bytes
    std::string unsent{};  ///< the answer, once there is one: then we read no more
    Fd file{};             ///< goes with the first byte of the answer
    std::size_t behind{};  ///< bytes that came when the conversation was over; none before
};

/// The answer is a line that says no. Whether the file is not there, or is not to be opened, is
/// nobody's business. That we have no descriptor left is our own trouble, and may pass.
void say_no(Client& client, int error) {
    const bool ours = is_shortage(error) || error == ETOOMANYREFS;
    client.unsent = "erreur : " + client.name + " : " +
                    (ours ? "serveur complet" : "fichier introuvable") + '\n';
    client.file = Fd{};
}

/// The answer to a whole name: the file, or no.
void answer(Client& client, const Fd& directory) {
    if (client.name.size() >= PATH_MAX) return say_no(client, ENAMETOOLONG);  // never cut short
    struct stat status {};
    client.file = open_inside(directory, client.name, status);
    if (!client.file) return say_no(client, errno);
    client.unsent = "\n";  // a descriptor does not travel alone: one byte goes with it
}

/// Sends what the socket takes now. False when the conversation is over.
bool send_some(Client& client) {
    const ssize_t sent = unix_domain::send_with_file(client.fd, client.unsent, client.file);
    if (sent == -1 && errno == ETOOMANYREFS) {
        say_no(client, errno);  // too many of our descriptors are on their way, and not received
        return true;
    }
    if (sent == -1) return later(errno);
    client.file = Fd{};  // closed here; what is on its way stays open
    client.unsent.erase(0, static_cast<std::size_t>(sent));
    return !client.unsent.empty();
}

/// A ready client's turn: at most one recv and one sendmsg. False when the conversation is over.
bool take_turn(Client& client, const Fd& directory) try {
    if (told_to_end) return true;  // poll is to see it, and soon
    if (client.unsent.empty()) {
        // recv has no room for control messages: a descriptor that a client sends us, and that
        // nobody asked for, is closed by the kernel (unix(7)).
        char bytes[PATH_MAX];
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == -1) return later(errno);
        const std::string_view piece{bytes, static_cast<std::size_t>(received)};
        if (client.behind > 0) return received > 0 && (client.behind += piece.size()) < flood;
        const auto newline = piece.find('\n');
        client.name += piece.substr(0, std::min(newline, PATH_MAX - client.name.size()));
        if (received == 0 && client.name.empty()) return false;  // it asked for nothing
        const bool whole = received == 0 || newline != piece.npos;
        if (!whole && client.name.size() < PATH_MAX) return true;
        answer(client, directory);
    }
    return send_some(client);
} catch (const std::bad_alloc&) {
    return false;  // no memory for its name: it goes, the others stay
}

/// The conversation is over. Whether the client is still sending, behind the name say: close(2)
/// would stop it (EPIPE), and with bytes unread be a reset. So we half-close, and read on.
bool must_be_heard_out(Client& client) {
    int unread = 0;
    if (client.behind > 0 || ioctl(client.fd.get(), FIONREAD, &unread) == -1) return false;
    shutdown(client.fd.get(), SHUT_WR);
    client.unsent.clear();
    client.file = Fd{};
    client.behind = static_cast<std::size_t>(unread);
    return unread > 0;
}

/// Takes everybody who waits, until EAGAIN, or as many as a backlog can hold: see echo/poll.
void accept_all(const Fd& listener, PollList<Client>& list, Rest& rest) try {
    for (int i = 0; i < SOMAXCONN; ++i) {
        Fd fd = rest.accepted(accept(listener.get(), nullptr, nullptr));
        if (!fd) return;
        unix_domain::set_options(fd);
        list.add({std::move(fd)}, POLLIN);
    }
} catch (const std::bad_alloc&) {
    // There is no memory for one more client: it is closed.
}

/// Serves until a signal comes through the stop pipe.
void serve(const Fd& listener, const Fd& stop, const Fd& directory) {
    Rest rest;
    PollList<Client> list{{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}}};
    for (;;) {
        const int timeout = rest.timeout();
        list.polled[listener_entry].fd = timeout == -1 ? listener.get() : -1;
        const int ready = poll(list.polled.data(), list.count(), timeout);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // or the rest is over
        if (list.polled[stop_entry].revents != 0) return;
        for (std::size_t i = list.clients.size(); i-- > 0;) {  // backwards: see PollList
            if (list.entry(i).revents == 0) continue;
            Client& client = list.clients[i];
            if (take_turn(client, directory) || must_be_heard_out(client)) {
                list.entry(i).events = client.unsent.empty() ? POLLIN : POLLOUT;
            } else {
                list.remove(i);
                rest.connection_closed();
            }
        }
        if (list.polled[listener_entry].revents != 0) accept_all(listener, list, rest);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to whoever has gone fails (EPIPE)
    const std::string usage =
        "PATH DIR\n"
        "  PATH        the socket, made with mode 0600\n"
        "  DIR         where the files are that are opened for others";
    const auto words = unix_domain::operands("unix_domain/fd_server", 2, usage, argc, argv);
    const std::string& path = words[0];
    const sockaddr_un address = unix_domain::address_of(path);
    const Fd directory = open_directory(words[1]);
    const Fd stop = stop_pipe();  // before bind: from then on there is a file to remove
    const Fd listener{check("socket", socket(AF_UNIX, SOCK_STREAM, 0))};
    unix_domain::SocketFile file{path};
    umask(0177);  // who may write to the file may connect: its owner alone, from the first moment
    check("bind " + path, bind(listener.get(), unix_domain::generic(address), sizeof address));
    file.bound();
    check("listen " + path, listen(listener.get(), SOMAXCONN));
    check("fcntl", set_nonblocking(listener));
    log_line("listening on ", path);
    serve(listener, stop, directory);
} catch (const std::exception& error) {
    log_line("unix_domain/fd_server: ", error.what());
    return 1;
}
