// server.hpp: what every server needs beside its lesson, whether it has a port or a path.
//
//     log_line            one line on stderr, without waiting for who reads it: output.hpp
//     stop_pipe           SIGINT, SIGTERM and their like, as something that poll can see
//     Rest, rest_or_stop  when the system is short of something: wait a little before asking again
//     passes              the same for a client
//     send_all, refuse    send one client everything; send it away
//     PollList            what poll looks at, and what is known of each
//
// accept, recv, select and poll are not here: they stand in the programs, where the lesson is.
// Sources: the man pages named below; Kerrisk, TLPI; Stevens, UNP; RFC 2525.
#pragma once

#include "fd.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <new>
#include <optional>
#include <string_view>
#include <vector>

#include "output.hpp"

// ---- Errors that pass --------------------------------------------

/// Whether the system is short of descriptors or of memory. It may pass, and poll cannot say when.
inline bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// ---- The end -----------------------------------------------------

/// Set by the first of the signals of stop_pipe(). poll sees that pipe once a round, and a round in
/// which thousands want much takes seconds: no turn begins any more once this is set.
inline std::atomic<bool> told_to_end{false};

/// A descriptor that turns readable at SIGINT, SIGTERM, SIGHUP or SIGQUIT: the self-pipe trick
/// (TLPI 63.5.2). A flag alone is not enough: when the signal comes after the program has looked at
/// the flag and before it calls poll, poll sleeps on. ppoll is no help while some descriptor is
/// always ready: it then returns without letting the blocked signal in. A signal that our parent
/// had us ignore (nohup) stays ignored; one that it had blocked is let in. Call it once. Throws
/// std::system_error.
inline Fd stop_pipe() {
    static volatile std::sig_atomic_t write_end = -1;
    int ends[2];
    check("pipe", pipe(ends));
    Fd read_end{ends[0]};
    check("fcntl", set_nonblocking(read_end));  // for rest_or_stop, which looks without waiting
    write_end = ends[1];
    struct sigaction action {};
    action.sa_handler = [](int) {
        const int saved = errno;
        if (write(write_end, "", 1) == 1) told_to_end = true;
        errno = saved;
    };
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGALRM);  // of StderrLog
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        struct sigaction before {};
        check("sigaction", sigaction(signal, nullptr, &before));
        if (before.sa_handler != SIG_IGN) check("sigaction", sigaction(signal, &action, nullptr));
        sigaddset(&ours, signal);
    }
    check("sigprocmask", sigprocmask(SIG_UNBLOCK, &ours, nullptr));
    return read_end;
}

// ---- Rests -------------------------------------------------------

/// Sleeps for a tenth of a second, or until a signal: then it returns false.
inline bool sleep_a_little() {
    const timespec tenth{0, 100'000'000};
    return nanosleep(&tenth, nullptr) == 0;
}

/// For a client, which has nobody else to serve: whether a call failed with `error` for a reason
/// that passes, so that it is to be tried again. After a shortage it sleeps a little first.
inline bool passes(int error) {
    if (is_shortage(error)) sleep_a_little();
    return later(error) || is_shortage(error);
}

/// After poll or select failed, and not by EINTR: there was no memory for it (ENOMEM), or the limit
/// of descriptors is now below what it was given (EINVAL). Sleeps a little, as it may pass. True
/// when `stop`, the stop pipe, has a signal: a poll that goes on failing cannot tell.
inline bool rest_or_stop(const Fd& stop) {
    sleep_a_little();
    char byte = 0;
    return read(stop.get(), &byte, 1) == 1;
}

/// When a listener takes a rest from accepting, and how long. When no descriptor is free, the
/// connection stays in the backlog and the listener readable: to try again at once burns a core.
class Rest {
  public:
    /// `fd` is what accept(2) returned. Returns it as a socket that does not block. After a failure
    /// returns nothing; if the system is short of something, a rest has begun. `listener` is which
    /// of several it was.
    /// On the BSDs an accepted socket inherits O_NONBLOCK from its listener, on Linux it does not.
    Fd accepted(int fd, std::size_t listener = 0) {
        Fd client{fd};
        if (!client) accept_failed(errno, listener);
        return client && set_nonblocking(client) != -1 ? std::move(client) : Fd{};
    }

