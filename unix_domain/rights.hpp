// unix_domain/rights.hpp: descriptors that travel with a message (SCM_RIGHTS).
//
// Beside its bytes a message may have control messages. They lie one behind the other in a buffer
// of ours, each with a header, a cmsghdr, and aligned: cmsg(3) has the macros that find them.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace unix_domain {

/// Room for a control message with one descriptor. CMSG_SPACE rounds up: on a 64-bit system there
/// is room for two.
struct Control {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))] = {};
};

/// Gives `message` the room of `control` for its control messages.
inline void set_control(msghdr& message, Control& control) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
}

/// Puts the descriptor `number` beside the bytes of `message`, by a control message in `control`.
inline void attach(int number, msghdr& message, Control& control) {
    set_control(message, control);
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof number);
    std::memcpy(CMSG_DATA(rights), &number, sizeof number);
}

/// As send(2), and the descriptor `file`, if there is one, goes with the first byte.
inline ssize_t send_with_file(const Fd& fd, std::string_view bytes, const Fd& file) {
    iovec data{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    Control control;
    if (file) attach(file.get(), message, control);
    return sendmsg(fd.get(), &message, 0);
}

/// The descriptors that recvmsg(2) has put into the control messages of `message`, in their order.
/// Each is open now, and the caller's to close. Reads nothing outside the control buffer, whatever
/// the lengths in it say. (CMSG_NXTHDR of cmsg(3) would do the steps; musl's does not compile
/// without a warning.)
inline std::vector<int> descriptors_in(const msghdr& message) {
    std::vector<int> found;
    const auto* const control = static_cast<const char*>(message.msg_control);
    const std::size_t end = message.msg_controllen;
    for (std::size_t start = 0, length = 0; start + CMSG_LEN(0) <= end;
         start += CMSG_SPACE(length - CMSG_LEN(0))) {
        cmsghdr header{};
        std::memcpy(&header, control + start, sizeof header);
        length = std::min<std::size_t>(header.cmsg_len, end - start);
        if (length < CMSG_LEN(0)) break;  // it would be its own successor
        if (header.cmsg_level != SOL_SOCKET || header.cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= length; at += sizeof(int)) {
            int number = -1;
            std::memcpy(&number, control + start + at, sizeof number);
            found.push_back(number);
        }
    }
    return found;
}

}  // namespace unix_domain
