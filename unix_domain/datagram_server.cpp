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
// that its client does not take is lost.
//
// Before this: unix_domain/stream_server. After it: unix_domain/fd_server.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <map>

#include "../echo/reply.hpp"
#include "../server.hpp"
#include "options.hpp"
#include "path.hpp"

namespace {

enum Named { stop_entry, server_entry, entries };

/// The longest datagram that is answered, in bytes. A sender makes one as long as its own SO_SNDBUF
/// allows, by default 208 KiB on Linux; only who asked for more can send one that we drop.
constexpr std::size_t longest = std::size_t{1024} * 1024;

/// The longest answer, in bytes, that may have the last of our send buffer.
constexpr std::size_t short_enough = 1024;

/// Who has not read an answer in time.
struct Deaf {
    std::int64_t since;  ///< clock_ms when it was last found so
    int level;           ///< how much nobody had read when it was first found so, in bytes
};

/// Our send buffer: there is one, and the answers to all clients share it.
struct SendBuffer {
    int quarter;                                 ///< of its room, in bytes
    std::map<std::string, Deaf> deaf{};          ///< by their addresses, as bytes
    std::map<std::string, std::int64_t> full{};  ///< whose own queue was: no wait until then
};

SendBuffer send_buffer(const Fd& server) {
    int room = 0;
    socklen_t length = sizeof room;
    check("getsockopt", getsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &room, &length));
    return {room / 4};
}

/// At least what the kernel takes of our buffer for an answer of `size` bytes: it keeps 64 KiB in
/// pages, and rounds what is beyond them up to a power of two (sock_alloc_send_pskb).
int charge(std::size_t size) {
    constexpr std::size_t in_pages = std::size_t{64} * 1024;
    return static_cast<int>(std::max(size + 8192, 2 * size - std::min(size, in_pages)));
}

/// Whether somebody reads, within 20 ms, so that no more than `before` bytes are unread.
bool is_read(const Fd& server, int before) {
    for (int i = 0; i < 20 && on_its_way(server) > before; ++i) poll(nullptr, 0, 1);
    return on_its_way(server) <= before;
}

/// Receives a datagram and answers it, if it can be answered. `own` is our address.
void answer_one(const Fd& server, const sockaddr_un& own, std::string& bytes,
                SendBuffer& buffer) try {
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
    // What nobody has read yet takes room from all others, and the kernel does not say whose it is.
    // A long answer is watched when it does not fit into the first quarter of the buffer, a short
    // one when half of the buffer is taken: we wait for it to be read, and who does not read it
    // gets no more of those until three quarters are free again. But it may merely have been late:
    // it still gets short ones, as long as no more than a 32nd of the buffer has been filled since,
    // and one a second beyond. The last eighth is for short answers of who is not deaf.
    const bool is_long = size > short_enough;
    const int before = on_its_way(server);
    const int after = before + static_cast<int>(size);
    const bool is_watched = is_long ? after > buffer.quarter : before > 2 * buffer.quarter;
    const int most = 7 * (buffer.quarter / 2);
    const std::string name{reinterpret_cast<const char*>(&client), length};
    if (before <= buffer.quarter || buffer.deaf.size() == 1000) buffer.deaf.clear();
    if (buffer.full.size() == 1000) buffer.full.clear();
    const auto deaf = buffer.deaf.find(name);
    bool is_waited_for = is_watched;
    if (is_watched && deaf != buffer.deaf.end()) {
        if (is_long || before >= most) return;
        is_waited_for = clock_ms() >= deaf->second.since + 1000;
        if (!is_waited_for && before > deaf->second.level + buffer.quarter / 8) return;
    }
    if (is_long && before > 0 && before + charge(size) > most) return;
    // MSG_DONTWAIT: a client that does not read (EAGAIN: its queue is full) would stop us, and
    // everybody behind it. It has 20 ms, and if these were in vain, no more for a second. It may
    // also have gone (ECONNREFUSED, ENOENT), keep others out of its directory (EACCES), or have no
    // address, as it never called bind (ENOTCONN). Whatever the reason, its answer is lost.
    int tries = 20;
    while (sendto(server.get(), bytes.data(), size, MSG_DONTWAIT, address, length) == -1) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN || tries-- == 0) break;
        std::int64_t& until = buffer.full[name];  // 0 at first
        if (clock_ms() < until) break;
        if (tries == 0) until = clock_ms() + 1000;
        poll(nullptr, 0, 1);
    }
    if (is_waited_for && is_read(server, before)) {
        buffer.deaf.erase(name);
    } else if (is_waited_for) {
        buffer.deaf.try_emplace(name, Deaf{0, before}).first->second.since = clock_ms();
    }
} catch (const std::bad_alloc&) {
    // There is no memory for its address: its answer is lost.
}

/// Serves until a signal comes through the stop pipe.
void serve(const Fd& server, const sockaddr_un& own, SendBuffer& buffer, const Fd& stop) {
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
    SendBuffer buffer = send_buffer(server);
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
