// tcp/relay.hpp: one connection through tcp/forward: what comes from one socket goes to another, in
// both directions.
//
//     client ----- has connected to us -----> [ relay ] ----- connects for it -----> target
//
//     arrived --> resolving --> starting --> connecting --> relaying       the states of a relay
//                                |   ^ fails     | refused
//                                +---+-----------+           the next address, in the next turn
//
//     what an end says         recv -> send             to the other end
//     its end of file          recv 0 -> shutdown       the half-close; the other direction goes on
//     its reset                an error -> SO_LINGER, close: a reset
//     its slowness             no POLLIN from the one before POLLOUT from the other (backpressure)
//
// Nothing here blocks: tcp/forward polls for what wanted() says, and gives a turn to the relay that
// is ready.
#pragma once

#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <new>
#include <string>

#include "../server.hpp"
#include "resolver.hpp"
#include "tcp.hpp"

class Relay {
  public:
    /// A client of redirection number `redirection`. `second` is any descriptor of our own: it is
    /// closed when the target's socket is to have one.
    Relay(Fd client, Fd second, std::size_t redirection)
        : redirection_{redirection}, second_{std::move(second)} {
        client_.fd = std::move(client);
    }

    /// A look-up of this redirection begins. Whether the relay waits for its answer from now on.
    bool joins(std::size_t redirection) {
        if (state_ != State::arrived || redirection_ != redirection) return false;
        state_ = State::resolving;
        return true;
    }

    /// Whether it is the answer to the look-up of this redirection that the relay waits for.
    [[nodiscard]] bool waits_for(std::size_t redirection) const {
        return state_ == State::resolving && redirection_ == redirection;
    }

    /// The look-up is over, or there can be none (null): the next turn connects, or gives up.
    void resolved(std::shared_ptr<const LookUp> look_up) {
        look_up_ = std::move(look_up);
        state_ = State::starting;
        trying_ = look_up_ ? look_up_->addresses.get() : nullptr;
    }

    /// A relay that is over, since both its ends have said all, leaves when they have it all.
    void see_off(tcp::Rounds& rounds) {
        if (!client_.ended || !target_.ended) return;
        rounds.see_off(std::move(client_.fd));
        rounds.see_off(std::move(target_.fd));
    }

    /// What poll is to look at: the client, the target.
    [[nodiscard]] std::array<pollfd, 2> wanted() const {
        if (state_ == State::relaying) return {wanted(client_, target_), wanted(target_, client_)};
        // Who is to start has a turn at once: its client, which was sent nothing, has room.
        if (state_ == State::starting) return {{{client_.fd.get(), POLLOUT, 0}, {-1, 0, 0}}};
        // Of a client that is asked for nothing, poll still tells of errors. Before there is an
        // address the target has no descriptor, and is skipped.
        return {{{client_.fd.get(), 0, 0}, {target_.fd.get(), POLLOUT, 0}}};
    }

    /// Does what poll has found possible (its revents, client and target): at most one recv and two
    /// sends for each. `looks`: when it is to look who has vanished, or null. False when the relay
    /// is over.
    bool take_turn(short client, short target, tcp::Rounds* looks) try {
        if (told_to_end) return true;            // poll is to see it, and soon
        if (looks && state_ == State::relaying)  // else nobody has been sent anything
            if (has_vanished(client_, target_, *looks) || has_vanished(target_, client_, *looks))
                return reset();
        if (client == 0 && target == 0) return true;
        if (state_ == State::relaying) {
            if (!take_turn(client_, target_, client) || !take_turn(target_, client_, target)) {
                hear_out(target_, client_);
                hear_out(client_, target_);
                return reset();
            }
            return !(client_.ended && target_.ended);
        }
        if ((client & ~POLLOUT) != 0) return reset();  // it did not wait for us
        if (state_ == State::starting) {
            if (!look_up_) return close_client();
            if (look_up_->error != 0)
                return give_up(look_up_->target.host, gai_strerror(look_up_->error));
            state_ = State::connecting;
            return go_on_after(start_connect());
        }
        const int error = tcp::connect_result(target_.fd);
        // It has closed and then reset: what it said before is still to be read.
        while (error == EPIPE && pass_on(target_, client_) && may_speak(target_, client_)) {
        }
        if (error == ECONNRESET) hear_out(target_, client_);
        // The target had taken the connection, or this would be ECONNREFUSED.
        if (error == ECONNRESET || error == EPIPE) return reset();
        if (error != 0) return go_on_after(error);
        state_ = State::relaying;
        look_up_.reset();
        return true;
    } catch (const std::bad_alloc&) {
        return reset();  // no memory for what an end does not take: this relay goes, and no other
    }

  private:
    enum class State { arrived, resolving, starting, connecting, relaying };

    struct End {
        Fd fd{};
        std::string unsent{};   ///< for it to take; meanwhile nothing is read from the other end
        bool said_all = false;  ///< its half-close has come; there may be more to read before it
        bool ended = false;     ///< all has been read, and the other end has been told
        bool closed = false;    ///< it said all, and is gone: that is still to be read
        bool vanished = false;  ///< with its machine: of that, too, the other end is to hear
    };

