// echo/parking.hpp: where echo/generations leaves its silent clients.
//
//     park         a record goes through a pipe to a thread that waits in a poll of its own
//     take back    the record comes back, through another pipe, once its client is ready
//
// A record is all there is of a parked client, and belongs to the thread that has read it. So
// nothing is shared, and nothing needs a lock.
#pragma once

#include "../fd.hpp"

#include <poll.h>

#include <climits>
#include <cstdint>
#include <thread>
#include <vector>

#include "../server.hpp"
#include "reply.hpp"

/// What is left of a client to whom nothing is owed. A pipe takes it in one piece (pipe(7)).
struct Parked {
    int fd = -1;
    Reply reply{};
    std::uint8_t unused = 0;  ///< where there would be padding: no byte that is written is random
    std::uint16_t lot = 0;    ///< Parking's own
};

class Parking {
  public:
    /// Throws std::system_error "pipe: ..."
    Parking() { make_pipe(ready_, ready_in_); }
    Parking(const Parking&) = delete;
    Parking& operator=(const Parking&) = delete;

    /// First goes the reader of the pipe of the ready: a thread that waits there for room is told
    /// EPIPE. Then the writers of all inboxes: a thread that reads 0 from its own ends.
    ~Parking() {
        ready_ = Fd{};
        for (Lot& lot : lots_) lot.inbox = Fd{};
        for (Lot& lot : lots_) lot.thread.join();
    }

    /// Readable (POLLIN) when there is somebody to take back.
    [[nodiscard]] const Fd& ready() const { return ready_; }

    /// Parks a client. False when there can be no more descriptors, threads or memory for it: it is
    /// still the caller's.
    bool park(int fd, Reply reply) try {
        std::size_t i = 0;
        while (i < lots_.size() && lots_[i].parked == Lot::room) ++i;
        if (i == lots_.size()) lots_.push_back(new_lot());
        const Parked record{fd, reply, 0, static_cast<std::uint16_t>(i)};
        if (write(lots_[i].inbox.get(), &record, sizeof record) == -1) return false;
        ++lots_[i].parked;
        return true;
    } catch (const std::exception&) {
        return false;
    }

    /// Takes back some of the clients that have something to read, `most` of them; call it when
    /// ready() is. Returns how many. They are the caller's again.
    std::size_t take_back(Parked* clients, std::size_t most) {
        const ssize_t size = read(ready_.get(), clients, most * sizeof(Parked));
        const std::size_t count = size > 0 ? static_cast<std::size_t>(size) / sizeof(Parked) : 0;
        for (std::size_t i = 0; i < count; ++i) --lots_[clients[i].lot].parked;
        return count;
    }

  private:
    struct Lot {
        /// The inbox holds them all, so that to park one never waits: a pipe has room for PIPE_BUF
        /// bytes at the least (512 clients on Linux).
        static constexpr std::size_t room = PIPE_BUF / sizeof(Parked);
        std::size_t parked = 0;  ///< with the thread, or in one of the pipes
        Fd inbox{};
        std::thread thread{};
    };

    static void make_pipe(Fd& out, Fd& in) {
        int ends[2];
        check("pipe", pipe(ends));
        out = Fd{ends[0]};
        in = Fd{ends[1]};
    }

    /// Throws std::system_error or std::bad_alloc. Nothing is left of it then.
    Lot new_lot() {
        lots_.reserve(lots_.size() + 1);  // a thread must not be lost for want of room for it
        Lot lot;
        Fd inbox;
        make_pipe(inbox, lot.inbox);
        check("fcntl", set_nonblocking(inbox));
        std::vector<pollfd> polled{{inbox.get(), POLLIN, 0}};
        std::vector<Parked> parked(1);
        polled.reserve(1 + Lot::room);  // here, where it may fail
        parked.reserve(1 + Lot::room);
        lot.thread = std::thread{watch, std::move(inbox), ready_in_.get(), std::move(polled),
                                 std::move(parked)};
        return lot;
    }

    /// A lot's thread: waits for any of its clients, or for more of them, until nobody can write to
    /// its inbox. parked[i] is polled[i]; the first is the inbox.
    static void watch(const Fd& inbox, int ready_in, std::vector<pollfd> polled,
                      std::vector<Parked> parked) {
        for (;;) {
            const int ready = poll(polled.data(), static_cast<nfds_t>(polled.size()), -1);
            if (ready == -1 && errno != EINTR) sleep_a_little();
            for (std::size_t i = polled.size(); i-- > 1;) {
                if (polled[i].revents == 0) continue;
                if (write(ready_in, &parked[i], sizeof parked[i]) == -1) continue;  // EINTR, EPIPE
                std::swap(polled[i], polled.back());
                std::swap(parked[i], parked.back());
                polled.pop_back();
                parked.pop_back();
            }
            // If poll has failed, the inbox may have ended all the same.
            if (ready != -1 && polled[0].revents == 0) continue;
            Parked more[64];
            const ssize_t size = read(inbox.get(), more, sizeof more);
            if (size == 0) return;
            for (ssize_t i = 0; i < size / static_cast<ssize_t>(sizeof(Parked)); ++i) {
                polled.push_back({more[i].fd, POLLIN, 0});
                parked.push_back(more[i]);
            }
        }
    }

    Fd ready_;
    Fd ready_in_;
    std::vector<Lot> lots_;
};
