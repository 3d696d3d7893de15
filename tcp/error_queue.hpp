// tcp/error_queue.hpp: the ICMP message that has ended a connect, where the system keeps it.
//
// A firewall may refuse a SYN with an ICMP message. All that SO_ERROR says of it is an errno, and
// "port unreachable" has the same as a RST: ECONNREFUSED. Linux keeps the message itself, for TCP
// since 5.10, in an error queue of the socket (ip(7), IP_RECVERR; recvmsg(2), MSG_ERRQUEUE). The
// BSDs and macOS keep none: there the two look alike.
#pragma once

#include "../fd.hpp"

#ifdef __linux__
// clang-format off
#include <ctime>  // linux/errqueue.h uses timespec, and does not say so
#include <linux/errqueue.h>
// clang-format on
#endif
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "icmp.hpp"

#ifdef __linux__

/// From now on the ICMP messages about `fd`, a socket of `family`, are kept for it.
inline void keep_icmp(const Fd& fd, int family) {
    const int on = 1;
    if (family == AF_INET) setsockopt(fd.get(), IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    if (family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
}

/// What the ICMP message says that was kept for `fd`, in words; empty when there is none.
inline std::string kept_icmp(const Fd& fd) {
    alignas(cmsghdr) char control[512];
    msghdr message{};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(fd.get(), &message, MSG_ERRQUEUE) == -1) return {};
    // The one control message that was asked for.
    const cmsghdr* const c = CMSG_FIRSTHDR(&message);
    if (c == nullptr) return {};
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (!v4 && !v6) return {};
    const auto* const error = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(c));
    if (error->ee_origin == SO_EE_ORIGIN_ICMP)
        return icmp_reason(Icmp::v4, error->ee_type, error->ee_code);
    if (error->ee_origin == SO_EE_ORIGIN_ICMP6)
        return icmp_reason(Icmp::v6, error->ee_type, error->ee_code);
    return {};
}

#else

inline void keep_icmp(const Fd&, int) {}
inline std::string kept_icmp(const Fd&) {
    return {};
}

#endif
