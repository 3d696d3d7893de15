// tcp/icmp.hpp: what the ICMP messages that reject a connection say, in words.
//
// Numbers: RFC 792 and RFC 1812 5.2.7.1 (IPv4), RFC 4443 3.1 (IPv6). Rejected by a firewall, a SYN
// meets one of the "administratively prohibited", or "port unreachable", as if the firewall were
// the machine itself.
#pragma once

#include <cstdint>
#include <iterator>
#include <string>

enum class Icmp { v4, v6 };

/// The meaning of an error message's `type` and `code`: "port unreachable".
inline std::string icmp_reason(Icmp version, std::uint8_t type, std::uint8_t code) {
    static constexpr const char* unreachable_v4[] = {
        "network unreachable",  // 0
        "host unreachable",
        "protocol unreachable",
        "port unreachable",
        "fragmentation needed",  // 4
        "source route failed",
        "network unknown",
        "host unknown",
        "source host isolated",  // 8
        "network administratively prohibited",
        "host administratively prohibited",
        "network unreachable for this type of service",
        "host unreachable for this type of service",  // 12
        "administratively prohibited",
        "host precedence violation",
        "precedence cutoff in effect",
    };
    static constexpr const char* unreachable_v6[] = {
        "no route to destination",  // 0
        "administratively prohibited",
        "beyond scope of source address",
        "address unreachable",
        "port unreachable",  // 4
        "source address failed policy",
        "reject route to destination",
    };
    const bool v4 = version == Icmp::v4;
    if (v4 && type == 3 && code < std::size(unreachable_v4)) return unreachable_v4[code];
    if (!v4 && type == 1 && code < std::size(unreachable_v6)) return unreachable_v6[code];
    if (type == (v4 ? 11 : 3)) return "time exceeded";
    return "ICMP type " + std::to_string(type) + " code " + std::to_string(code);
}
