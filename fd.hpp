// fd.hpp: the one header that every program shares.
//
// A descriptor is an int that somebody must close, once. `Fd` is that somebody.
// A call that fails returns -1 and sets errno. `check` turns that into an exception that names the call.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

/// The one owner of a descriptor: closes it when it goes out of scope; can be moved, not copied.
/// Empty (-1) after a move, after release(), or when the call that made it failed; such an Fd is false:
///
///     if (Fd client{accept(listener.get(), nullptr, nullptr)}) { ... }
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) noexcept : fd_{fd} {}
    Fd(Fd&& other) noexcept : fd_{other.release()} {}
    Fd& operator=(Fd&& other) noexcept {
        Fd old{
            std::exchange(fd_, other.release())};  // what we had is closed at the brace; if other is *this, nothing is
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;

    /// Errors of close(2) are ignored, and it is not called again after EINTR: on Linux the descriptor
    /// is free by then, and perhaps somebody else's (close(2), NOTES). errno is left as it was, so that
    /// an Fd may go out of scope between a failed call and the look at its errno.
    ~Fd() {
        if (fd_ == -1) return;
        const int saved = errno;
        ::close(fd_);
        errno = saved;
    }

    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ != -1; }

    /// Gives the descriptor away: the caller closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_ = -1;
};

/// Puts /dev/null where a standard descriptor was closed (`<&-`, `>&-`). A socket would else take that number, the
/// lowest free one, and a peer be sent what is meant for the user. For reading only: to write there fails, as it would
/// have. To be called before anything is opened.
inline void open_standard_descriptors() {
    for (int fd = 0; fd <= 2; ++fd)
        if (fcntl(fd, F_GETFD) == -1) (void)open("/dev/null", O_RDONLY);  // the lowest free one: fd
}

/// Returns `result` as it came, unless it is -1: then throws std::system_error, whose what() is
/// "CALL: the text of errno". `call` names the attempt, with its object: "bind 127.0.0.1:9090".
template <typename Result>
Result check(const std::string& call, Result result) {
    if (result == -1) throw std::system_error{errno, std::generic_category(), call};
    return result;
}
