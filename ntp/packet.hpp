// ntp/packet.hpp: the Network Time Protocol as a client needs it, without a socket in sight.
//
//     client's clock   T1 sent ---------------------+          +--> T4 received
//                              \  request (48 bytes) \        /  answer (48 bytes)
//     server's clock            +--> T2 received ---- think -+ T3 sent
//
//     offset = ((T2 - T1) + (T3 - T4)) / 2      how far the server's clock is ahead of ours
//     delay  =  (T4 - T1) - (T3 - T2)           what the network took, there and back
//
// The offset is exact when both ways took the same time, and wrong by at most half the delay when
// they did not. Sources: RFC 5905 (NTP version 4), RFC 4330 (what a simple client has to check).
#pragma once

#include "../fd.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace ntp {

// ---- Timestamps ------------------------------------------------

/// A date: seconds since 1900-01-01 00:00 UTC, modulo 2^32, in the high half; 2^-32 s (233 ps) in
/// the low half (RFC 5905, section 6). It overflows every 136 years, on 2036-02-07 06:28:16 UTC
/// first: by itself it does not say in which era it lies, so no two are ever compared with `<`,
/// only subtracted.
using Timestamp = std::uint64_t;

/// A difference of two timestamps, in 2^-32 s. Right whenever the two dates are less than 68 years
/// (2^31 s) apart, in one era or in two.
using Difference = std::int64_t;

/// A date of the system's clock. Its epoch is 1970; with nanoseconds in 64 bits it lasts until
/// 2262.
using Time = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// a - b: the subtraction wraps around as the timestamps themselves do.
constexpr Difference difference(Timestamp a, Timestamp b) {
    return static_cast<Difference>(a - b);
}

