// fd.hpp: the one header that every program shares. It comes first in each of them.
//
// A descriptor is an int that somebody must close, once. `Fd` is that somebody.
// A call that fails returns -1 and sets errno. `check` turns that into an exception.
#pragma once

// On a 32-bit system the dates after 2038 and the files over 2 GiB must be asked for. The C library
// looks at these two names when its first header is read (feature_test_macros(7)).
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#ifndef _TIME_BITS
#define _TIME_BITS 64
#endif

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>
#include <utility>

static_assert(sizeof(off_t) == 8 && sizeof(time_t) == 8, "include fd.hpp before any other header");

/// The one owner of a descriptor: closes it when it goes out of scope; can be moved, not copied.
/// Empty (-1) after a move, or when the call that made it failed; such an Fd is false:
///
///     if (Fd client{accept(listener.get(), nullptr, nullptr)}) { ... }
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) noexcept : fd_{fd} {}
    Fd(Fd&& other) noexcept : fd_{other.release()} {}
    /// `other` takes what we had, and closes it when the call is over.
    Fd& operator=(Fd other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    /// Errors of close(2) are ignored, and it is not called again after EINTR: on Linux the
    /// descriptor is free by then, and perhaps somebody else's (close(2), NOTES). errno stays as it
    /// was, so that an Fd may go out of scope between a failed call and the look at its errno.
    ~Fd() {
        if (fd_ == -1) return;
        const int saved = errno;
        close(fd_);
        errno = saved;
    }

    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ != -1; }

    /// Gives the descriptor away: the caller closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_ = -1;
};

/// Returns `result` as it came, unless it is -1: then throws std::system_error, whose what() is
/// "CALL: the text of errno". `call` names the attempt, with its object: "bind 127.0.0.1:9090".
template <typename Result>
Result check(const std::string& call, Result result) {
    if (result == -1) throw std::system_error{errno, std::generic_category(), call};
    return result;
}

/// From now on a call on `fd` that would have to wait fails instead, with EAGAIN. Returns what
/// fcntl(2) returns. O_NONBLOCK belongs to the open file: whoever shares the file has it, too.
inline int set_nonblocking(const Fd& fd) {
    const int flags = fcntl(fd.get(), F_GETFL);
    return flags == -1 ? -1 : fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
}

/// Opens /dev/null where a standard descriptor was closed (`<&-`, `2>&-`). Else a socket would get
/// that number, the lowest free one, and a peer would read what is meant for the user's screen. And
/// a write to a file that has come to its limit (`ulimit -f`) is to fail (EFBIG), not to end us.
/// Without /dev/null the program ends: status 1, and no word, as it may have nowhere to say it.
inline void open_standard_descriptors() {
    std::signal(SIGXFSZ, SIG_IGN);
    for (int fd = 0; fd <= 2; ++fd)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) == -1) _exit(1);
}
