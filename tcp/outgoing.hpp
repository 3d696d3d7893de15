// tcp/outgoing.hpp: what a client is owed, for tcp/commands and tcp/web. It is sent as fast as the
// socket takes it, from memory that does not grow with it.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "../server.hpp"

/// How many files are looked for in one client's turn, at most: a walk to a file takes longer than
/// any other answer.
inline constexpr int files_a_turn = 8;

/// Bytes, and after them a file. For a socket that does not block.
class Outgoing {
  public:
    [[nodiscard]] bool empty() const { return bytes_.empty() && !file_; }

    /// Whether more may be added: not behind a file, which has to come to its end first, and not
    /// while there is much already.
    [[nodiscard]] bool has_room() const { return !file_ && bytes_.size() < std::size_t{16} * 1024; }

    void add(std::string_view bytes) { bytes_ += bytes; }

    /// The first `size` bytes of `file`.
    void add(Fd file, off_t size) {
        if (size == 0) return;
        file_ = std::move(file);
        at_ = 0;
        size_ = size;
    }

    /// Sends the bytes and, when they are gone, one piece of the file: less than most_a_turn. False
    /// when the rest cannot be sent: the connection is gone, the disk fails, or the file has
    /// shrunk.
    bool send_some(const Fd& socket) {
        if (!bytes_.empty()) {
            const ssize_t sent = send(socket.get(), bytes_.data(), bytes_.size(), 0);
            if (sent == -1) return later(errno);
            bytes_.erase(0, static_cast<std::size_t>(sent));
            if (!bytes_.empty()) return true;
            bytes_.shrink_to_fit();  // a silent client owns no buffer
        }
        return !file_ || send_piece(socket);
    }

  private:
    /// We keep no copy of a piece: what the socket does not take is read again (pread has no
    /// position to move). Linux's sendfile(2) spares the bytes the way through our memory.
    bool send_piece(const Fd& socket) {
        char piece[64 * 1024];
        const off_t wanted = std::min<off_t>(sizeof piece, size_ - at_);
        const ssize_t got = pread(file_.get(), piece, static_cast<std::size_t>(wanted), at_);
        if (got == -1) return later(errno);
        if (got == 0) return false;  // it has shrunk: the size that we have said was not true
        const ssize_t sent = send(socket.get(), piece, static_cast<std::size_t>(got), 0);
        if (sent == -1) return later(errno);
        at_ += sent;
        if (at_ == size_) file_ = Fd{};
        return true;
    }

    std::string bytes_{};
    Fd file_{};
    off_t at_ = 0;  ///< how much of the file has been sent
    off_t size_ = 0;
};
