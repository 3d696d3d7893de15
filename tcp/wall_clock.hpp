// tcp/wall_clock.hpp: the time of day, for tcp/commands and tcp/web.
#pragma once

#include "../fd.hpp"

#include <ctime>

/// Seconds since 1970. Not time(2): that reads the clock of the last tick, up to 10 ms late
/// (CLOCK_REALTIME_COARSE in clock_gettime(2)), and can say a second that a client has already seen
/// end.
inline std::time_t wall_clock() {
    timespec time{};
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec;
}