    /// Starts to connect to the address that is tried; poll tells when it has an outcome. 0, or the
    /// errno.
    int start_connect() try {
        // First what the address before it had is closed: there may be no descriptor but that one.
        second_ = Fd{};
        target_.fd = Fd{};
        target_.fd = Fd{check("socket", socket(trying_->ai_family, trying_->ai_socktype, 0))};
        check("fcntl", set_nonblocking(target_.fd));
        tcp::set_options(target_.fd);
        return tcp::start_connect(target_.fd, trying_->ai_addr, trying_->ai_addrlen);
    } catch (const std::system_error& error) {
        // A newcomer would take its place (EAFNOSUPPORT: there is no IPv6 here), and poll takes no
        // more entries than there may be descriptors, two for each of us (EINVAL).
        if (!target_.fd) second_ = Fd{dup(client_.fd.get())};
        return error.code().value();
    }

    /// When the address that is tried has failed, with `error`, the next turn tries the next: a
    /// name may have thousands, and the other relays have their turns in between. False when none
    /// is left.
    bool go_on_after(int error) {
        if (error == 0) return true;
        const addrinfo& failed = *trying_;
        trying_ = failed.ai_next;
        state_ = State::starting;
        if (trying_ != nullptr) return true;
        return give_up("connect " + tcp::text(failed.ai_addr, failed.ai_addrlen),
                       std::generic_category().message(error));
    }

    /// Says why the target cannot be had.
    bool give_up(std::string_view what, std::string_view why) {
        log_line(what, ": ", why);
        return close_client();
    }

    /// Tells the client by a close that there is no target. False: the relay is over.
    bool close_client() {
        shutdown(client_.fd.get(), SHUT_WR);
        drop_unread(client_.fd);
        return false;
    }

    /// Whether more is to be read from `end`.
    static bool may_speak(const End& end, const End& other) {
        return !end.ended && other.unsent.empty();
    }

    static pollfd wanted(const End& end, const End& other) {
        const int events =
            (may_speak(end, other) ? POLLIN : 0) | (end.unsent.empty() ? 0 : POLLOUT);
        // Once both its directions are shut, by its FIN and by ours, poll reports POLLHUP without
        // being asked, again and again: while the other end is still to take what this one said, it
        // is not looked at.
        const bool looked_at = events != 0 || !(other.ended || end.closed);
        return {looked_at ? end.fd.get() : -1, static_cast<short>(events), 0};
    }

    /// One end's turn. False when its connection is gone.
    static bool take_turn(End& end, End& other, short revents) {
        if ((revents & POLLOUT) != 0 && !flush(end)) return false;
        if (may_speak(end, other)) return (revents & ~POLLOUT) == 0 || pass_on(end, other);
        // A reset is passed on at once, though the other end does not read.
        return (revents & POLLERR) == 0 || has_closed(end, other);
    }

    /// Of an end whose connection has failed: whether it had said all, as EPIPE tells. It has
    /// closed; its system forgets that within a minute, and answers our keepalive's question, or
    /// what the other end says, with a RST. And whether not all of it is passed on.
    static bool has_closed(End& end, const End& other) {
        if (end.closed) return true;
        end.vanished = tcp::pending_error(end.fd) != EPIPE;
        end.closed = !end.vanished || owes(end, other);
        return end.closed;
    }

    /// Sends an end what waits for it, as far as it takes it. False when the connection is gone.
    static bool flush(End& to) {
        const ssize_t sent = send(to.fd.get(), to.unsent.data(), to.unsent.size(), 0);
        if (sent == -1) return later(errno);
        to.unsent.erase(0, static_cast<std::size_t>(sent));
        if (to.unsent.empty()) to.unsent.shrink_to_fit();  // who waits for nothing owns no buffer
        return true;
    }

    /// One recv from an end, and at once a send to the other, for whom nothing waits. False when
    /// one is gone.
    static bool pass_on(End& from, End& to) {
        // One for all relays. With less, each mebibyte wakes whoever sends it more often.
        static char scratch[1024 * 1024];
        const ssize_t received = recv(from.fd.get(), scratch, sizeof scratch, 0);
        if (received == -1) return later(errno);
        if (received == 0) {
            from.ended = true;
            // ENOTCONN: the other has failed meanwhile.
            return shutdown(to.fd.get(), SHUT_WR) == 0 || has_closed(to, from);
        }
        const ssize_t sent = send(to.fd.get(), scratch, static_cast<std::size_t>(received), 0);
        if (sent == -1 && !later(errno)) return false;
        to.unsent.assign(scratch + std::max<ssize_t>(sent, 0), scratch + received);
        return true;
    }

    /// Whether `end` has said all, and the other has not all of it yet.
    static bool owes(const End& end, const End& other) {
        return end.said_all && !(end.ended && on_its_way(other.fd) == 0);
    }

    /// Whether `end` has died without a word, and does not owe any to another who is there. Its
    /// half-close is looked for here: once it is dead, the kernel does not tell.
    static bool has_vanished(End& end, const End& other, tcp::Rounds& rounds) {
        end.said_all = end.said_all || tcp::has_half_closed(end.fd);
        if (!end.vanished && !rounds.has_vanished(end.fd)) return false;
        return !owes(end, other) || other.closed || rounds.has_vanished(other.fd);
    }

    /// One of two ends has died. Bytes that `from` has said before, an early refusal of what is
    /// still being sent to it, say, are passed on as far as the other takes them; its end is not.
    static void hear_out(End& from, End& to) {
        char byte = 0;
        for (int i = 0; i < 16 && may_speak(from, to); ++i)
            if (recv(from.fd.get(), &byte, 1, MSG_PEEK) != 1 || !pass_on(from, to)) return;
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

    State state_ = State::arrived;
    std::size_t redirection_;
    End client_{};
    End target_{};
    Fd second_;
    std::shared_ptr<const LookUp> look_up_{};  ///< while connecting
    const addrinfo* trying_ = nullptr;         ///< one of its addresses
};
