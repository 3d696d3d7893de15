// tcp/connecting.hpp: to connect without being held up by it, in three steps.
//
//     start_connect      the SYN leaves
//     poll, POLLOUT      there is an outcome; wait_connected waits so for one socket
//     connect_result     which outcome
//
// Sources: connect(2), EINPROGRESS; Stevens, UNP 5.9 and 16.3; RFC 9293 3.5.
#pragma once

#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../server.hpp"

namespace tcp {

/// Starts to connect `fd`, which does not block. 0: it is under way. Otherwise an errno. After
/// EINTR the handshake goes on: connect, called again, says so by EALREADY or EISCONN (UNP 5.9).
inline int start_connect(const Fd& fd, const sockaddr* to, socklen_t length) {
    while (connect(fd.get(), to, length) == -1) {
        if (errno == EINTR) continue;
        const bool under_way = errno == EINPROGRESS || errno == EALREADY || errno == EISCONN;
        return under_way ? 0 : errno;
    }
    return 0;
}

/// The error that waits on a socket; 0 for none.
inline int pending_error(const Fd& fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/// Whether a socket is connected to itself. The system chooses the port that we connect from. It
/// may choose the very one that we connect to: then our SYN meets our own socket, and that is a
/// connection (simultaneous open, RFC 9293 3.5), though nobody listens there.
inline bool is_its_own_peer(const Fd& fd) {
    sockaddr_storage ours{};
    sockaddr_storage theirs{};
    socklen_t our_length = sizeof ours;
    socklen_t their_length = sizeof theirs;
    return getsockname(fd.get(), reinterpret_cast<sockaddr*>(&ours), &our_length) == 0 &&
           getpeername(fd.get(), reinterpret_cast<sockaddr*>(&theirs), &their_length) == 0 &&
           our_length == their_length && std::memcmp(&ours, &theirs, our_length) == 0;
}

/// How the connect that was started has ended, once poll says POLLOUT: 0, or an errno. ECONNRESET
/// and EPIPE come from a peer that had taken the connection: it has reset it since or, with EPIPE,
/// closed it and then reset it (Linux); what it said before that is still to be read. A socket
/// that is connected to itself is refused, and ends with a RST: in TIME-WAIT it would keep the port
/// for a minute from who wants to listen on it.
inline int connect_result(const Fd& fd) {
    const int error = pending_error(fd);
    if (error != 0 || !is_its_own_peer(fd)) return error;
    const linger at_once{1, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return ECONNREFUSED;
}

/// Waits until `fd` is connected, `limit` milliseconds at most. 0, or an errno: ETIMEDOUT ...
inline int wait_connected(const Fd& fd, std::int64_t limit) {
    for (const std::int64_t end = clock_ms() + limit;;) {
        pollfd polled{fd.get(), POLLOUT, 0};
        const auto left = std::max<std::int64_t>(0, end - clock_ms());
        const int ready = poll(&polled, 1, static_cast<int>(left));
        if (ready == 0) return ETIMEDOUT;
        const int error = ready == 1 ? connect_result(fd) : errno;
        char byte = 0;
        const bool has_spoken = error == ECONNRESET && recv(fd.get(), &byte, 1, MSG_PEEK) == 1;
        if (error == EPIPE || has_spoken) return 0;  // so that what the peer has said is read
        if (ready == 1 || error != EINTR) return error;
    }
}

}  // namespace tcp
