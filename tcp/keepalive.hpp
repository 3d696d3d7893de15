// tcp/keepalive.hpp: how a peer is found dead that has vanished without a word.
//
// A cable is cut, a battery is empty, a NAT table has forgotten the connection: no FIN comes, no
// RST, and a connection on which nobody speaks would stay for ever. So the kernel is told to ask.
// Who speaks to a peer unasked, as a room does, has to look as well: Rounds.
// Sources: tcp(7), socket(7), RFC 9293 3.8.4, RFC 5482.
#pragma once

#include "../fd.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "../server.hpp"

namespace tcp {

/// Milliseconds without a word from the peer's machine after which it is dead.
constexpr int patience = 140'000;

/// setsockopt(2) with an int. Throws std::system_error.
inline void set_option(const Fd& fd, int level, int option, int value) {
    check("setsockopt", setsockopt(fd.get(), level, option, &value, sizeof value));
}

/// After 60 s of silence the peer is asked, every 10 s, whether it is still there; eight questions
/// without an answer are a reset: 140 s in all. While it owes us an acknowledgement it is not
/// asked, but has the same time for that; so has a peer that takes nothing at all.
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
#if defined TCP_USER_TIMEOUT  // milliseconds
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, patience);
#elif defined TCP_RXT_CONNDROPTIME  // macOS; seconds
    set_option(fd, IPPROTO_TCP, TCP_RXT_CONNDROPTIME, patience / 1000);
#endif
}

/// Whether the peer's machine has been silent for too long. When it is sent something after, say,
/// two minutes of silence, the kernel asks no more, and counts anew, from what was sent: it would
/// find it dead after four. False before all that it has said is read. A peer that has said its end
/// may be silent, unless it owes us an acknowledgement. False where the kernel does not tell
/// (macOS).
inline bool has_vanished([[maybe_unused]] const Fd& fd) {
#ifdef __linux__
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == -1) return false;
    if (std::min(info.tcpi_last_data_recv, info.tcpi_last_ack_recv) < patience) return false;
    char byte = 0;
    if (recv(fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return false;
    return info.tcpi_state == TCP_CLOSE_WAIT ? info.tcpi_unacked > 0 : info.tcpi_state != TCP_CLOSE;
#endif
    return false;
}

/// When to look who has vanished: every ten seconds.
class Rounds {
  public:
    static constexpr int period = 10'000;  ///< for poll, in milliseconds

    /// Whether it is time. The next are due a period later.
    bool are_due() {
        const std::int64_t now = clock_ms();
        if (now < next_) return false;
        next_ = now + period;
        return true;
    }

  private:
    std::int64_t next_ = clock_ms() + period;
};

}  // namespace tcp
