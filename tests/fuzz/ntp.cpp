// What a hostile server may send, for libFuzzer: `make fuzz`. The unit tests replay the corpus,
// each input of which begins its name with its verdict.
//
// An input is T1 and T4, 8 bytes each, and then the datagram.
#include <cstdlib>

#include "../../ntp/packet.hpp"

namespace {

void require(bool true_of_every_input) {
    if (!true_of_every_input) std::abort();
}

/// Text of ours for a terminal: printable ASCII, whatever the packet says.
void require_printable(std::string_view text) {
    for (const char c : text) require(c >= ' ' && c <= '~');
}

/// Aborts where something that must hold of every input does not.
ntp::Verdict try_input(std::string_view input) {
    constexpr ntp::Timestamp cookie = 0x0123456789abcdef;  // one that a fuzzer can learn
    const auto timestamp = [&](std::size_t at) {
        ntp::Timestamp value = 0;
        for (const char byte : input.substr(at, 8))
            value = value << 8 | static_cast<unsigned char>(byte);
        return value;
    };
    if (input.size() < 16) return ntp::Verdict::too_short;
    ntp::Sample sample{timestamp(0), timestamp(8), {}};
    const std::string_view datagram = input.substr(16);

    const ntp::Verdict verdict = ntp::judge(datagram, cookie, sample);
    require_printable(ntp::reason(verdict, sample.answer));
    require((datagram.size() < ntp::Packet::size) == (verdict == ntp::Verdict::too_short));
    if (verdict == ntp::Verdict::too_short) return verdict;

    // Nothing of the first 48 bytes is lost.
    const auto again = ntp::encode(sample.answer);
    require(datagram.substr(0, again.size()) == std::string_view(again.data(), again.size()));

    // 2 * offset is (T2 - T1) + (T3 - T4) but for the last bit, modulo 2^64.
    const ntp::Timestamp sum =
        (sample.answer.receive - sample.sent) + (sample.answer.transmit - sample.received);
    require(2 * static_cast<ntp::Timestamp>(sample.offset()) - sum + 1 <= 2);

    // A date lies within 68 years of its pivot, and is its timestamp's to the nanosecond, 4.3 times
    // 2^-32 s.
    const ntp::Time pivot{std::chrono::seconds{1'795'000'000}};
    const ntp::Time date = ntp::date(sample.answer.transmit, pivot);
    require(std::chrono::abs(date - pivot) <= std::chrono::seconds{1LL << 31});
    require(std::abs(ntp::difference(ntp::timestamp(date), sample.answer.transmit)) <= 5);

    require_printable(ntp::refid(sample.answer));
    require(ntp::utc(date).size() == std::string_view{"2036-02-07T06:28:16.000000Z"}.size());
    require(ntp::seconds(sample.offset()).size() >= std::string_view{"+0.000000000 s"}.size());
    require(ntp::seconds(sample.delay()).size() <=
            std::string_view{"-2147483648.000000000 s"}.size());
    return verdict;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try_input({reinterpret_cast<const char*>(data), size});
    return 0;
}