    /// After accept failed with `error`. A shortage starts a rest. It is logged once, and again
    /// only after that backlog has been empty (EAGAIN; a blocking accept never says so, and logs it
    /// once in all). Any other error cost at most that one connection (ECONNABORTED; accept(2)).
    void accept_failed(int error, std::size_t listener = 0) {
        if (error == EAGAIN && said_of_ == listener) said_of_.reset();
        if (!is_shortage(error)) return;
        until_ = clock_ms() + 100;
        if (said_of_) return;
        said_of_ = listener;
        log_line("accept: ", std::strerror(error), ", resting");  // throws nothing
    }

    /// One of our own connections was closed: there is room again.
    void connection_closed() { until_ = 0; }

    /// What is left of the rest, in milliseconds, for poll; -1 when there is none, and poll may
    /// wait for ever.
    [[nodiscard]] int timeout() const {
        const std::int64_t left = until_ - clock_ms();
        return left <= 0 ? -1 : static_cast<int>(left);
    }

    /// Sleeps until the rest is over: for a server that blocks.
    void sleep() const {
        if (timeout() != -1) sleep_a_little();
    }

  private:
    std::int64_t until_ = 0;
    std::optional<std::size_t> said_of_{};  ///< the listener whose shortage was logged
};

// ---- One client --------------------------------------------------

/// How many bytes that we have sent are still on their way: over TCP not acknowledged, in AF_UNIX
/// not read (tcp(7), SIOCOUTQ; unix(7)). 0 on a system that does not tell.
inline int on_its_way(const Fd& fd) {
    int bytes = 0;
    ioctl(fd.get(), TIOCOUTQ, &bytes);
    return bytes;
}

/// The most that one client is sent in one turn, in bytes. Then the others have theirs.
inline constexpr std::size_t most_a_turn = std::size_t{256} * 1024;

/// Sends all of `bytes` on a blocking socket: send(2) may take a part of them only, or be
/// interrupted. False, with errno, when the connection is gone; the program ignores SIGPIPE, to be
/// told so by EPIPE.
inline bool send_all(const Fd& fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(fd.get(), bytes.data(), bytes.size(), 0);
        if (sent == -1 && errno == EINTR) continue;
        if (sent == -1) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// Before a client is closed: reads what it has said (64 KiB at most), and drops it. close(2) with
/// unread data is a reset, which may reach the client before it has read what we have said, and
/// take that away (RFC 2525, 2.17).
inline void drop_unread(const Fd& client) {
    char unread[4096];
    for (int i = 0; i < 16 && recv(client.get(), unread, sizeof unread, MSG_DONTWAIT) > 0; ++i) {
    }
}

/// Says something short to a client, and our end.
inline void say_last(const Fd& client, std::string_view message) {
    send(client.get(), message.data(), message.size(), MSG_DONTWAIT);
    shutdown(client.get(), SHUT_WR);
}

/// In a server that blocks: tells a client that there is no room for it, and closes once it has
/// been told, or a second later. Whatever it said to a closed socket would be answered by a reset,
/// and a message that was lost on its way not be sent again.
inline void refuse(const Fd client, std::string_view message) {
    say_last(client, message);
    // Our end counts as one; it may be lost.
    for (int i = 0; i < 100 && on_its_way(client) > 1; ++i) poll(nullptr, 0, 10);
    drop_unread(client);
}

/// What poll looks at, and what is known of each. First come entries that have a name in the
/// program (the stop pipe, the listener), then one for each client. (A Client has its descriptor in
/// a member `fd`.) The loop itself is the program's. It gives the clients their turns from the last
/// to the first: the client that remove() moves into a freed place has then had its turn already.
template <typename Client>
struct PollList {
    std::vector<pollfd> polled;  ///< the named entries; then polled[first + i] is clients[i]
    std::vector<Client> clients{};
    std::size_t first = polled.size();

    /// How many entries poll is given, in its own type.
    [[nodiscard]] nfds_t count() const { return static_cast<nfds_t>(polled.size()); }

    pollfd& entry(std::size_t i) { return polled[first + i]; }

    /// False, and the client is closed, when there is no memory for one more.
    bool add(Client client, short events) try {
        polled.push_back({client.fd.get(), events, 0});
        clients.push_back(std::move(client));
        return true;
    } catch (const std::bad_alloc&) {
        polled.resize(first + clients.size());  // no entry without its client
        return false;
    }

    /// The last client takes the place of the one who goes: nobody else has to move.
    void remove(std::size_t i) {
        std::swap(entry(i), polled.back());
        std::swap(clients[i], clients.back());
        polled.pop_back();
        clients.pop_back();
    }
};
