// echo/parking.hpp: where echo/generations leaves its silent clients.
//
//     park:       a record through a pipe to a thread, blocked in a poll of its own on some hundreds of them
//     take back:  a record through a pipe from whichever thread found its client ready
//
// A record is the whole of a parked client, and who has read it owns it: nothing is shared, nothing locked.
#pragma once

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "../fd.hpp"
#include "reply.hpp"

/// What is left of a client to whom nothing is owed, small enough to go through a pipe in one piece (pipe(7)).
struct Parked {
    int fd = -1;
    Reply reply{};
    std::uint16_t lot = 0;  ///< Parking's own
};

class Parking {
  public:
    /// Throws std::system_error "pipe: ..."
    Parking() {
        Pipe made = make_pipe();
        ready_ = std::move(made.out);
        ready_in_ = std::move(made.in);
    }

    /// Readable (POLLIN) when there is somebody to take back.
    [[nodiscard]] const Fd& ready() const { return ready_; }

    /// Parks a client. False when there can be no more descriptors or threads for it: it is still the caller's.
    bool park(int fd, Reply reply) try {
        std::size_t i = 0;
        while (i < lots_.size() && lots_[i].parked == Lot::room) ++i;
        if (i == lots_.size()) lots_.push_back(new_lot());
        const Parked record{fd, reply, static_cast<std::uint16_t>(i)};
        if (write(lots_[i].inbox.get(), &record, sizeof record) == -1) return false;
        ++lots_[i].parked;
        return true;
    } catch (const std::system_error&) {
        return false;
    }

    /// Parked clients that have something to read; call it when ready() is. They are the caller's again.
    std::vector<Parked> take_back() {
        std::vector<Parked> back(64);
        const ssize_t size = read(ready_.get(), back.data(), back.size() * sizeof(Parked));
        back.resize(size > 0 ? static_cast<std::size_t>(size) / sizeof(Parked) : 0);
        for (const Parked& client : back) --lots_[client.lot].parked;
        return back;
    }

  private:
    struct Lot {
        static constexpr std::size_t room = 512;
        static_assert(room * sizeof(Parked) <= PIPE_BUF, "the inbox holds them all: to park one never blocks");

        std::size_t parked = 0;  // with the thread, or in one of the pipes
        std::jthread thread{};
        Fd inbox{};  // goes before the thread is joined: its end is the thread's
    };

    struct Pipe {
        Fd out{};
        Fd in{};
    };

    static Pipe make_pipe() {
        int ends[2];
        check("pipe", pipe(ends));
        return {Fd{ends[0]}, Fd{ends[1]}};
    }

    Lot new_lot() {
        Pipe made = make_pipe();
        check("fcntl", fcntl(made.out.get(), F_SETFL, O_NONBLOCK));
        return {0, std::jthread{[inbox = std::move(made.out), to = ready_in_.get()] { watch(inbox, to); }},
                std::move(made.in)};
    }

    /// A lot's thread: waits for any of its clients, or for more of them, until nobody can write to its inbox.
    static void watch(const Fd& inbox, int ready_in) {
        std::vector<pollfd> polled{{inbox.get(), POLLIN, 0}};
        std::vector<Parked> parked{{}};  // parked[i] is polled[i]; 0 is the inbox
        for (;;) {
            const int ready = poll(polled.data(), polled.size(), -1);
            if (ready == -1 && errno != EINTR) usleep(100'000);  // a rest, as in echo/poll
            for (std::size_t i = polled.size(); i-- > 1;) {
                if (polled[i].revents == 0) continue;
                if (write(ready_in, &parked[i], sizeof parked[i]) == -1) continue;  // EINTR; EPIPE: the end is near
                std::swap(polled[i], polled.back());
                std::swap(parked[i], parked.back());
                polled.pop_back();
                parked.pop_back();
            }
            if (ready != -1 && polled[0].revents == 0) continue;  // poll failed: the inbox may have ended all the same
            Parked more[64];
            const ssize_t size = read(inbox.get(), more, sizeof more);
            if (size == 0) return;
            for (ssize_t i = 0; i < size / static_cast<ssize_t>(sizeof(Parked)); ++i) {
                polled.push_back({more[i].fd, POLLIN, 0});
                parked.push_back(more[i]);
            }
        }
    }

    // They go from the last to the first: then a full pipe does not hold the threads, and they end before what they
    // write to. The program ignores SIGPIPE, as all of ours do.
    Fd ready_in_;
    std::vector<Lot> lots_;
    Fd ready_;
};
