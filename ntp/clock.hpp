// ntp/clock.hpp: our own clock, to read and to wait by; and when the kernel saw a packet come in.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <optional>

#include "../server.hpp"
#include "packet.hpp"

namespace ntp {

/// The date that the system calls so. Its seconds have 64 bits on every system: see fd.hpp.
inline Time time_of(const timespec& time) {
    return Time{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
}

/// Our clock, now. Not std::chrono::system_clock::now(): that stands in the C++ library, which a
/// 32-bit system may have built with dates of 32 bits, and then it fails in 2038. On macOS it knows
/// no nanoseconds.
inline Time now() {
    timespec time{};
    clock_gettime(CLOCK_REALTIME, &time);
    return time_of(time);
}

/// Seconds as milliseconds, rounded up.
inline std::int64_t milliseconds(double seconds) {
    return static_cast<std::int64_t>(std::ceil(seconds * 1000));
}

/// Sleeps until `then`, by clock_ms().
inline void sleep_until(std::int64_t then) {
    for (;;) {
        const std::int64_t left = then - clock_ms();
        if (left <= 0) return;
        const timespec time{static_cast<std::time_t>(left / 1000),
                            static_cast<long>(left % 1000) * 1'000'000};
        nanosleep(&time, nullptr);  // a signal may wake us early
    }
}

/// Asks the kernel to note when a packet comes in: in nanoseconds on Linux, in microseconds on the
/// BSDs and macOS. If it fails, our own clock will do.
inline void ask_for_stamps(const Fd& fd) {
#ifdef SO_TIMESTAMPNS
    const int option = SO_TIMESTAMPNS;
#else
    const int option = SO_TIMESTAMP;
#endif
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, option, &on, sizeof on);
}

/// Room for the control message that a stamp comes in.
struct StampControl {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(timespec))];
};

/// The kernel's note, out of what recvmsg(2) has put into `message`; nothing when it made none. We
/// ask for nothing else, so no other control message stands before it.
inline std::optional<Time> stamp_in(const msghdr& message) {
    const cmsghdr* const part = CMSG_FIRSTHDR(&message);
    if (part == nullptr || part->cmsg_level != SOL_SOCKET) return {};
#ifdef SO_TIMESTAMPNS
    timespec time{};
    if (part->cmsg_type != SCM_TIMESTAMPNS) return {};
    std::memcpy(&time, CMSG_DATA(part), sizeof time);
#else
    timeval microseconds{};
    if (part->cmsg_type != SCM_TIMESTAMP) return {};
    std::memcpy(&microseconds, CMSG_DATA(part), sizeof microseconds);
    const timespec time{microseconds.tv_sec, microseconds.tv_usec * 1000L};
#endif
    return time_of(time);
}

}  // namespace ntp
