// tcp/icmp.hpp: the words for the messages that a firewall may send, and for numbers that have
// none.
#include "../../tcp/icmp.hpp"

#include "catch.hpp"

TEST_CASE("IPv4: what nft's reject can send, by RFC 792 and RFC 1812") {
    CHECK(icmp_reason(Icmp::v4, 3, 0) == "network unreachable");
    CHECK(icmp_reason(Icmp::v4, 3, 1) == "host unreachable");
    CHECK(icmp_reason(Icmp::v4, 3, 2) == "protocol unreachable");
    CHECK(icmp_reason(Icmp::v4, 3, 3) == "port unreachable");
    CHECK(icmp_reason(Icmp::v4, 3, 9) == "network administratively prohibited");
    CHECK(icmp_reason(Icmp::v4, 3, 10) == "host administratively prohibited");
    CHECK(icmp_reason(Icmp::v4, 3, 13) == "administratively prohibited");
    CHECK(icmp_reason(Icmp::v4, 3, 15) == "precedence cutoff in effect");
}

TEST_CASE("IPv6: what nft's reject can send, by RFC 4443") {
    CHECK(icmp_reason(Icmp::v6, 1, 0) == "no route to destination");
    CHECK(icmp_reason(Icmp::v6, 1, 1) == "administratively prohibited");
    CHECK(icmp_reason(Icmp::v6, 1, 3) == "address unreachable");
    CHECK(icmp_reason(Icmp::v6, 1, 4) == "port unreachable");
    CHECK(icmp_reason(Icmp::v6, 1, 6) == "reject route to destination");
}

TEST_CASE("a loop of routes shows as time exceeded") {
    CHECK(icmp_reason(Icmp::v4, 11, 0) == "time exceeded");
    CHECK(icmp_reason(Icmp::v6, 3, 0) == "time exceeded");
}

TEST_CASE("what has no word keeps its numbers") {
    CHECK(icmp_reason(Icmp::v4, 3, 16) == "ICMP type 3 code 16");
    CHECK(icmp_reason(Icmp::v4, 12, 1) == "ICMP type 12 code 1");
    CHECK(icmp_reason(Icmp::v6, 1, 7) == "ICMP type 1 code 7");
}
