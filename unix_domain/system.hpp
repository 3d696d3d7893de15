// unix_domain/system.hpp: what each system has in its own way, behind one function each.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "rights.hpp"

namespace unix_domain {

/// Sets what every connection of ours has. Unlike TCP's, a listener's options are not inherited.
inline void set_options(const Fd& fd) {
    // A byte sent as urgent is a byte of the stream like any other (Linux has them since 5.15).
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
}

/// Who called connect, as the kernel saw it then: nothing that the client says can change it.
/// "pid 4242, uid 1001, gid 1002". pid 0: not to be seen from our PID namespace, or the system does
/// not tell. "unknown" when it fails.
inline std::string caller(const Fd& fd) {
#ifdef __linux__
    ucred who{};
    socklen_t length = sizeof who;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &length) == -1) return "unknown";
#else  // the BSDs and macOS: getpeereid(3); for the process, macOS has LOCAL_PEERPID
    struct {
        pid_t pid = 0;
        uid_t uid = 0;
        gid_t gid = 0;
    } who;
    if (getpeereid(fd.get(), &who.uid, &who.gid) == -1) return "unknown";
#ifdef LOCAL_PEERPID
    socklen_t length = sizeof who.pid;
    getsockopt(fd.get(), SOL_LOCAL, LOCAL_PEERPID, &who.pid, &length);
#endif
#endif
    return "pid " + std::to_string(who.pid) + ", uid " + std::to_string(who.uid) + ", gid " +
           std::to_string(who.gid);
}

/// recvmsg(2). The descriptors that come with the message do not pass on to a program that we may
/// execute (close-on-exec). Linux and FreeBSD see to that in the call itself. macOS does not: there
/// another thread could fork and execute between the two calls.
inline ssize_t receive_message(const Fd& fd, msghdr& message) {
#ifdef MSG_CMSG_CLOEXEC
    return recvmsg(fd.get(), &message, MSG_CMSG_CLOEXEC);
#else
    const ssize_t received = recvmsg(fd.get(), &message, 0);
    if (received == -1) return received;
    for (const int number : descriptors_in(message)) fcntl(number, F_SETFD, FD_CLOEXEC);
    return received;
#endif
}

}  // namespace unix_domain
