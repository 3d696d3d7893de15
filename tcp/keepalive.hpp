// tcp/keepalive.hpp: how a peer is found dead that has vanished without a word.
//
// A cable is cut, a battery is empty, a NAT table has forgotten the connection: no FIN comes, no
// RST, and a connection on which nobody speaks would stay for ever. So the kernel is told to ask.
// Sources: tcp(7), socket(7), RFC 9293 3.8.4, RFC 5482.
#pragma once

#include "../fd.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tcp {

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
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 140'000);
#elif defined TCP_RXT_CONNDROPTIME  // macOS; seconds
    set_option(fd, IPPROTO_TCP, TCP_RXT_CONNDROPTIME, 140);
#endif
}

}  // namespace tcp
