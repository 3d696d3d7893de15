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
//         open -> sendmsg -> close +      one byte, and beside it the descriptor; or a line that
//         says no
//       listener: accept ----------+
//
// What crosses is not a number but the open file: the client gets a descriptor of its own for it,
// as if by dup(2). So it is opened by the server's rights, and read by one who may have none.
//
// Before this: unix_domain/stream_server, tcp/commands. After it: unix_domain/fd_client. See also:
// tcp/inside.hpp.
#include <poll.h>

#include <climits>
#include <cstring>
#include <vector>

#include "../fd.hpp"
#include "../tcp/inside.hpp"
#include "../tcp/tcp.hpp"
#include "path.hpp"

namespace {

struct Client {
    Fd fd;
    std::string name{};    ///< What has come of it, under twice PATH_MAX bytes.
    std::string unsent{};  ///< The answer, once there is one: then we read no more, and close when
                           ///< it is sent.
    Fd file{};             ///< Goes with the first byte of the answer.
};

/// The answer is a line that says no. Which of "not there", "not a file" and "not yours" it was is
/// nobody's business; that we have no descriptor left is our trouble, and may pass.
void refuse(Client& client, int error) {
    const bool ours = tcp::is_shortage(error) || error == ETOOMANYREFS;
    client.unsent = "erreur : " + client.name + " : " +
                    (ours ? "serveur complet" : "fichier introuvable") + '\n';
    client.file = Fd{};
}

/// The answer to a whole name: the file, or no.
void answer(Client& client, const Fd& directory) {
    if (client.name.size() >= PATH_MAX)
        return refuse(client, ENAMETOOLONG);  // cut short, it would be another's name
    struct stat status {};
    client.file = open_inside(directory, client.name, status);
    if (!client.file) return refuse(client, errno);
    client.unsent = "\n";  // a descriptor does not travel alone: one byte goes with it
}

/// One sendmsg. As send(2), and the descriptor `file`, if there is one, goes with the first byte.
ssize_t send_with_file(const Fd& fd, std::string_view bytes, const Fd& file) {
    iovec data{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    // Beside the bytes there may be control messages, laid out by the macros of cmsg(3). Ours is an
    // array of one int.
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (file) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        const int number = file.get();
        std::memcpy(CMSG_DATA(rights), &number, sizeof number);
    }
    return sendmsg(fd.get(), &message, 0);
}

/// Sends what the socket takes now. False when the conversation is over.
bool flush(Client& client) {
    const ssize_t sent = send_with_file(client.fd, client.unsent, client.file);
    if (sent == -1 &&
        errno == ETOOMANYREFS) {  // too many of our descriptors sent that nobody has received yet
        refuse(client, errno);
        return true;
    }
    if (sent == -1) return tcp::later(errno);
    client.file = Fd{};  // closed here; what is on its way stays open
    client.unsent.erase(0, static_cast<std::size_t>(sent));
    return !client.unsent.empty();
}

/// A ready client's turn: at most one recv and one sendmsg. False when the conversation is over.
bool take_turn(Client& client, const Fd& directory) try {
    if (client.unsent.empty()) {
        // recv gives no room for control messages: a descriptor that a client sends us, and that
        // nobody asked for, is closed by the kernel (unix(7)). With room for some, we should have
        // to close them ourselves.
        char bytes[PATH_MAX];
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == -1) return tcp::later(errno);
        const std::string_view piece{bytes, static_cast<std::size_t>(received)};
        const auto newline = piece.find('\n');
        client.name += piece.substr(0, newline);
        if (received == 0 && client.name.empty()) return false;  // it asked for nothing
        if (received != 0 && newline == piece.npos && client.name.size() < PATH_MAX) return true;
        answer(client, directory);
    }
    return flush(client);
} catch (const std::bad_alloc&) {
    return false;  // no memory for its name: it goes, the others stay
}

/// Reads what a client may have sent behind its name, up to what its socket holds by default:
/// close(2) with bytes unread is a reset, and the client would be told ECONNRESET after the answer.
void drain(const Fd& fd) {
    char unread[4096];
    for (int i = 0; i < 64 && recv(fd.get(), unread, sizeof unread, MSG_DONTWAIT) > 0; ++i) {
    }
}

/// Takes everybody who waits: until EAGAIN, or as many as a backlog can hold, as echo/poll does.
void accept_all(const Fd& listener, std::vector<Client>& clients, tcp::Rest& rest) {
    // accept4 gives the new socket O_NONBLOCK at once; macOS has accept, then fcntl(F_SETFL).
    for (int i = 0; i < SOMAXCONN; ++i) {
        Fd fd{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)};
        if (!fd) return rest.accept_failed(errno);
        clients.push_back({std::move(fd)});
    }
}

void serve(const Fd& listener, const Fd& stop, const Fd& directory) {
    tcp::Rest rest;
    std::vector<Client> clients;
    for (;;) {
        const int timeout = rest.timeout();
        std::vector<pollfd> polled{{stop.get(), POLLIN, 0},
                                   {timeout == -1 ? listener.get() : -1, POLLIN, 0}};
        for (const Client& client : clients)
            polled.push_back(
                {client.fd.get(), client.unsent.empty() ? short{POLLIN} : short{POLLOUT}, 0});
        const int ready = poll(polled.data(), polled.size(), timeout);
        // ENOMEM, or EINVAL: the limit of descriptors is now below what we have. Trying again at
        // once would only spin.
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready <= 0) continue;  // or the rest is over
        if (polled[0].revents != 0) return;
        // Backwards: the one who takes the place of a client that goes has had its turn.
        for (std::size_t i = clients.size(); i-- > 0;) {
            if (polled[2 + i].revents == 0 || take_turn(clients[i], directory)) continue;
            drain(clients[i].fd);
            std::swap(clients[i], clients.back());
            clients.pop_back();
            rest.connection_closed();
        }
        if (polled[1].revents != 0) accept_all(listener, clients, rest);
    }
}

}  // namespace

constexpr auto usage =
    "PATH DIR\n"
    "  PATH        the socket, made with mode 0600\n"
    "  DIR         where the files are that are opened for others";

int main(int argc, char* argv[]) try {
    const auto arguments = unix_domain::operands("unix_domain/fd_server", 2, usage, argc, argv);
    const std::string& path = arguments[0];
    const std::string& root = arguments[1];
    const sockaddr_un address = unix_domain::address_of(path);
    const Fd directory{check("open " + root, open(root.c_str(), O_PATH | O_DIRECTORY))};
    std::signal(SIGPIPE, SIG_IGN);
    const Fd stop = tcp::stop_pipe();  // before bind: from then on there is a file to remove

    const Fd listener{check("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0))};
    unix_domain::SocketFile file{path};
    umask(0177);  // who may connect is who may write to the file: its owner alone, from the first
                  // moment
    check("bind " + path, bind(listener.get(), unix_domain::generic(address), sizeof address));
    file.bound();
    check("listen " + path, listen(listener.get(), SOMAXCONN));
    tcp::log("listening on " + path);
    serve(listener, stop, directory);
} catch (const std::exception& error) {
    tcp::log(std::string{"unix_domain/fd_server: "} + error.what());
    return 1;
}
