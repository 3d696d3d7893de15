// unix_domain/datagram_server: one answer for each datagram, to the address it came from. No
// connection, one socket.
//
//     build/unix_domain/datagram_server /tmp/dgram     serves on that path
//     build/unix_domain/datagram_client /tmp/dgram     asks it; so does nc -uU /tmp/dgram
//
//     socket -> bind                     SOCK_DGRAM: nothing to listen for, nobody to accept
//     poll <----------------------+      a datagram, or the stop pipe (SIGINT, SIGTERM)
//       recvfrom -> sendto -------+      a whole datagram or nothing; the sender's address comes
//       with it
//
// Unlike UDP's, these datagrams are neither lost on their way nor reordered: a sender waits while
// the receiver's queue is full (unix(7)). We are a sender too, and wait for nobody: an answer that
// its client does not take is lost.
//
// Before this: unix_domain/stream_server. After it: unix_domain/fd_server. See also:
// unix_domain/path.hpp.
#include <poll.h>

#include "../echo/reply.hpp"
#include "../fd.hpp"
#include "../tcp/tcp.hpp"
#include "path.hpp"

namespace {

/// The longest datagram that is answered, in bytes. A sender makes one as long as its own
/// SO_SNDBUF, 208 KiB by default on Linux; only one that asked for more can have us drop its
/// datagram.
constexpr std::size_t longest = 1 << 20;

/// Receives a datagram and answers it, if it can be answered.
void answer_one(const Fd& server, std::string& bytes) {
    // The answer is the prefix and then the datagram as it came: received right behind the prefix,
    // it is ready.
    char* const datagram = bytes.data() + Reply::prefix.size();
    sockaddr_un client{};
    socklen_t length = sizeof client;
    auto* const address = reinterpret_cast<sockaddr*>(&client);
    // MSG_TRUNC as a flag returns the whole length even of a datagram that was cut (Linux;
    // elsewhere it is recvmsg that tells, in msg_flags).
    const ssize_t received =
        recvfrom(server.get(), datagram, longest, MSG_DONTWAIT | MSG_TRUNC, address, &length);
    if (received == -1 || static_cast<std::size_t>(received) > longest)
        return;  // half an answer would be a false one

    // The length that came is the one to answer with: an abstract address has NULs in it, and no
    // other end. MSG_DONTWAIT: a client that does not read (EAGAIN: its queue is full) would stop
    // us, and everybody behind it. It may also have gone (ECONNREFUSED, ENOENT), keep others out of
    // its directory (EACCES), or have no address at all, having never bound (ENOTCONN). Whatever
    // the reason, its answer is lost.
    const std::size_t size = Reply::prefix.size() + static_cast<std::size_t>(received);
    while (sendto(server.get(), bytes.data(), size, MSG_DONTWAIT, address, length) == -1 &&
           errno == EINTR) {
    }
}

void serve(const Fd& server, const Fd& stop) {
    std::string bytes{Reply::prefix};
    bytes.resize(bytes.size() + longest);
    for (;;) {
        pollfd polled[] = {{stop.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
        const int ready = poll(polled, 2, -1);
        // ENOMEM, or EINVAL: the limit of descriptors is now below 2. Trying again at once would
        // only spin.
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return;
        if (ready <= 0) continue;
        if (polled[0].revents != 0) return;
        answer_one(server, bytes);
    }
}

}  // namespace

constexpr auto usage = "PATH\n  PATH        the socket, made with mode 0600";

int main(int argc, char* argv[]) try {
    const std::string path =
        unix_domain::operands("unix_domain/datagram_server", 1, usage, argc, argv)[0];
    const sockaddr_un address = unix_domain::address_of(path);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd stop = tcp::stop_pipe();  // before bind: from then on there is a file to remove

    const Fd server{check("socket", socket(AF_UNIX, SOCK_DGRAM, 0))};
    // An answer is longer than its question by the prefix; with a larger buffer than our clients'
    // it fits all the same.
    const int room = longest + Reply::prefix.size();
    check("setsockopt", setsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room));
    unix_domain::SocketFile file{path};
    umask(
        0177);  // who may send is who may write to the file: its owner alone, from the first moment
    check("bind " + path, bind(server.get(), unix_domain::generic(address), sizeof address));
    file.bound();
    tcp::log("listening on " + path);
    serve(server, stop);
} catch (const std::exception& error) {
    tcp::log(std::string{"unix_domain/datagram_server: "} + error.what());
    return 1;
}
