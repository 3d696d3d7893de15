// unix_domain/send_buffer.hpp: the send buffer of a datagram server, which the answers to all its
// clients share, and how long it waits for one of them.
//
// What nobody has read yet takes room from all others, and the kernel does not say whose it is. A
// long answer is watched when it does not fit into the first quarter of the buffer, a short one
// when half of the buffer is taken: we wait for it to be read, and who does not read it gets no
// more of those until three quarters are free again. But it may merely have been late: it still
// gets short ones, as long as no more than a 32nd of the buffer has been filled since, and one a
// second beyond. The last eighth is for short answers of who is not deaf.
//
// A client has a queue of its own, too. On Linux it has ten places for the answers of a socket that
// the client has not connected to.
// Sources: unix(7), sock_alloc_send_pskb and unix_dgram_sendmsg in Linux.
#pragma once

#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "../server.hpp"

namespace unix_domain {

/// It is asked about one answer after the other, in the order of the functions below.
class SendBuffer {
  public:
    /// `server` is its socket, which lives longer. Throws std::system_error.
    explicit SendBuffer(const Fd& server) : server_{server} {
        int room = 0;
        socklen_t length = sizeof room;
        check("getsockopt", getsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &room, &length));
        quarter_ = room / 4;
    }

    /// Whether an answer of `size` bytes may be sent now. `name` is its client's address, as bytes.
    /// Throws std::bad_alloc.
    bool has_room_for(std::string_view name, std::size_t size) {
        name_ = name;
        tries_ = 20;
        before_ = on_its_way(server_);
        const bool is_long = size > short_enough;
        const int after = before_ + static_cast<int>(size);
        const bool is_watched = is_long ? after > quarter_ : before_ > 2 * quarter_;
        const int most = 7 * (quarter_ / 2);
        if (before_ <= quarter_ || deaf_.size() == most_clients) deaf_.clear();
        if (full_.size() == most_clients) full_.clear();
        const auto deaf = deaf_.find(name_);
        is_waited_for_ = is_watched;
        if (is_watched && deaf != deaf_.end()) {
            if (is_long || before_ >= most) return false;
            is_waited_for_ = clock_ms() >= deaf->second.since + 1000;
            if (!is_waited_for_ && before_ > deaf->second.level + quarter_ / 8) return false;
        }
        return !is_long || before_ == 0 || before_ + charge(size) <= most;
    }

    /// Its client's own queue is full (EAGAIN): waits a millisecond. False when it has had 20, and
    /// then for a second. Throws std::bad_alloc.
    bool waits_for_its_queue() {
        if (tries_-- == 0) return false;
        std::int64_t& until = full_[name_];  // 0 at first
        if (clock_ms() < until) return false;
        if (tries_ == 0) until = clock_ms() + 1000;
        poll(nullptr, 0, 1);
        return true;
    }

    /// It was sent: waits for it to be read, where it takes room from others. Throws
    /// std::bad_alloc.
    void waits_for_its_reader() {
        if (!is_waited_for_) return;
        for (int i = 0; i < 20 && on_its_way(server_) > before_; ++i) poll(nullptr, 0, 1);
        if (on_its_way(server_) <= before_) {
            deaf_.erase(name_);
        } else {
            deaf_.try_emplace(name_, Deaf{0, before_}).first->second.since = clock_ms();
        }
    }

  private:
    /// The longest answer, in bytes, that may have the last of the buffer.
    static constexpr std::size_t short_enough = 1024;
    /// So many are known by name. Of more, all are forgotten.
    static constexpr std::size_t most_clients = 1000;

    /// Who has not read an answer in time.
    struct Deaf {
        std::int64_t since;  ///< clock_ms when it was last found so
        int level;           ///< how much nobody had read when it was first found so, in bytes
    };

    /// At least what the kernel takes of our buffer for an answer of `size` bytes: it keeps 64 KiB
    /// in pages, and rounds what is beyond them up to a power of two (sock_alloc_send_pskb).
    static int charge(std::size_t size) {
        constexpr std::size_t in_pages = std::size_t{64} * 1024;
        return static_cast<int>(std::max(size + 8192, 2 * size - std::min(size, in_pages)));
    }

    const Fd& server_;
    int quarter_ = 0;                     ///< of the buffer's room, in bytes
    std::map<std::string, Deaf> deaf_{};  ///< by their addresses
    /// Whose queues were full, by their addresses: until when we wait for none of them.
    std::map<std::string, std::int64_t> full_{};
    // Of the answer in hand:
    std::string name_{};          ///< its client's address
    int before_ = 0;              ///< what nobody had read yet when it was asked about, in bytes
    bool is_waited_for_ = false;  ///< until it is read
    int tries_ = 0;               ///< milliseconds left to wait for room in its client's queue
};

}  // namespace unix_domain
