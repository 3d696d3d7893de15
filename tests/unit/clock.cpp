// ntp/clock.hpp and ntp/report.hpp: dates of the system's clock, the kernel's stamp, the report.
#include "../../ntp/clock.hpp"

#include "../../ntp/report.hpp"
#include "catch.hpp"

using namespace std::chrono_literals;

namespace {

/// The stamp in a message whose control messages are one, of that type, with `data` in it.
template <typename Data>
std::optional<ntp::Time> stamp_in(int type, const Data& data) {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(Data))] = {};
    msghdr message{};
    message.msg_control = bytes;
    message.msg_controllen = sizeof bytes;
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = type;
    part->cmsg_len = CMSG_LEN(sizeof data);
    std::memcpy(CMSG_DATA(part), &data, sizeof data);
    return ntp::stamp_in(message);
}

}  // namespace

TEST_CASE("a date of the system's clock is the same date, in 2085 too") {
    CHECK(ntp::time_of({0, 1}).time_since_epoch() == 1ns);
    CHECK(ntp::time_of({3'629'000'000, 5}).time_since_epoch() == 3'629'000'000s + 5ns);
    CHECK(ntp::utc(ntp::time_of({3'629'000'000, 0})) == "2084-12-30T07:33:20.000000Z");
}

TEST_CASE("our clock goes on, and its date is the system's") {
    const ntp::Time before = ntp::now();
    const auto library =
        std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
    CHECK(std::chrono::abs(library - before) < 60s);
    CHECK(ntp::now() >= before);
}

TEST_CASE("seconds are milliseconds, rounded up") {
    CHECK(ntp::milliseconds(0) == 0);
    CHECK(ntp::milliseconds(0.001) == 1);
    CHECK(ntp::milliseconds(0.2501) == 251);
    CHECK(ntp::milliseconds(86400) == 86'400'000);
}

TEST_CASE("the kernel's stamp is found, and nothing else is taken for one") {
#ifdef SO_TIMESTAMPNS
    const timespec date{3'629'000'000, 123'456'789};
    CHECK(stamp_in(SCM_TIMESTAMPNS, date) == ntp::time_of(date));
#else
    const timeval date{3'629'000'000, 123'456};
    CHECK(stamp_in(SCM_TIMESTAMP, date) == ntp::time_of({3'629'000'000, 123'456'000}));
#endif
    CHECK_FALSE(stamp_in(SCM_RIGHTS, 4));
    msghdr nothing{};
    CHECK_FALSE(ntp::stamp_in(nothing));
}

TEST_CASE("the report has a key and a value a line") {
    ntp::Report report{"[::1]:123", 3, {}};
    report.best.answer = {.leap = 1,
                          .version = 4,
                          .mode = 4,
                          .stratum = 1,
                          .refid = 0x47505300,
                          .receive = ntp::Timestamp{5} << 32,
                          .transmit = ntp::Timestamp{5} << 32};
    report.best.sent = report.best.received = ntp::Timestamp{3} << 32;
    CHECK(ntp::text_of(report, 4, ntp::time_of({3'629'000'000, 0})) ==
          "server [::1]:123\nstratum 1\nleap 1\nrefid .GPS.\ntime 2084-12-30T07:33:22.000000Z\n"
          "offset +2.000000000 s\ndelay +0.000000000 s\nsamples 3 of 4\n");
}