/// The same length of time in nanoseconds, rounded.
constexpr std::chrono::nanoseconds nanoseconds(Difference d) {
    const std::int64_t seconds = d >> 32;  // rounded down, so that the rest is never negative
    const std::int64_t rest = d & 0xffffffff;
    return std::chrono::seconds{seconds} +
           std::chrono::nanoseconds{(rest * 1'000'000'000 + (1LL << 31)) >> 32};
}

/// The date `time`, with its era forgotten.
constexpr Timestamp timestamp(Time time) {
    constexpr std::uint64_t from_1900_to_1970 = 2'208'988'800;  // s: 70 years, 17 leap years
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = static_cast<std::uint64_t>((time - seconds).count());
    const auto count =
        static_cast<std::uint64_t>(seconds.time_since_epoch().count()) + from_1900_to_1970;
    return (count << 32) + ((rest << 32) + 500'000'000) / 1'000'000'000;
}

/// The date that `t` stands for: of the one in each era, the one nearest to `pivot`, a date that we
/// are sure of to 68 years. Our own clock will do, wrong as it may be (RFC 4330, section 3, guesses
/// by the top bit instead, and so is right from 1968 to 2104 only).
constexpr Time date(Timestamp t, Time pivot) {
    return pivot + nanoseconds(difference(t, timestamp(pivot)));
}

// ---- The packet ------------------------------------------------

/// The header of every NTP packet, in the order of the wire (RFC 5905, section 7.3, where no other
/// is named).
struct Packet {
    /// In bytes. Extension fields and a MAC may follow, and are not for us.
    static constexpr std::size_t size = 48;

    /// Figure 9. 1 and 2: the month ends on a minute of 61 s or 59 s; 3: not synchronised.
    std::uint8_t leap = 0;
    std::uint8_t version = 0;  ///< ours is 4
    std::uint8_t mode = 0;     ///< figure 10: 3 is a client's packet, 4 a server's
    /// Figure 11. 1 has a reference clock, n asks an n - 1, 16 knows none. 0: section 7.4.
    std::uint8_t stratum = 0;
    std::int8_t poll = 0;               ///< log2 s: the interval between requests
    std::int8_t precision = 0;          ///< log2 s, of the clock: -20 is about 1 us
    std::uint32_t root_delay = 0;       ///< 2^-16 s (section 6): to the reference clock and back
    std::uint32_t root_dispersion = 0;  ///< 2^-16 s (section 6): what the time may have lost on it
    /// Letters in stratum 1 and 0 (figures 12 and 13); else the IPv4 address of the source.
    std::uint32_t refid = 0;
    Timestamp reference = 0;  ///< when the clock was last set
    Timestamp origin = 0;     ///< the request's `transmit`, whatever that was (section 8)
    Timestamp receive = 0;    ///< T2
    Timestamp transmit = 0;   ///< T3
};

/// The first 48 bytes of a datagram, which has at least as many.
inline Packet decode(std::string_view bytes) {
    const auto take = [&bytes](std::size_t count) {  // the next `count` bytes, big-endian
        std::uint64_t value = 0;
        for (const char byte : bytes.substr(0, count))
            value = value << 8 | static_cast<unsigned char>(byte);
        bytes.remove_prefix(count);
        return value;
    };
    Packet packet;
    const auto first = static_cast<unsigned>(take(1));
    packet.leap = static_cast<std::uint8_t>(first >> 6);
    packet.version = first >> 3 & 7;
    packet.mode = first & 7;
    packet.stratum = static_cast<std::uint8_t>(take(1));
    packet.poll = static_cast<std::int8_t>(take(1));
    packet.precision = static_cast<std::int8_t>(take(1));
    packet.root_delay = static_cast<std::uint32_t>(take(4));
    packet.root_dispersion = static_cast<std::uint32_t>(take(4));
    packet.refid = static_cast<std::uint32_t>(take(4));
    packet.reference = take(8);
    packet.origin = take(8);
    packet.receive = take(8);
    packet.transmit = take(8);
    return packet;
}

/// The packet as it goes over the wire.
inline std::array<char, Packet::size> encode(const Packet& packet) {
    std::array<char, Packet::size> bytes{};
    std::size_t at = 0;
    const auto put = [&](std::uint64_t value, int count) {
        while (count-- > 0) bytes[at++] = static_cast<char>(value >> (8 * count));
    };
    put(static_cast<unsigned>(packet.leap << 6 | packet.version << 3 | packet.mode), 1);
    put(packet.stratum, 1);
    put(static_cast<std::uint8_t>(packet.poll), 1);
    put(static_cast<std::uint8_t>(packet.precision), 1);
    put(packet.root_delay, 4);
    put(packet.root_dispersion, 4);
    put(packet.refid, 4);
    put(packet.reference, 8);
    put(packet.origin, 8);
    put(packet.receive, 8);
    put(packet.transmit, 8);
    return bytes;
}

// ---- One question, one answer ----------------------------------

/// What we noted of the exchange on our own clock, and the answer. T1 is not the request's
/// `transmit`. That is a random cookie, which the server sends back as it came. What nobody can
/// guess, nobody can answer in its place (draft-ietf-ntp-data-minimization).
struct Sample {
    Timestamp sent = 0;      ///< T1
    Timestamp received = 0;  ///< T4
    Packet answer{};

    /// What the network took, there and back (RFC 5905, section 8). Below zero when a clock was set
    /// in between.
    [[nodiscard]] constexpr Difference delay() const {
        return difference(received - sent, answer.transmit - answer.receive);
    }
    /// How far the server's clock is ahead of ours: ((T2 - T1) + (T3 - T4)) / 2 (RFC 5905, section
    /// 8), put so that no sum overflows, however far apart the clocks.
    [[nodiscard]] constexpr Difference offset() const {
        return difference(answer.receive - sent, static_cast<Timestamp>(delay() / 2));
    }
    /// The most by which the offset is wrong: half the size of the delay (one below zero is as bad
    /// as a long one).
    [[nodiscard]] constexpr std::chrono::nanoseconds error() const {
        return std::chrono::abs(nanoseconds(delay())) / 2;
    }
};

/// What becomes of an answer: it is taken, or refused for the first of these reasons that holds.
enum class Verdict {
    accepted,
    /// No NTP packet has less than 48 bytes.
    too_short,
    /// Mode 4 is a server's (RFC 4330, section 5). 3 would be our own packet, sent back to us.
    not_a_server,
    /// 1 to 4 have this layout. What was before them (RFC 958) had another.
    unknown_version,
    /// Late, a duplicate, replayed or forged: the origin is not our cookie (RFC 5905, section 8).
    not_our_request,
    /// Stratum 0: go away, and the refid says why (RFC 5905, section 7.4).
    kiss_of_death,
    /// Leap 3, stratum 16 or over, or 0 without a code: it does not know the time, and says so.
    not_synchronised,
    /// A timestamp of 0 is an unknown date (RFC 5905, section 6; RFC 4330, section 5).
    zero_transmit,
    zero_receive,
    /// T2 after T3: its clock was set in between, or it lies.
    receive_after_transmit,
    /// It may itself be wrong by more than max_distance.
    too_far,
};

/// RFC 5905's MAXDIST (appendix A.1.1): one second, in 2^-16 s. The root distance is the most by
/// which the server's own clock may be wrong: half of what the way to the reference clock takes,
/// and what may have been lost on it. The same RFC lets a packet pass up to MAXDISP, 16 s, and ntpd
/// up to 1.5 s. That is a lot, for one who wants to know the time.
inline constexpr std::uint32_t max_distance = 1 << 16;

/// Judges a datagram as the answer to the request that carried `cookie`, and fills `sample.answer`
/// with it. The order matters: a packet without our cookie may not even tell us to go away, and a
/// kiss says more than its leap of 3.
inline Verdict judge(std::string_view datagram, Timestamp cookie, Sample& sample) {
    if (datagram.size() < Packet::size) return Verdict::too_short;
    sample.answer = decode(datagram);
    const Packet& answer = sample.answer;
    if (answer.mode != 4) return Verdict::not_a_server;
    if (answer.version < 1 || answer.version > 4) return Verdict::unknown_version;
    if (answer.origin != cookie) return Verdict::not_our_request;
    if (answer.stratum == 0 && answer.refid != 0) return Verdict::kiss_of_death;
    if (answer.leap == 3 || answer.stratum == 0 || answer.stratum > 15)
        return Verdict::not_synchronised;
    if (answer.transmit == 0) return Verdict::zero_transmit;
    if (answer.receive == 0) return Verdict::zero_receive;
    if (difference(answer.transmit, answer.receive) < 0) return Verdict::receive_after_transmit;
    if (std::uint64_t{answer.root_delay} / 2 + answer.root_dispersion > max_distance)
        return Verdict::too_far;
    return Verdict::accepted;
}

// ---- As text ---------------------------------------------------

/// The up to four letters of a kiss code or of a kind of clock. What is no visible ASCII is shown
/// as `?`: it is a stranger's text, on our terminal.
inline std::string letters(std::uint32_t refid) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) {
        const auto letter = static_cast<char>(refid >> shift & 0xff);
        if (letter != '\0') text += letter > ' ' && letter < '\x7f' ? letter : '?';
    }
    return text;
}

