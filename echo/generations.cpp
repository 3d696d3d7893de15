// echo/generations: an echo server for many silent clients and a few busy ones, with poll(2) alone.
//
//     build/echo/generations           serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it
//
// poll looks at every descriptor it is given, each time: beside 9,000 silent clients it is 15 times slower. Garbage
// collectors met the same cost, and keep generations: look often at the young, seldom at those that have survived.
//
//     the loop of echo/poll            for the clients that spoke in the last second or two
//       |  silent since: park it             ^  it speaks: take it back
//       v                                    |
//     echo/parking.hpp                 threads, each blocked in a poll of its own on some hundreds of clients
//
// What this builds by hand is what epoll(7) and kqueue(2) keep in the kernel: notes/generations.md.
// Before this: echo/poll.
#include <poll.h>

#include <vector>

#include "../fd.hpp"
#include "../tcp/tcp.hpp"
#include "parking.hpp"
#include "reply.hpp"

namespace {

struct Client {
    Fd fd;
    Reply reply{};
    std::string unsent{greeting};  ///< While there is some we do not read: the peer must take it first (backpressure).
    bool spoke = true;             ///< since the last look at who has been silent
};

/// A ready client's turn, as in echo/poll: at most one recv and one send. False when the conversation is over.
bool take_turn(Client& client, std::string& answer) try {
    client.spoke = true;
    std::string_view owed = client.unsent;
    if (owed.empty()) {
        char bytes[16 * 1024];
        const ssize_t received = recv(client.fd.get(), bytes, sizeof bytes, 0);
        if (received == 0) return false;
        if (received == -1) return tcp::later(errno);
        answer.clear();
        client.reply.answer({bytes, static_cast<std::size_t>(received)}, answer);
        owed = answer;
    }
    const ssize_t sent = send(client.fd.get(), owed.data(), owed.size(), 0);
    if (sent == -1 && !tcp::later(errno)) return false;
    if (sent > 0) owed.remove_prefix(static_cast<std::size_t>(sent));
    std::string{owed}.swap(client.unsent);
    return true;
} catch (const std::bad_alloc&) {
    return false;  // no memory for what it does not read: it goes, the others stay
}

class Loop {
  public:
    Loop(const Fd& listener, const Fd& stop)
        : listener_{listener},
          stop_{stop},
          polled_{{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}, {parking_.ready().get(), POLLIN, 0}} {}

    /// Serves until the stop pipe speaks.
    void run() {
        for (auto next_look = Clock::now() + a_second;;) {
            const int rest = rest_.timeout();
            polled_[1].fd = rest == -1 ? listener_.get() : -1;  // poll skips a negative descriptor
            const int ready = poll(polled_.data(), polled_.size(), rest == -1 ? 1000 : rest);
            if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop_)) return;  // as in echo/poll
            if (ready > 0) {
                if (polled_[0].revents != 0) return;
                for (std::size_t i = clients_.size(); i-- > 0;)
                    if (polled_[first + i].revents != 0) serve(i);
                if (polled_[2].revents != 0) take_back();
                if (polled_[1].revents != 0) accept_all();
            }
            if (Clock::now() < next_look) continue;
            park_the_silent();
            next_look = Clock::now() + a_second;
        }
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds a_second{1};
    static constexpr std::size_t first = 3;      // clients_[i] is polled_[first + i]
    static constexpr std::size_t worth_it = 64;  // fewer than these are looked at faster than handed over

    void serve(std::size_t i) {
        if (take_turn(clients_[i], answer_)) {
            polled_[first + i].events = clients_[i].unsent.empty() ? POLLIN : POLLOUT;
        } else {
            remove(i);
            rest_.connection_closed();
        }
    }

    void add(Client client) {
        polled_.push_back({client.fd.get(), 0, 0});
        clients_.push_back(std::move(client));
        serve(clients_.size() - 1);
    }

    void remove(std::size_t i) {
        std::swap(polled_[first + i], polled_.back());
        std::swap(clients_[i], clients_.back());
        polled_.pop_back();
        clients_.pop_back();
    }

    void accept_all() {
        for (int i = 0; i < SOMAXCONN; ++i) {
            Fd fd{accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK)};
            if (!fd) return rest_.accept_failed(errno);
            add(Client{std::move(fd)});
        }
    }

    /// Their turn is now.
    void take_back() {
        for (const Parked& client : parking_.take_back()) add(Client{Fd{client.fd}, client.reply, {}});
    }

    void park_the_silent() {
        for (std::size_t i = clients_.size(); i-- > 0 && clients_.size() > worth_it;) {
            Client& client = clients_[i];
            if (std::exchange(client.spoke, false) || !client.unsent.empty()) continue;
            if (!parking_.park(client.fd.get(), client.reply)) return;  // then it is looked at as before
            (void)client.fd.release();
            remove(i);
        }
    }

    const Fd& listener_;
    const Fd& stop_;
    Parking parking_;
    std::vector<pollfd> polled_;
    std::vector<Client> clients_;
    std::string answer_;
    tcp::Rest rest_;
};

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/generations", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // a send to a peer that has gone is an errno, EPIPE, and no death
    const Fd listener = tcp::passive_open(where, SOCK_NONBLOCK);
    const Fd stop = tcp::stop_pipe();
    tcp::log("listening on " + tcp::local_address(listener));
    Loop{listener, stop}.run();
} catch (const std::exception& error) {
    tcp::log(std::string{"echo/generations: "} + error.what());
    return 1;
}
