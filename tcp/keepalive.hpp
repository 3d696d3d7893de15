// tcp/keepalive.hpp: how a peer is found dead that has vanished without a word, and how long one is
// waited for that has not.
//
// A cable is cut, a battery is empty, a NAT table has forgotten the connection: no FIN comes, no
// RST, and a connection on which nobody speaks would stay for ever. So the kernel is told to ask.
// While something is on its way to the peer it does not ask, and we have to look as well: Rounds.
//
// After close(2) it is the kernel that brings the peer what was sent last, and it is less patient:
// who takes nothing for some minutes, a reader at his tenth page, is sent a reset in the place of
// the rest. (Such a connection is an orphan: tcp(7), tcp_orphan_retries.) So see_off() closes it
// only when the peer has all.
// Sources: tcp(7), socket(7), RFC 9293 3.8.4, RFC 5482.
#pragma once

#include "../fd.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "../server.hpp"
#include "connecting.hpp"

namespace tcp {

/// Milliseconds without a word from the peer's machine after which it is dead.
constexpr int patience = 140'000;

/// Milliseconds from one question to the next, at most: where the kernel can be told, and where it
/// is left to itself.
constexpr int seldom = 15'000;
constexpr int rarely = 120'000;

/// setsockopt(2) with an int. Throws std::system_error.
inline void set_option(const Fd& fd, int level, int option, int value) {
    check("setsockopt", setsockopt(fd.get(), level, option, &value, sizeof value));
}

/// After 60 s of silence the peer is asked, every 10 s, whether it is still there; eight questions
/// without an answer are a reset: 140 s in all. While it owes us an acknowledgement it is not
/// asked: see Rounds, and give_up_in_time.
/// What accept(2) returns inherits this from its listener. Throws std::system_error.
inline void keep_alive(const Fd& fd) {
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
#else
    set_option(fd, IPPROTO_TCP, TCP_KEEPALIVE, 60);  // macOS
#endif
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 8);
#ifdef TCP_RXT_CONNDROPTIME  // macOS: for an acknowledgement; in seconds
    set_option(fd, IPPROTO_TCP, TCP_RXT_CONNDROPTIME, patience / 1000);
#endif
}

/// For a server that blocks, and cannot look who has vanished: a peer that does not acknowledge has
/// the same time for that. So has one that is alive and takes nothing at all; the kernel makes no
/// difference (tcp(7)). Throws std::system_error.
inline void give_up_in_time([[maybe_unused]] const Fd& listener) {
#ifdef TCP_USER_TIMEOUT  // milliseconds
    set_option(listener, IPPROTO_TCP, TCP_USER_TIMEOUT, patience);
#endif
}

#ifdef __linux__
/// What the kernel knows of a connection (tcp(7)); all 0 when it is none.
inline tcp_info info(const Fd& fd) {
    tcp_info found{};
    socklen_t size = sizeof found;
    getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &found, &size);
    return found;
}

/// The kernel asks a peer that does not answer, or has no room, twice as seldom each time, until it
/// is every two minutes. On a network that loses, two questions in a row that are lost would then
/// prove nothing. So who has no room is asked every 15 s (Linux 6.15; an older one does not know
/// the option). What is on its way to a peer whose room has gone since is given up after two such
/// times without a word: there the two minutes stay.
inline void ask_often(const Fd& fd, const tcp_info& known) {
#ifndef TCP_RTO_MAX_MS
    constexpr int TCP_RTO_MAX_MS = 44;
#endif
    const int most = known.tcpi_unacked == 0 ? seldom : rarely;
    if (known.tcpi_backoff > 0)
        setsockopt(fd.get(), IPPROTO_TCP, TCP_RTO_MAX_MS, &most, sizeof most);
}
#endif

/// Whether the peer's machine has been silent for so many milliseconds, and that though it was
/// asked: to acknowledge what was sent once more; or, when it takes nothing for the time being,
/// whether it is still there. One question without an answer may be lost with a network that was
/// gone for a moment, so there are to be two. False where the kernel does not tell (macOS).
inline bool is_mute([[maybe_unused]] const Fd& fd, [[maybe_unused]] std::int64_t for_so_long) {
#ifdef __linux__
    const tcp_info known = info(fd);
    ask_often(fd, known);
    const std::int64_t silent = std::min(known.tcpi_last_data_recv, known.tcpi_last_ack_recv);
    if (silent < for_so_long || known.tcpi_state == TCP_CLOSE) return false;
    if (std::max(known.tcpi_retransmits, known.tcpi_probes) > 1) return true;
    // What is sent again to a window that has been closed meanwhile is not counted. After one
    // question, the time from the peer's last word to it is a half of the time to the next; after
    // two it is three quarters. But that time grows no longer than two minutes, and a timer of the
    // kernel may be late by an eighth.
    const std::int64_t next = known.tcpi_rto / 1000;
    const std::int64_t asked = silent - known.tcpi_last_data_sent;
    return known.tcpi_unacked > 0 && asked > (next < rarely ? next * 2 / 3 : patience);
#else
    return false;
#endif
}

