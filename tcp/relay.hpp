// tcp/relay.hpp: one connection through tcp/forward: what comes from one socket goes to another, in
// both directions.
//
//     client ----- has connected to us -----> [ relay ] ----- connects for it -----> target
//
//     what an end says         recv -> send             to the other end
//     its end of file          recv 0 -> shutdown       the half-close; the other direction goes on
//     its reset                an error -> SO_LINGER, close: a reset
//     its slowness             no POLLIN from the one before POLLOUT from the other (backpressure)
//
// Nothing here blocks: tcp/forward polls for what wanted() says, and gives a turn to the relay that
// is ready.
#pragma once

#include <poll.h>

#include <array>

#include "../fd.hpp"
#include "spec.hpp"
#include "tcp.hpp"

/// While it lives, SIGINT and SIGTERM end the program at once: for a call that poll cannot wait
/// for.
class StopAtOnce {
  public:
    StopAtOnce() {
        struct sigaction now {};
        now.sa_handler = [](int) { _exit(0); };
        sigaction(SIGINT, &now, &interrupt_);
        sigaction(SIGTERM, &now, &terminate_);
    }
    StopAtOnce(const StopAtOnce&) = delete;
    StopAtOnce& operator=(const StopAtOnce&) = delete;
    ~StopAtOnce() {
        sigaction(SIGINT, &interrupt_, nullptr);
        sigaction(SIGTERM, &terminate_, nullptr);
    }

  private:
    struct sigaction interrupt_ {};
    struct sigaction terminate_ {};
};

class Relay {
  public:
    explicit Relay(Fd client) { client_.fd = std::move(client); }

    /// Resolves the target's name, and starts to connect. Digits take no time to resolve; a name
    /// keeps everybody waiting for as long as getaddrinfo(3) takes: poll cannot wait for that.
    /// False when nothing came of it: that has been said, and the client told so by a close.
    bool open_target(const Spec::End& target) {
        try {
            const StopAtOnce stop;
            addresses_ = tcp::resolve(target.host, target.port);
        } catch (const std::runtime_error& error) {
            return give_up(error.what());
        }
        trying_ = addresses_.get();
        return try_addresses(start_connect());
    }

    /// What poll is to look at: the client, the target. Of an end that is asked for nothing it
    /// still tells errors.
    [[nodiscard]] std::array<pollfd, 2> wanted() const {
        if (trying_ != nullptr) return {{{client_.fd.get(), 0, 0}, {target_.fd.get(), POLLOUT, 0}}};
        return {wanted(client_, target_), wanted(target_, client_)};
    }

    /// Does what poll has found possible (its revents, client and target): at most one recv and two
    /// sends for each. False when the relay is over.
    bool take_turn(short client, short target) {
        if (trying_ != nullptr) {
            if (client != 0) return reset();  // it did not wait for us
            const int error = tcp::pending_error(target_.fd);
            if (error == ECONNRESET)
                return reset();  // it had taken the connection, or it would be ECONNREFUSED
            if (error != 0) return try_addresses(error);
            trying_ = nullptr;
            addresses_.reset();
            return true;
        }
        if (!take_turn(client_, target_, client) || !take_turn(target_, client_, target))
            return reset();
        return !(client_.ended && target_.ended);
    }

  private:
    struct End {
        Fd fd{};
        std::string unsent{};  ///< for it to take; meanwhile nothing is read from the other end
        bool ended = false;    ///< it has half-closed, and the other end has been told
    };

    /// Starts a connect to the address that is tried; poll tells when it has an outcome. 0, or the
    /// errno.
    int start_connect() {
        target_.fd = Fd{
            socket(trying_->ai_family, trying_->ai_socktype | SOCK_NONBLOCK, trying_->ai_protocol)};
        if (!target_.fd) return errno;
        const int one =
            1;  // what comes is passed on when it comes; passive_open has set it for the client
        setsockopt(target_.fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        int result = 0;
        do result = connect(target_.fd.get(), trying_->ai_addr, trying_->ai_addrlen);
        while (result == -1 && errno == EINTR);
        return result == 0 || errno == EINPROGRESS ? 0 : errno;
    }

    /// As long as the address that is tried has failed, with `error`, tries the next. False when
    /// none is left.
    bool try_addresses(int error) {
        while (error != 0) {
            const addrinfo& failed = *trying_;
            trying_ = failed.ai_next;
            if (trying_ == nullptr)
                return give_up("connect " + tcp::text(failed.ai_addr, failed.ai_addrlen) + ": " +
                               std::generic_category().message(error));
            error = start_connect();
        }
        return true;
    }

    bool give_up(const std::string& why) {
        tcp::log(why);
        tcp::refuse(std::move(client_.fd), "");
        return false;
    }

    static bool may_speak(const End& end, const End& other) {
        return !end.ended && other.unsent.empty();
    }

    static pollfd wanted(const End& end, const End& other) {
        const int events =
            (may_speak(end, other) ? POLLIN : 0) | (end.unsent.empty() ? 0 : POLLOUT);
        // Once both its directions are shut, by its FIN and by ours, poll reports POLLHUP without
        // being asked, again and again: while the other end is still to take what this one said, it
        // is not looked at.
        const bool looked_at = events != 0 || !other.ended;
        return {looked_at ? end.fd.get() : -1, static_cast<short>(events), 0};
    }

    /// One end's turn. False when its connection is gone.
    static bool take_turn(End& end, End& other, short revents) {
        if ((revents & POLLOUT) != 0 && !flush(end)) return false;
        if (may_speak(end, other)) return (revents & ~POLLOUT) == 0 || pass_on(end, other);
        return (revents & POLLERR) ==
               0;  // a reset is passed on at once, though the other end does not read
    }

    /// Sends an end what waits for it, as far as it takes it. False when the connection is gone.
    static bool flush(End& to) {
        const ssize_t sent = send(to.fd.get(), to.unsent.data(), to.unsent.size(), 0);
        if (sent == -1) return tcp::later(errno);
        to.unsent.erase(0, static_cast<std::size_t>(sent));
        if (to.unsent.empty()) to.unsent.shrink_to_fit();  // who waits for nothing owns no buffer
        return true;
    }

    /// One recv from an end, and at once a send to the other, for whom nothing waits. False when
    /// one is gone.
    static bool pass_on(End& from, End& to) {
        static char scratch[1024 * 1024];  // one for all relays; 1 MiB was measured fastest
        const ssize_t received = recv(from.fd.get(), scratch, sizeof scratch, 0);
        if (received == -1) return tcp::later(errno);
        if (received == 0) {
            from.ended = true;
            return shutdown(to.fd.get(), SHUT_WR) ==
                   0;  // ENOTCONN: the other has been reset meanwhile
        }
        const ssize_t sent = send(to.fd.get(), scratch, static_cast<std::size_t>(received), 0);
        if (sent == -1 && !tcp::later(errno)) return false;
        to.unsent.assign(scratch + std::max<ssize_t>(sent, 0), scratch + received);
        return true;
    }

    /// One connection has died; so does the other, with a RST in the place of a FIN: a close with a
    /// linger time of zero (UNP 7.5). What was on its way is lost, as it was on the other side.
    /// False: the relay is over.
    bool reset() {
        const linger at_once{1, 0};
        for (const End* end : {&client_, &target_})
            setsockopt(end->fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        return false;
    }

    End client_{};
    End target_{};
    tcp::Addresses addresses_{nullptr, freeaddrinfo};
    const addrinfo* trying_ =
        nullptr;  ///< the address that the target is being connected to; null once it is
};
