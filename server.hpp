// server.hpp: what every server needs beside its lesson, whether it has a port or a path.
//
//     log_line, StderrLog stderr, without ever waiting for whoever reads it
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
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>
#include <vector>

// ---- Errors that pass --------------------------------------------

/// Whether a call that does not block has failed with `error` only for now: poll says when to make
/// it again. EAGAIN and EWOULDBLOCK are one number on Linux, the BSDs and macOS.
inline bool later(int error) {
    return error == EAGAIN || error == EINTR;
}

/// Whether the system is short of descriptors or of memory. It may pass, and poll cannot say when.
inline bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// ---- Standard output and standard error --------------------------

/// Opens the terminal or the pipe `name`, which `fd` is, once more, and puts that in its place.
/// O_NONBLOCK belongs to the open file, and the one that we were given is the shell's, too: we set
/// it on one of our own. False where we get none: somebody else's terminal.
inline bool open_anew(int fd, const char* name) {
    const Fd own{name == nullptr ? -1 : open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY)};
    return own && dup2(own.get(), fd) != -1;
}

/// The most that one write to `fd` is given, in bytes, so that it need not wait when poll has said
/// POLLOUT. That promises room for PIPE_BUF bytes of a pipe, which others may take before we do,
/// and for one byte of a terminal: so both are opened anew. A file never makes us wait. (A pipe
/// that is open for reading, too, stays: `2<>fifo` may be all that keeps it until its reader
/// comes.)
inline std::size_t most_at_once(int fd) {
    struct stat status {};
    const bool is_pipe = fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
    if (is_pipe && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
        open_anew(fd, ("/dev/fd/" + std::to_string(fd)).c_str());
    return isatty(fd) != 1 || open_anew(fd, ttyname(fd)) ? PIPE_BUF : 1;
}

/// Whether a write to `fd` may wait for who reads it: what could not be opened anew.
inline bool may_block(int fd) {
    struct stat status {};
    const bool is_read = fstat(fd, &status) == 0 &&
                         (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || isatty(fd) == 1);
    return is_read && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

/// As write(2), but waits for 10 ms at most: then a signal interrupts it (EINTR). The timer rings
/// again and again: the first time may be too early, before the call.
inline ssize_t write_soon(int fd, const void* bytes, std::size_t size) {
    struct sigaction interrupt {};
    interrupt.sa_handler = [](int) {};
    sigaction(SIGALRM, &interrupt, nullptr);
    const itimerval often{{0, 10'000}, {0, 10'000}};
    const itimerval never{};
    setitimer(ITIMER_REAL, &often, nullptr);
    const ssize_t written = write(fd, bytes, size);
    setitimer(ITIMER_REAL, &never, nullptr);
    return written;
}

/// Passes the end on to who reads our standard output. A socket that is our standard input, too
/// (inetd; socat EXEC:), is still open by that: it is half-closed.
inline void end_output() {
    struct stat input {};
    struct stat output {};
    const bool same = fstat(STDIN_FILENO, &input) == 0 && fstat(STDOUT_FILENO, &output) == 0 &&
                      input.st_dev == output.st_dev && input.st_ino == output.st_ino;
    if (same)
        shutdown(STDOUT_FILENO, SHUT_WR);  // ENOTSOCK: a terminal, which has no end to pass on
    close(STDOUT_FILENO);
}

/// Standard error. A server must not wait for whoever reads it: a pipe may be full, the other end
/// of a terminal may hang. What finds no room is lost, in whole lines.
class StderrLog {
  public:
    /// SIGTTOU would stop us at a line for the terminal, in the background, after `stty tostop`.
    StderrLog() { std::signal(SIGTTOU, SIG_IGN); }

    /// Keeps a line, made of pieces, for write_some(). The line is lost when a mebibyte waits
    /// already, or memory is short.
    void add(std::initializer_list<std::string_view> pieces) try {
        if (waiting_.size() > std::size_t{1024} * 1024) return;
        std::string line;
        for (const std::string_view piece : pieces) line += piece;
        waiting_ += line += '\n';
    } catch (const std::bad_alloc&) {
    }

    [[nodiscard]] bool empty() const { return waiting_.empty(); }

    /// Writes as many lines as stderr takes now.
    void write_some() {
        pollfd room{STDERR_FILENO, POLLOUT, 0};
        while (written_ < waiting_.size() && poll(&room, 1, 0) != 0) {
            const std::string_view rest = std::string_view{waiting_}.substr(written_);
            const std::size_t whole_lines = rest.rfind('\n', at_once_ - 1) + 1;  // 0: none fits
            const std::size_t size =
                std::min(whole_lines > 0 ? whole_lines : at_once_, rest.size());
            const ssize_t written = may_block_ ? write_soon(STDERR_FILENO, rest.data(), size)
                                               : write(STDERR_FILENO, rest.data(), size);
            if (written == -1 && later(errno)) return;
            // After any other error nobody can ever read it.
            written_ =
                written == -1 ? waiting_.size() : written_ + static_cast<std::size_t>(written);
        }
        if (written_ < waiting_.size()) return;
        waiting_.clear();
        written_ = 0;
    }

  private:
    std::string waiting_{};
    std::size_t written_ = 0;  ///< bytes of it
    std::size_t at_once_ = most_at_once(STDERR_FILENO);
    bool may_block_ = may_block(STDERR_FILENO);
};

/// The one log of a program.
inline StderrLog& standard_log() {
    static StderrLog log;
    return log;
}

/// Writes one line, made of pieces, to stderr. One of at most PIPE_BUF bytes is one write(2): lines
/// of several processes stay whole.
template <typename... Piece>
void log_line(const Piece&... pieces) {
    standard_log().add({pieces...});
    standard_log().write_some();
}

/// Says what is wrong and the usage on stderr, and ends the program with status 2.
[[noreturn]] inline void bad_usage(const std::string& program, const std::string& wrong,
                                   const std::string& usage) {
    log_line(program, ": ", wrong, "\n", usage);
    std::exit(2);
}

/// Says the usage on stdout, as -h asks, and ends the program with status 0. Throws
/// std::system_error when that cannot be written.
[[noreturn]] inline void say_usage(const std::string& usage) {
    if (std::puts(usage.c_str()) == EOF || std::fflush(stdout) == EOF) check("write", -1);
    std::exit(0);
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

/// Milliseconds by a clock that nobody sets: good for measuring, and for deadlines.
inline std::int64_t clock_ms() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

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
    /// returns nothing; if the system is short of something, a rest has begun.
    /// On the BSDs an accepted socket inherits O_NONBLOCK from its listener, on Linux it does not.
    Fd accepted(int fd) {
        Fd client{fd};
        if (!client) accept_failed(errno);
        return client && set_nonblocking(client) != -1 ? std::move(client) : Fd{};
    }

    /// After accept failed with `error`. A shortage starts a rest. It is logged once, and again
    /// only after the backlog has been empty (EAGAIN; a blocking accept never says so, and logs it
    /// once in all). Any other error cost at most that one connection (ECONNABORTED; accept(2)).
    void accept_failed(int error) {
        if (error == EAGAIN) said_ = false;
        if (!is_shortage(error)) return;
        until_ = clock_ms() + 100;
        if (!std::exchange(said_, true))
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
    bool said_ = false;
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

/// Tells a client that there is no room for it, and closes. What it has already sent is read first
/// (64 KiB at most): close(2) with unread data is a reset, which may reach the client before
/// it has read the message, and take it away (RFC 2525, 2.17).
inline void refuse(const Fd client, std::string_view message) {
    send(client.get(), message.data(), message.size(), MSG_DONTWAIT);
    shutdown(client.get(), SHUT_WR);
    char unread[4096];
    for (int i = 0; i < 16 && recv(client.get(), unread, sizeof unread, MSG_DONTWAIT) > 0; ++i) {
    }
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
