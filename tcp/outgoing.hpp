// tcp/outgoing.hpp: what a client is owed, sent as fast as its socket takes it, in memory that does
// not grow with it.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "../fd.hpp"
#include "tcp.hpp"

/// Bytes, and after them a file. For a socket that does not block.
class Outgoing {
  public:
    [[nodiscard]] bool empty() const { return bytes_.empty() && !file_; }

    /// Whether more may be added: not after a file, whose end comes first, and not while there is
    /// much already.
    [[nodiscard]] bool has_room() const { return !file_ && bytes_.size() < 16384; }

    void add(const std::string& bytes) { bytes_ += bytes; }

    /// The first `size` bytes of `file`.
    void add(Fd file, off_t size) {
        if (size == 0) return;
        file_ = std::move(file);
        at_ = 0;
        size_ = size;
    }

    /// One send of bytes and, when they are gone, one of a piece of the file, so that nobody waits
    /// long for anybody. False when the rest cannot be sent: the connection is gone, the disk
    /// fails, or the file has shrunk.
    bool send_some(const Fd& socket) {
        if (!bytes_.empty()) {
            const ssize_t sent = send(socket.get(), bytes_.data(), bytes_.size(), 0);
            if (sent == -1) return tcp::later(errno);
            bytes_.erase(0, static_cast<std::size_t>(sent));
            if (!bytes_.empty()) return true;
            bytes_.shrink_to_fit();  // a silent client owns no buffer
        }
        return !file_ || send_piece(socket);
    }

  private:
    /// We keep no copy: what the socket does not take is read again (pread leaves no position
    /// behind). Linux's sendfile(2) spares the bytes the way through our memory.
    bool send_piece(const Fd& socket) {
        char piece[64 * 1024];
        const auto wanted = std::min(static_cast<off_t>(sizeof piece), size_ - at_);
        const ssize_t got = pread(file_.get(), piece, static_cast<std::size_t>(wanted), at_);
        if (got == -1) return tcp::later(errno);
        if (got == 0)
            return false;  // it has shrunk; we have said its size, and have nothing to put in the
                           // place
        const ssize_t sent = send(socket.get(), piece, static_cast<std::size_t>(got), 0);
        if (sent == -1) return tcp::later(errno);
        at_ += sent;
        if (at_ == size_) file_ = Fd{};
        return true;
    }

    std::string bytes_{};
    Fd file_{};
    off_t at_ = 0;  // of the file: what has been sent
    off_t size_ = 0;
};
