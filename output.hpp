// output.hpp: standard error and standard output, which others may share and nobody may read.
//
//     log_line, StderrLog    stderr, without ever waiting for whoever reads it
//     bad_usage, say_usage   the program's last line, and its end
//     later                  whether a call is only to be made again
//     most_at_once           how much one write may be given, so that it does not wait
//     pollable_output        what poll is asked, so that it tells the truth
//     end_output             no more will come
//
// Sources: pipe(7), tty_ioctl(4), write(2); POSIX, 11.1.4 (SIGTTOU).
#pragma once

#include "fd.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <termios.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>

/// Whether a call that does not block has failed with `error` only for now: poll says when to make
/// it again. EAGAIN and EWOULDBLOCK are one number on Linux, the BSDs and macOS.
inline bool later(int error) {
    return error == EAGAIN || error == EINTR;
}

/// Opens the terminal or the pipe `name`, which `fd` is, once more, and puts that in its place.
/// O_NONBLOCK belongs to the open file, and the one that we were given is the shell's, too: we set
/// it on one of our own. False where we get none: somebody else's terminal; or by a name that means
/// another one to us, /dev/tty; or a new pair of them, the name of the side that drives a
/// pseudo-terminal (pty(7)).
inline bool open_anew(int fd, const char* name) {
    const bool is_another = name == nullptr || ptsname(fd) != nullptr;
    const Fd own{is_another ? -1 : open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY)};
    return own && tcgetsid(own.get()) == tcgetsid(fd) && dup2(own.get(), fd) != -1;
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

/// Whether somebody reads what is written to `fd`. Of anything else poll may say what it likes: of
/// /dev/kmsg it never says POLLOUT.
inline bool is_read(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 &&
           (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || isatty(fd) == 1);
}

/// The descriptor of which poll is asked whether standard output can be written. What nobody reads
/// always can, as /dev/null can, though poll never says POLLOUT of /dev/kmsg, and always POLLERR of
/// a file of /sys.
inline int pollable_output() {
    static const Fd always{is_read(STDOUT_FILENO) ? -1 : open("/dev/null", O_WRONLY)};
    return always ? always.get() : STDOUT_FILENO;
}

/// Whether a write to `fd` may wait for who reads it: what could not be opened anew.
inline bool may_block(int fd) {
    return is_read(fd) && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

/// From now on no call waits for longer than this: then a signal interrupts it (EINTR). The timer
/// rings again and again: the first time may be too early, before the call. 0: it is stopped.
inline void interrupt_after(suseconds_t microseconds) {
    struct sigaction interrupt {};
    interrupt.sa_handler = [](int) {};
    sigaction(SIGALRM, &interrupt, nullptr);
    const itimerval often{{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &often, nullptr);
}

/// Milliseconds by a clock that nobody sets: good for measuring, and for deadlines.
inline std::int64_t clock_ms() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
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
    /// SIGTTOU would stop us at a line for the terminal, in the background, after `stty tostop`;
    /// SIGPIPE would end us at one that nobody reads any more.
    StderrLog() {
        for (const int signal : {SIGTTOU, SIGPIPE}) std::signal(signal, SIG_IGN);
    }

    /// Keeps a line, made of pieces, for write_some(). The line is lost when a mebibyte waits
    /// already, or memory is short.
    void add(std::initializer_list<std::string_view> pieces) try {
        if (waiting_.size() - written_ > std::size_t{1024} * 1024) return;
        std::string line;
        for (const std::string_view piece : pieces) line += piece;
        waiting_ += line += '\n';
    } catch (const std::bad_alloc&) {
    }

    [[nodiscard]] bool empty() const { return waiting_.empty(); }

    /// Writes as many lines as stderr takes now.
    void write_some() {
        if (may_block_) interrupt_after(10'000);
        pollfd room{STDERR_FILENO, POLLOUT, 0};
        while (written_ < waiting_.size() && is_allowed() &&
               (!is_read_ || poll(&room, 1, 0) != 0)) {
            const std::string_view rest = std::string_view{waiting_}.substr(written_);
            const std::size_t whole_lines = rest.rfind('\n', at_once_ - 1) + 1;  // 0: none fits
            const std::size_t size =
                std::min(whole_lines > 0 ? whole_lines : at_once_, rest.size());
            const ssize_t written = write(STDERR_FILENO, rest.data(), size);
            if (written == -1 && later(errno)) break;
            // After any other error nobody can ever read it.
            written_ =
                written == -1 ? waiting_.size() : written_ + static_cast<std::size_t>(written);
        }
        if (may_block_) interrupt_after(0);
        if (written_ <= waiting_.size() / 2) return;  // we move less than we have written
        waiting_.erase(0, written_);
        written_ = 0;
    }

  private:
    /// Whether one more write is allowed. Of a byte each, a thousand take milliseconds, for which
    /// the clients wait: 4,096 at once are allowed, and then 20 in each, a twentieth of the time.
    bool is_allowed() {
        if (at_once_ > 1) return true;
        const std::int64_t now = clock_ms();
        allowed_ = std::min<std::int64_t>(allowed_ + 20 * (now - since_), 4096);
        since_ = now;
        if (allowed_ == 0) return false;
        --allowed_;
        return true;
    }

    std::string waiting_{};
    std::size_t written_ = 0;  ///< bytes of it
    std::size_t at_once_ = most_at_once(STDERR_FILENO);
    bool is_read_ = is_read(STDERR_FILENO);
    bool may_block_ = may_block(STDERR_FILENO);
    std::int64_t allowed_ = 4096;  ///< bytes, by a terminal that could not be opened anew
    std::int64_t since_ = clock_ms();
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
