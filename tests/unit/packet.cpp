// ntp/packet.hpp: timestamps, eras, the arithmetic, and each reason to refuse an answer.
#include "../../ntp/packet.hpp"

#include <filesystem>
#include <fstream>
#include <map>

#include "catch.hpp"

// Its name is every fuzzer's, and can be defined once in a program.
#define LLVMFuzzerTestOneInput fuzz_ntp
#include "../fuzz/ntp.cpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using ntp::Difference;
using ntp::Packet;
using ntp::Sample;
using ntp::Time;
using ntp::Timestamp;
using ntp::Verdict;

namespace {

constexpr Timestamp second = Timestamp{1} << 32;
constexpr Timestamp half = second / 2;

Time day(int year, unsigned month, unsigned of_month) {
    return std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) /
                                 static_cast<int>(of_month)};
}

const Time new_era = day(2036, 2, 7) + 6h + 28min + 16s;
const Time long_ago = day(2026, 11, 22);

}  // namespace

// ---- Timestamps: the dates are those of RFC 5905, figure 4 -----

TEST_CASE("a date becomes its seconds since 1900, and a new era starts in 2036") {
    CHECK(ntp::timestamp(day(1900, 1, 1)) == 0);
    CHECK(ntp::timestamp(day(1970, 1, 1)) == 2'208'988'800 * second);
    CHECK(ntp::timestamp(day(1972, 1, 1)) == 2'272'060'800 * second);
    CHECK(ntp::timestamp(day(1999, 12, 31)) == 3'155'587'200 * second);
    CHECK(ntp::timestamp(new_era) == 0);
    CHECK(ntp::timestamp(day(2036, 2, 8)) == 63'104 * second);
}

TEST_CASE("the fraction is in 2^-32 s, in a date before 1970 too") {
    CHECK(ntp::timestamp(new_era - 500ms) == 0xffffffff'80000000);
    CHECK(ntp::timestamp(new_era + 250ms) == 0x00000000'40000000);
    CHECK(ntp::timestamp(new_era + 1ns) == 4);  // 4.29 of them
    CHECK(ntp::timestamp(day(1970, 1, 1) - 250ms) == 2'208'988'800 * second - half / 2);
}

TEST_CASE("a difference is in nanoseconds what it is in 2^-32 s, rounded, on both sides of zero") {
    CHECK(ntp::nanoseconds(0) == 0ns);
    CHECK(ntp::nanoseconds(Difference{second}) == 1s);
    CHECK(ntp::nanoseconds(-Difference{half}) == -500ms);
    CHECK(ntp::nanoseconds(4) == 1ns);  // 0.93 ns
    CHECK(ntp::nanoseconds(2) == 0ns);  // 0.47 ns
    CHECK(ntp::nanoseconds(-4) == -1ns);
    CHECK(ntp::nanoseconds(INT64_MAX) == 2'147'483'648s);
    CHECK(ntp::nanoseconds(INT64_MIN) == -2'147'483'648s);
}

TEST_CASE("a difference across the change of era is as small as it is") {
    CHECK(ntp::difference(half, 0 - half) == Difference{second});
    CHECK(ntp::difference(0 - half, half) == -Difference{second});
}

TEST_CASE("a nanosecond there and back is the same nanosecond") {
    for (const Time time : {long_ago, long_ago + 1ns, long_ago + 999'999'999ns, new_era - 1ns,
                            new_era, new_era + 1ns})
        CHECK(ntp::date(ntp::timestamp(time), long_ago) == time);
}

// ---- Eras ------------------------------------------------------

TEST_CASE("a timestamp is the date nearest to the pivot") {
    for (const Time pivot :
         {day(1990, 1, 1), long_ago, new_era - 1s, new_era, day(2037, 1, 1), day(2085, 1, 1)})
        for (const Time time :
             {day(2022, 1, 1), long_ago, new_era - 1s, new_era, new_era + 1s, day(2037, 6, 1)})
            CHECK(ntp::date(ntp::timestamp(time), pivot) == time);
}

TEST_CASE(
    "68 years from the pivot is near enough, in both directions; one second more is another era") {
    constexpr auto years = 2'147'483'648s;  // 2^31 s
    constexpr auto era = 4'294'967'296s;
    CHECK(ntp::date(ntp::timestamp(long_ago + years - 1s), long_ago) == long_ago + years - 1s);
    CHECK(ntp::date(ntp::timestamp(long_ago - years + 1s), long_ago) == long_ago - years + 1s);
    CHECK(ntp::date(ntp::timestamp(long_ago + years + 1s), long_ago) ==
          long_ago + years + 1s - era);
}

// ---- Offset and delay ------------------------------------------

namespace {

/// The sample that two clocks, the server's ahead by `ahead`, make of an exchange that takes
/// `there`, `hold`, `back`.
Sample exchange(Time start, Time::duration ahead, Time::duration there, Time::duration hold,
                Time::duration back) {
    Sample sample{ntp::timestamp(start), ntp::timestamp(start + there + hold + back), {}};
    sample.answer.receive = ntp::timestamp(start + ahead + there);
    sample.answer.transmit = ntp::timestamp(start + ahead + there + hold);
    return sample;
}

/// Equal but for what rounding to 2^-32 s does.
bool near(Difference d, std::chrono::nanoseconds expected) {
    return std::chrono::abs(ntp::nanoseconds(d) - expected) <= 1ns;
}

}  // namespace

TEST_CASE("four timestamps give offset and delay") {
    // By hand: T1 10.0, T2 15.1, T3 15.2, T4 10.3: offset ((5.1) + (4.9)) / 2 = 5.0, delay 0.3 -
    // 0.1 = 0.2.
    const auto at = [](int tenths) { return static_cast<Timestamp>(tenths) * second / 10; };
    Sample sample{at(100), at(103), {}};
    sample.answer.receive = at(151);
    sample.answer.transmit = at(152);
    CHECK(near(sample.offset(), 5s));
    CHECK(near(sample.delay(), 200ms));
}

TEST_CASE(
    "when both ways take the same time the offset is exact, wherever in the eras the two clocks "
    "are") {
    for (const Time start :
         {long_ago, new_era - 2s, new_era - 1s, new_era, day(2037, 1, 1), day(2085, 1, 1)})
        for (const auto ahead :
             {Time::duration{0}, Time::duration{1s}, Time::duration{-1s}, Time::duration{1ms},
              Time::duration{day(2085, 1, 1) - long_ago}, Time::duration{long_ago - new_era},
              Time::duration{2'147'483'000s}, Time::duration{-2'147'483'000s}}) {
            const Sample sample = exchange(start, ahead, 300ms, 900ms, 300ms);
            CHECK(near(sample.offset(), ahead));
            CHECK(near(sample.delay(), 600ms));
        }
}

TEST_CASE(
    "when all of the delay is on one way the offset is wrong by half of it, and no more is "
    "possible") {
    CHECK(near(exchange(long_ago, 5s, 200ms, 1ms, 0ms).offset(), 5s + 100ms));
    CHECK(near(exchange(long_ago, 5s, 0ms, 1ms, 200ms).offset(), 5s - 100ms));
}

TEST_CASE("the error is half the delay, and a delay below zero is no small one") {
    CHECK(exchange(long_ago, 5s, 200ms, 1ms, 100ms).error() == 150ms);
    CHECK(exchange(long_ago, 5s, -500ms, 1ms, 300ms).error() == 100ms);
    CHECK(Sample{1, 0, {.receive = 5, .transmit = (Timestamp{1} << 63) + 4}}.error() ==
          1'073'741'824s);
}

TEST_CASE("no timestamps, however absurd, overflow") {
    for (const Timestamp a :
         {Timestamp{0}, ~Timestamp{0}, Timestamp{1} << 63, (Timestamp{1} << 63) - 1})
        for (const Timestamp b :
             {Timestamp{0}, ~Timestamp{0}, Timestamp{1} << 63, (Timestamp{1} << 63) - 1}) {
            Sample sample{a, b, {}};
            sample.answer.receive = b;
            sample.answer.transmit = a;
            const auto sum = (b - a) + (a - b);  // (T2 - T1) + (T3 - T4), modulo 2^64
            CHECK(2 * static_cast<Timestamp>(sample.offset()) - sum + 1 <= 2);
        }
}

// ---- The packet ------------------------------------------------

TEST_CASE("a request is 48 bytes: version 4, mode 3, the transmit timestamp, and zeros") {
    std::string expected(48, '\0');
    expected[0] = 0x23;
    expected.replace(40, 8, "\x01\x23\x45\x67\x89\xab\xcd\xef");
    const auto bytes = ntp::encode({.version = 4, .mode = 3, .transmit = 0x0123456789abcdef});
    CHECK(std::string(bytes.data(), bytes.size()) == expected);
}

TEST_CASE("each field is read from its place, and what follows the 48 bytes is not") {
    const std::string bytes =
        "\x5c\x02\x06\xe8\x00\x00\x12\x34\x00\x00\x56\x78\xc0\x00\x02\x01"
        "\xe0\x00\x00\x00\x00\x00\x00\x01\xe1\x00\x00\x00\x00\x00\x00\x02"
        "\xe2\x00\x00\x00\x00\x00\x00\x03\xe3\x00\x00\x00\x00\x00\x00\x04 and more"s;
    const Packet packet = ntp::decode(bytes);
    CHECK(packet.leap == 1);
    CHECK(packet.version == 3);
    CHECK(packet.mode == 4);
    CHECK(packet.stratum == 2);
    CHECK(packet.poll == 6);
    CHECK(packet.precision == -24);
    CHECK(packet.root_delay == 0x1234);
    CHECK(packet.root_dispersion == 0x5678);
    CHECK(packet.refid == 0xc0000201);
    CHECK(packet.reference == 0xe000000000000001);
    CHECK(packet.origin == 0xe100000000000002);
    CHECK(packet.receive == 0xe200000000000003);
    CHECK(packet.transmit == 0xe300000000000004);
    const auto again = ntp::encode(packet);
    CHECK(std::string(again.data(), again.size()) == bytes.substr(0, 48));
}

// ---- The verdict -----------------------------------------------

namespace {

constexpr Timestamp cookie = 0x0123456789abcdef;

/// What a good server says; each test spoils it.
Packet good() {
    return {.version = 4,
            .mode = 4,
            .stratum = 2,
            .refid = 0xc0000201,
            .origin = cookie,
            .receive = 0xee00000000000000,
            .transmit = 0xee00000000000001};
}

Verdict verdict_on(const Packet& packet) {
    const auto bytes = ntp::encode(packet);
    Sample sample{0xee00000000000000, 0xee00000000000002, {}};
    return ntp::judge({bytes.data(), bytes.size()}, cookie, sample);
}

/// The same, with one change.
template <typename Field, typename Value>
Verdict verdict_with(Field Packet::*field, Value value) {
    Packet packet = good();
    packet.*field = static_cast<Field>(value);
    return verdict_on(packet);
}

constexpr std::uint32_t code(const char (&letters)[5]) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(letters[i]);
    return value;
}

}  // namespace

TEST_CASE("a good answer is accepted, with extension fields and a MAC after it too") {
    Sample sample;
    const auto bytes = ntp::encode(good());
    CHECK(verdict_on(good()) == Verdict::accepted);
    CHECK(ntp::judge(std::string(bytes.data(), bytes.size()) + std::string(28 + 20, 'x'), cookie,
                     sample) == Verdict::accepted);
    CHECK(sample.answer.stratum == 2);
}

TEST_CASE("less than 48 bytes are no answer") {
    const std::string bytes(48, '\0');
    Sample sample;
    for (std::size_t size = 0; size < 48; ++size)
        CHECK(ntp::judge(bytes.substr(0, size), cookie, sample) == Verdict::too_short);
}

TEST_CASE("every mode but a server's is refused") {
    for (int mode = 0; mode < 8; ++mode)
        CHECK(verdict_with(&Packet::mode, mode) ==
              (mode == 4 ? Verdict::accepted : Verdict::not_a_server));
}

TEST_CASE("versions 1 to 4 are read") {
    for (int version = 0; version < 8; ++version)
        CHECK(verdict_with(&Packet::version, version) ==
              (version >= 1 && version <= 4 ? Verdict::accepted : Verdict::unknown_version));
}

TEST_CASE("an answer to another request is refused, and so is one to none") {
    CHECK(verdict_with(&Packet::origin, cookie + 1) == Verdict::not_our_request);
    CHECK(verdict_with(&Packet::origin, 0) == Verdict::not_our_request);
}

TEST_CASE("stratum 0 is a kiss of death, whatever else the packet says, but for whom it answers") {
    Packet kiss{
        .leap = 3, .version = 4, .mode = 4, .stratum = 0, .refid = code("RATE"), .origin = cookie};
    CHECK(verdict_on(kiss) == Verdict::kiss_of_death);
    kiss.origin = 0;
    CHECK(verdict_on(kiss) == Verdict::not_our_request);
}

TEST_CASE("a server that is not synchronised says so by its leap or its stratum") {
    CHECK(verdict_with(&Packet::leap, 3) == Verdict::not_synchronised);
    CHECK(verdict_with(&Packet::leap, 2) == Verdict::accepted);
    CHECK(verdict_with(&Packet::stratum, 15) == Verdict::accepted);
    CHECK(verdict_with(&Packet::stratum, 16) == Verdict::not_synchronised);
    CHECK(verdict_with(&Packet::stratum, 255) == Verdict::not_synchronised);
    CHECK(verdict_on({.leap = 3, .version = 4, .mode = 4, .origin = cookie}) ==
          Verdict::not_synchronised);
}

TEST_CASE("a timestamp of zero is no time, in any era") {
    CHECK(verdict_with(&Packet::transmit, 0) == Verdict::zero_transmit);
    for (const Timestamp transmit : {good().transmit, Timestamp{1} << 32}) {
        Packet answer = good();
        answer.receive = 0;
        answer.transmit = transmit;
        CHECK(verdict_on(answer) == Verdict::zero_receive);
    }
}

TEST_CASE("an answer sent before its request came in is refused, across the change of era too") {
    CHECK(verdict_with(&Packet::transmit, good().receive - 1) == Verdict::receive_after_transmit);
    CHECK(verdict_with(&Packet::transmit, good().receive) == Verdict::accepted);
    Packet turn = good();
    turn.receive = ~Timestamp{0};
    turn.transmit = 1;
    CHECK(verdict_on(turn) == Verdict::accepted);
    std::swap(turn.receive, turn.transmit);
    CHECK(verdict_on(turn) == Verdict::receive_after_transmit);
}

TEST_CASE("the root distance, half the delay and the dispersion, may be one second") {
    CHECK(verdict_with(&Packet::root_dispersion, 0x10000) == Verdict::accepted);
    CHECK(verdict_with(&Packet::root_dispersion, 0x10001) == Verdict::too_far);
    CHECK(verdict_with(&Packet::root_delay, 0x20000) == Verdict::accepted);
    CHECK(verdict_with(&Packet::root_delay, 0x20002) == Verdict::too_far);
    CHECK(verdict_with(&Packet::root_dispersion, 0xffffffff) == Verdict::too_far);
    Packet both = good();
    both.root_delay = 0x10000;
    both.root_dispersion = 0x8001;
    CHECK(verdict_on(both) == Verdict::too_far);
    both.root_delay = both.root_dispersion = 0xffffffff;
    CHECK(verdict_on(both) == Verdict::too_far);
}

TEST_CASE("each refusal has its name") {
    const Packet answer{.version = 7, .mode = 5, .refid = code("DENY")};
    CHECK(ntp::reason(Verdict::too_short, answer) == "answer too short");
    CHECK(ntp::reason(Verdict::not_a_server, answer) == "mode 5, not a server's 4");
    CHECK(ntp::reason(Verdict::unknown_version, answer) == "unknown version 7");
    CHECK(ntp::reason(Verdict::not_our_request, answer) == "origin timestamp of another request");
    CHECK(ntp::reason(Verdict::kiss_of_death, answer) == "kiss of death: DENY");
    CHECK(ntp::reason(Verdict::not_synchronised, answer) == "server not synchronised");
    CHECK(ntp::reason(Verdict::zero_transmit, answer) == "zero transmit timestamp");
    CHECK(ntp::reason(Verdict::zero_receive, answer) == "zero receive timestamp");
    CHECK(ntp::reason(Verdict::receive_after_transmit, answer) ==
          "receive timestamp after transmit timestamp");
    CHECK(ntp::reason(Verdict::too_far, answer) == "root distance over 1 s");
}

// ---- As text ---------------------------------------------------

TEST_CASE("a refid is letters in stratum 1, and an address below it") {
    CHECK(ntp::refid({.stratum = 1, .refid = 0x47505300}) == ".GPS.");
    CHECK(ntp::refid({.stratum = 1, .refid = code("GOES")}) == ".GOES.");
    CHECK(ntp::refid({.stratum = 2, .refid = 0xc00002fe}) == "192.0.2.254");
    CHECK(ntp::refid({.stratum = 15, .refid = 0x7f7f0101}) == "127.127.1.1");
}

TEST_CASE("what a stranger calls letters cannot speak to the terminal") {
    CHECK(ntp::letters(code("\x1b[2J")) == "?[2J");
    CHECK(ntp::letters(code("a b\n")) == "a?b?");
    CHECK(ntp::letters(0xc3a97fff) == "????");
    CHECK(ntp::letters(0).empty());
}

TEST_CASE("seconds have their sign and nine decimals") {
    CHECK(ntp::seconds(0) == "+0.000000000 s");
    CHECK(ntp::seconds(Difference{second + half}) == "+1.500000000 s");
    CHECK(ntp::seconds(-Difference{half}) == "-0.500000000 s");
    CHECK(ntp::seconds(-4) == "-0.000000001 s");
    CHECK(ntp::seconds(INT64_MIN) == "-2147483648.000000000 s");
}

TEST_CASE("a date is RFC 3339, with microseconds that are never rounded into the future") {
    CHECK(ntp::utc(new_era) == "2036-02-07T06:28:16.000000Z");
    CHECK(ntp::utc(new_era - 1ns) == "2036-02-07T06:28:15.999999Z");
    CHECK(ntp::utc(day(2085, 1, 1) + 1'500us) == "2085-01-01T00:00:00.001500Z");
    CHECK(ntp::utc(day(1969, 12, 31) + 1us) == "1969-12-31T00:00:00.000001Z");
}

// ---- The fuzzer's corpus ---------------------------------------

TEST_CASE("each input of the fuzzer's corpus gets the verdict that its name says") {
    const std::map<std::string, Verdict> verdicts{
        {"accepted", Verdict::accepted},
        {"too_short", Verdict::too_short},
        {"not_a_server", Verdict::not_a_server},
        {"unknown_version", Verdict::unknown_version},
        {"not_our_request", Verdict::not_our_request},
        {"kiss_of_death", Verdict::kiss_of_death},
        {"not_synchronised", Verdict::not_synchronised},
        {"zero_transmit", Verdict::zero_transmit},
        {"zero_receive", Verdict::zero_receive},
        {"receive_after_transmit", Verdict::receive_after_transmit},
        {"too_far", Verdict::too_far}};
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator{"tests/fuzz/corpus/ntp"}) {
        const std::string name = file.path().filename();
        INFO(name);
        std::ifstream stream{file.path(), std::ios::binary};
        CHECK(try_input(std::string{std::istreambuf_iterator{stream}, {}}) ==
              verdicts.at(name.substr(0, name.find('-'))));
        ++count;
    }
    CHECK(count >= 40);
}
