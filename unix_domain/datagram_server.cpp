// unix_domain/datagram_server: answers each datagram, at the address it came from. No connection,
// one socket.
//
//     build/unix_domain/datagram_server /tmp/dgram     serves on that path
//     build/unix_domain/datagram_client /tmp/dgram     asks it; so does nc -uU /tmp/dgram
//
//     socket -> bind                 SOCK_DGRAM: nothing to listen for, nobody to accept
//     poll <------------------+      a datagram, or the stop pipe (SIGINT, SIGTERM)
//       recvfrom -> sendto ---+      a datagram comes whole, and with its sender's address
//
// Unlike UDP's, these datagrams are neither lost on their way nor reordered: a sender waits while
// the receiver's queue is full (unix(7)). We are a sender too, and wait for nobody long: an answer
// that its client does not take is lost. What one client may have of our send buffer, and how long
// we wait, stands in send_buffer.hpp.
//
// Before this: unix_domain/stream_server. After it: unix_domain/fd_server.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>

#include "../echo/reply.hpp"
#include "../server.hpp"
#include "options.hpp"
#include "path.hpp"
#include "send_buffer.hpp"

namespace {

enum Named { stop_entry, server_entry, entries };

/// The longest datagram that is answered, in bytes. A sender makes one as long as its own SO_SNDBUF
/// allows, by default 208 KiB on Linux; only who asked for more can send one that we drop.
constexpr std::size_t longest = std::size_t{1024} * 1024;

/// Receives a datagram and answers it, if it can be answered. `own` is our address.
void answer_one(const Fd& server, const sockaddr_un& own, std::string& bytes,
                unix_domain::SendBuffer& buffer) try {
    // The answer is the prefix and then the datagram as it came. Received right behind the prefix,
    // it is ready. There is room for one byte too many, which tells a datagram that is too long.
    char* const datagram = bytes.data() + Reply::prefix.size();
    sockaddr_un client{};
    socklen_t length = sizeof client;
    auto* const address = reinterpret_cast<sockaddr*>(&client);
    const ssize_t received =
        recvfrom(server.get(), datagram, longest + 1, MSG_DONTWAIT, address, &length);
    if (received == -1) {
        if (is_shortage(errno)) sleep_a_little();  // it is still in the queue: do not spin
        return;
    }
    if (static_cast<std::size_t>(received) > longest)
        return;  // half an answer would be a false one
    // This is an answer of ours: its client's path has become a link to our socket.
    if (std::strncmp(client.sun_path, own.sun_path, sizeof own.sun_path) == 0) return;

    // The length that came is the one to answer with: an abstract address has NULs in it, and no
    // other end. A path that fills sun_path has no NUL, and yet Linux counts one (unix(7), BUGS).
    length = std::min<socklen_t>(length, sizeof client);
    const std::size_t size = Reply::prefix.size() + static_cast<std::size_t>(received);
    if (!buffer.has_room_for({reinterpret_cast<const char*>(&client), length}, size)) return;
    // MSG_DONTWAIT: a client that does not read (EAGAIN: its queue is full) would stop us, and
    // everybody behind it: it has 20 ms. It may also have gone (ECONNREFUSED, ENOENT), keep others
    // out of its directory (EACCES), or have no address, as it never called bind (ENOTCONN).
    // Whatever the reason, its answer is lost.
    while (sendto(server.get(), bytes.data(), size, MSG_DONTWAIT, address, length) == -1) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN || !buffer.waits_for_its_queue()) break;
    }
    buffer.waits_for_its_reader();
} catch (const std::bad_alloc&) {
    // There is no memory for its address: its answer is lost.
}

/// Serves until a signal comes through the stop pipe.
void serve(const Fd& server, const sockaddr_un& own, unix_domain::SendBuffer& buffer,
           const Fd& stop) {
    std::string bytes{Reply::prefix};
    bytes.resize(bytes.size() + longest + 1);
    for (;;) {
        pollfd polled[entries] = {{stop.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
        const int ready = poll(polled, entries, -1);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return;
        if (ready <= 0) continue;
        if (polled[stop_entry].revents != 0) return;
        answer_one(server, own, bytes, buffer);
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to whoever has gone fails (EPIPE)
    const std::string usage = "PATH\n  PATH        the socket, made with mode 0600";
    const std::string path =
        unix_domain::operands("unix_domain/datagram_server", 1, usage, argc, argv)[0];
    const sockaddr_un address = unix_domain::address_of(path);
    const Fd stop = stop_pipe();  // before bind: from then on there is a file to remove
    const Fd server{check("socket", socket(AF_UNIX, SOCK_DGRAM, 0))};
    // An answer is longer than its question by the prefix. With a larger buffer than our clients
    // have by default, it fits all the same.
    const int room = longest + Reply::prefix.size();
    check("setsockopt", setsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room));
    unix_domain::SendBuffer buffer{server};
    unix_domain::SocketFile file{path};
    umask(0177);  // who may write to the file may send: its owner alone, from the first moment
    check("bind " + path, bind(server.get(), unix_domain::generic(address), sizeof address));
    file.bound();
    log_line("listening on ", path);
    serve(server, address, buffer, stop);
} catch (const std::exception& error) {
    log_line("unix_domain/datagram_server: ", error.what());
    return 1;
}