/// A refid as ntpq -p shows it: `.GPS.`, the kind of clock (stratum 1), or `192.0.2.1`, the
/// server's own server (of an IPv6 one it is the first bytes of a hash, shown like that too).
inline std::string refid(const Packet& packet) {
    if (packet.stratum < 2) return '.' + letters(packet.refid) + '.';
    const auto byte = [&](int shift) { return std::to_string(packet.refid >> shift & 0xff); };
    return byte(24) + '.' + byte(16) + '.' + byte(8) + '.' + byte(0);
}

/// The verdict in words.
inline std::string reason(Verdict verdict, const Packet& answer) {
    switch (verdict) {
        case Verdict::accepted:
            return "accepted";
        case Verdict::too_short:
            return "answer too short";
        case Verdict::not_a_server:
            return "mode " + std::to_string(answer.mode) + ", not a server's 4";
        case Verdict::unknown_version:
            return "unknown version " + std::to_string(answer.version);
        case Verdict::not_our_request:
            return "origin timestamp of another request";
        case Verdict::kiss_of_death:
            return "kiss of death: " + letters(answer.refid);
        case Verdict::not_synchronised:
            return "server not synchronised";
        case Verdict::zero_transmit:
            return "zero transmit timestamp";
        case Verdict::zero_receive:
            return "zero receive timestamp";
        case Verdict::receive_after_transmit:
            return "receive timestamp after transmit timestamp";
        case Verdict::too_far:
            return "root distance over 1 s";
    }
    return {};
}

/// "+0.000012345 s".
inline std::string seconds(Difference d) {
    const auto ns = nanoseconds(d).count();
    char text[32];
    std::snprintf(text, sizeof text, "%c%lld.%09lld s", ns < 0 ? '-' : '+',
                  std::abs(ns / 1'000'000'000LL), std::abs(ns % 1'000'000'000LL));
    return text;
}

/// RFC 3339, UTC, microseconds: "2036-02-07T06:28:16.000000Z".
inline std::string utc(Time time) {
    const auto midnight = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{midnight};
    const auto us = std::chrono::floor<std::chrono::microseconds>(time - midnight).count();
    const auto seconds = static_cast<int>(us / 1'000'000);  // of the day
    char text[40];
    std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", int{date.year()},
                  unsigned{date.month()}, unsigned{date.day()}, seconds / 3600, seconds / 60 % 60,
                  seconds % 60, static_cast<int>(us % 1'000'000));
    return text;
}

}  // namespace ntp