/// Of a connection that has failed: whether it was a question whether the peer is still there that
/// was answered by a RST. It has closed, then, and has all that we have said. False where the
/// kernel does not tell.
inline bool was_forgotten([[maybe_unused]] const Fd& fd) {
#ifdef __linux__
    return info(fd).tcpi_probes > 0;
#else
    return false;
#endif
}

/// Whether the peer has said its end, though what it said before may not all be read. False where
/// the kernel does not tell, and once the connection has failed.
inline bool has_half_closed([[maybe_unused]] const Fd& fd) {
#ifdef __linux__
    const int state = info(fd).tcpi_state;
    return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING;
#else
    return false;
#endif
}

/// Whether the peer has not acknowledged all that it was sent. Then our end is said, be it once
/// more. False when the connection has failed: shutdown does, too (ENOTCONN).
inline bool is_owed_at_the_end(const Fd& fd) {
    return on_its_way(fd) > 0 && shutdown(fd.get(), SHUT_WR) == 0;
}

/// Why a connection has failed before the peer had all, an errno; 0 while it lives, or when the
/// peer has all. SO_ERROR alone is no proof: on Linux it tells of an ICMP message, too, which TCP
/// survives (ip(7), IP_RECVERR).
inline int error_at_the_end(const Fd& fd) {
    return on_its_way(fd) > 0 && !is_owed_at_the_end(fd) ? pending_error(fd) : 0;
}

/// When to look who has vanished: every ten seconds. The kernel looks at those only who are owed
/// nothing. For an acknowledgement it would wait for a quarter of an hour. And who is on the way
/// out: see_off().
class Rounds {
  public:
    static constexpr int period = 10'000;  ///< milliseconds

    /// How long poll may wait, in milliseconds. Nothing tells when who is seen off has all.
    [[nodiscard]] int timeout() const { return leaving_.empty() ? period : 100; }

    /// Whether it is time. The next are due a period later.
    bool are_due() {
        const std::int64_t now = clock_ms();
        if (now < next_) return false;
        next_ = now + period;
        return true;
    }

    /// Whether the peer has vanished, of a connection that is looked at when it is time. It has to
    /// seem so twice: the answer to what was asked last may still be on its way.
    bool has_vanished(const Fd& fd) try {
        if (is_mute(fd, patience - period)) {
            const std::int64_t now = clock_ms();
            const std::int64_t since = suspects_.try_emplace(fd.get(), now).first->second;
            return now - since >= period / 2;  // since the round before
        }
        suspects_.erase(fd.get());
        return false;
    } catch (const std::bad_alloc&) {
        return false;
    }

    /// When it is time: ends the connections of those who have vanished, as a RST would. poll and
    /// select find them ready, and recv and send fail.
    template <typename Client>
    void end_vanished(const std::vector<Client>& clients) {
        close_who_have_all();
        if (!are_due()) return;
        const sockaddr nobody{};  // AF_UNSPEC: connect(2)
        for (const Client& client : clients)
            if (has_vanished(client.fd)) (void)connect(client.fd.get(), &nobody, sizeof nobody);
    }

    /// Says our end on a connection, and closes it as soon as the peer has all that it was sent.
    /// Until then poll must not look at it: with both directions shut, it would report POLLHUP
    /// again and again. One that there is no memory to remember is closed at once.
    void see_off(Fd fd) try {
        if (is_owed_at_the_end(fd)) leaving_.push_back(std::move(fd));
    } catch (const std::bad_alloc&) {
    }

    /// Tells a client that there is no room for it, and sees it off. It has three seconds to have
    /// been told: it keeps a descriptor from others.
    void refuse(Fd fd, std::string_view message) {
#ifdef TCP_USER_TIMEOUT
        const int limit = 3000;
        setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
#endif
        say_last(fd, message);
        drop_unread(fd);
        if (on_its_way(fd) > 1) see_off(std::move(fd));  // our end counts as one; it may be lost
    }

    /// Closes those who are seen off and have all, or are gone. At most ten times a second: there
    /// may be thousands.
    void close_who_have_all() {
        if (leaving_.empty() || clock_ms() < next_look_) return;
        next_look_ = clock_ms() + 100;
        std::erase_if(leaving_, [&](const Fd& fd) {
            if (is_owed_at_the_end(fd) && !has_vanished(fd)) return false;
            drop_unread(fd);
            return true;
        });
    }

  private:
    std::int64_t next_ = clock_ms() + period;
    std::map<int, std::int64_t> suspects_{};  ///< descriptors: since when they have seemed mute
    std::vector<Fd> leaving_{};
    std::int64_t next_look_ = 0;
};

}  // namespace tcp
