// echo/generations: an echo server for many silent clients and a few busy ones, with poll(2) alone.
//
//     build/echo/generations           serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it
//
// poll looks at every descriptor it is given, each time: beside 9,000 silent clients it is 15 times
// slower. Garbage collectors met the same cost, and keep generations: they look often at the young,
// and seldom at those that have survived.
//
//     the loop of echo/poll            for the clients that spoke in the last second or two
//       |  silent since: park it             ^  it speaks: take it back
//       v                                    |
//     echo/parking.hpp                 threads, each in a poll of its own on hundreds of clients
//
// What this builds by hand is what epoll(7) and kqueue(2) keep in the kernel: notes/generations.md.
// Before this: echo/poll, which has the same loop without a second generation.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "parking.hpp"
#include "reply.hpp"
#include "turn.hpp"

namespace {

enum Named { stop_entry, listener_entry, ready_entry };

constexpr int a_second = 1000;        // milliseconds, from one look at who is silent to the next
constexpr std::size_t worth_it = 64;  // fewer than these are looked at faster than handed over

struct Young : Client {
    bool spoke = true;  ///< since the last look at who is silent
};

class Generations {
  public:
    Generations(const Fd& listener, const Fd& stop) : listener_{listener}, stop_{stop} {}

    /// Serves until a signal comes through the stop pipe.
    void serve() {
        for (std::int64_t next_look = clock_ms() + a_second;;) {
            rounds_.end_vanished(list_.clients);
            const int rest = rest_.timeout();
            list_.polled[listener_entry].fd = rest == -1 ? listener_.get() : -1;
            const int timeout = rest == -1 ? a_second : rest;
            const int ready = poll(list_.polled.data(), list_.count(), timeout);
            if (ready == -1 && errno != EINTR && rest_or_stop(stop_)) return;
            if (ready > 0 && list_.polled[stop_entry].revents != 0) return;
            if (ready > 0) serve_the_ready();
            if (clock_ms() < next_look) continue;
            park_the_silent();
            next_look = clock_ms() + a_second;
        }
    }

  private:
    void serve_the_ready() {
        for (std::size_t i = list_.clients.size(); i-- > 0;)  // backwards: see PollList
            if (list_.entry(i).revents != 0) serve(i);
        if (list_.polled[ready_entry].revents != 0) take_back();
        if (list_.polled[listener_entry].revents != 0) accept_all();
    }

    void serve(std::size_t i) {
        Young& client = list_.clients[i];
        client.spoke = true;
        if (take_turn(client, answer_)) {
            list_.entry(i).events = client.unsent.empty() ? POLLIN : POLLOUT;
        } else {
            rounds_.see_off(std::move(client.fd));
            list_.remove(i);
            rest_.connection_closed();
        }
    }

    /// A client's turn is now: it is owed the greeting, or has spoken while it was parked.
    void add(Young client) {
        if (list_.add(std::move(client), POLLIN)) serve(list_.clients.size() - 1);
    }

    void accept_all() try {
        for (int i = 0; i < SOMAXCONN; ++i) {
            Fd fd = rest_.accepted(accept(listener_.get(), nullptr, nullptr));
            if (!fd) return;
            add({{std::move(fd)}});
        }
    } catch (const std::bad_alloc&) {
        // There is no memory for one more client: it is closed.
    }

    void take_back() {
        Parked back[64];
        const std::size_t count = parking_.take_back(back, std::size(back));
        for (std::size_t i = 0; i < count; ++i) add({{Fd{back[i].fd}, back[i].reply, {}}});
    }

    void park_the_silent() {
        for (std::size_t i = list_.clients.size(); i-- > 0 && list_.clients.size() > worth_it;) {
            Young& client = list_.clients[i];
            if (std::exchange(client.spoke, false) || !client.unsent.empty()) continue;
            if (on_its_way(client.fd) > 0) continue;  // it may have vanished: see tcp::Rounds
            if (!parking_.park(client.fd.get(), client.reply)) return;  // then it stays young
            (void)client.fd.release();
            list_.remove(i);
        }
    }

    const Fd& listener_;
    const Fd& stop_;
    Parking parking_;
    PollList<Young> list_{{{stop_.get(), POLLIN, 0},
                           {listener_.get(), POLLIN, 0},
                           {parking_.ready().get(), POLLIN, 0}}};
    std::string answer_;
    Rest rest_;
    tcp::Rounds rounds_;
};

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/generations", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    const Fd listener = tcp::passive_open(where);
    check("fcntl", set_nonblocking(listener));
    const Fd stop = stop_pipe();
    Generations server{listener, stop};
    log_line("listening on ", tcp::local_address(listener));
    server.serve();
} catch (const std::exception& error) {
    log_line("echo/generations: ", error.what());
    return 1;
}
