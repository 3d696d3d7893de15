// ntp/report.hpp: what ntp/client says in the end: a key and its value a line, for awk.
#pragma once

#include "../fd.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <string>

#include "packet.hpp"

namespace ntp {

/// "127.0.0.1:123", "[::1]:123".
inline std::string text_of(const addrinfo& address) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    const int error = getnameinfo(address.ai_addr, address.ai_addrlen, host, sizeof host, port,
                                  sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) return gai_strerror(error);
    return (address.ai_family == AF_INET6 ? '[' + std::string{host} + ']' : host) + ':' + port;
}

/// What one server had to say.
struct Report {
    std::string server;  ///< "127.0.0.1:123"
    int answers = 0;
    Sample best{};  ///< that of least delay
};

/// The report on a server that was asked `samples` times and has answered once at least. `now`: our
/// clock.
inline std::string text_of(const Report& report, int samples, Time now) {
    const Packet& answer = report.best.answer;
    const Difference offset = report.best.offset();
    const Time theirs = date(timestamp(now) + static_cast<Timestamp>(offset), now);
    return "server " + report.server + "\nstratum " + std::to_string(answer.stratum) + "\nleap " +
           std::to_string(answer.leap) + "\nrefid " + refid(answer) + "\ntime " + utc(theirs) +
           "\noffset " + seconds(offset) + "\ndelay " + seconds(report.best.delay()) +
           "\nsamples " + std::to_string(report.answers) + " of " + std::to_string(samples) + '\n';
}

}  // namespace ntp
