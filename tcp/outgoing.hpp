// tcp/outgoing.hpp: what a client is owed, for tcp/commands and tcp/web. It is sent as fast as the
// socket takes it, from memory that does not grow with it.
//
// A file stays open while it is sent, and a client that does not read makes it stay so for ever.
// When another needs the descriptor, the file is put aside, and opened again for its next piece.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "../inside.hpp"
#include "../server.hpp"

/// How many files are looked for in one client's turn, at most: a walk to a file takes longer than
/// any other answer.
inline constexpr int files_a_turn = 8;

/// Bytes, and after them a file. For a socket that does not block.
class Outgoing {
  public:
    [[nodiscard]] bool empty() const { return bytes_.empty() && !has_file(); }

    /// Whether more may be added: not behind a file, which has to come to its end first, and not
    /// while there is much already.
    [[nodiscard]] bool has_room() const {
        return !has_file() && bytes_.size() < std::size_t{16} * 1024;
    }

    void add(std::string_view bytes) { bytes_ += bytes; }

    /// The bytes of `file`, as many as `status` says, which open_inside() found by `name`.
    void add(Fd file, const struct stat& status, std::string_view name) {
        if (status.st_size == 0) return;
        name_ = name;
        file_ = std::move(file);
        at_ = 0;
        size_ = status.st_size;
        device_ = status.st_dev;
        inode_ = status.st_ino;
    }

    /// Closes the file until resume(). False when none is open.
    bool put_aside() { return std::exchange(file_, Fd{}).get() != -1; }

    /// The name of the file that was put aside; empty when there is none.
    [[nodiscard]] std::string_view aside() const {
        return has_file() && !file_ ? std::string_view{name_} : std::string_view{};
    }

    /// Goes on with the file that was put aside. False when `file` is not that one: another has its
    /// name now, or none.
    bool resume(Fd file, const struct stat& status) {
        file_ = std::move(file);
        return file_ && status.st_dev == device_ && status.st_ino == inode_;
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
        return !has_file() || send_piece(socket);
    }

  private:
    [[nodiscard]] bool has_file() const { return at_ < size_; }

    /// We keep no copy of a piece: what the socket does not take is read again (pread has no
    /// position to move). Linux's sendfile(2) spares the bytes the way through our memory.
    bool send_piece(const Fd& socket) {
        static char piece[64 * 1024];  // not on the stack: that would have to grow, or end us
        const off_t wanted = std::min<off_t>(sizeof piece, size_ - at_);
        const ssize_t got = pread(file_.get(), piece, static_cast<std::size_t>(wanted), at_);
        if (got == -1) return later(errno);
        if (got == 0) return false;  // it has shrunk: the size that we have said was not true
        const ssize_t sent = send(socket.get(), piece, static_cast<std::size_t>(got), 0);
        if (sent == -1) return later(errno);
        at_ += sent;
        if (at_ == size_) *this = {};
        return true;
    }

    std::string bytes_{};
    std::string name_{};
    Fd file_{};
    off_t at_ = 0;  ///< how much of the file has been sent
    off_t size_ = 0;
    dev_t device_{};
    ino_t inode_{};
};

/// For want of a descriptor, puts one client's file aside. False when none is open.
template <typename Client>
bool put_a_file_aside(PollList<Client>& list) {
    return std::any_of(list.clients.begin(), list.clients.end(),
                       [](Client& client) { return client.owed.put_aside(); });
}

/// Does what open_inside() does, and puts the files of other clients aside for it.
template <typename Client>
Fd open_to_send(const Fd& directory, std::string_view name, struct stat& status,
                PollList<Client>& list) {
    Fd file = open_inside(directory, name, status);
    while (!file && errno == EMFILE && put_a_file_aside(list))
        file = open_inside(directory, name, status);
    return file;
}

/// Sends a client what its socket takes, as Outgoing::send_some() does; opens its file before, if
/// that was put aside. False when the rest cannot be sent.
template <typename Client>
bool send_some(Client& client, const Fd& directory, PollList<Client>& list) {
    if (const std::string_view name = client.owed.aside(); !name.empty()) {
        struct stat status {};
        Fd file = open_to_send(directory, name, status, list);
        if (!client.owed.resume(std::move(file), status)) return false;
    }
    return client.owed.send_some(client.fd);
}
