// What may be typed as a redirection of a port, for libFuzzer: `make fuzz`. The unit tests replay
// the corpus, each input of which begins its name with its verdict: accepted or refused.
//
// An input is the text itself.
#include "../../tcp/spec.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

void require(bool true_of_every_input) {
    if (!true_of_every_input) std::abort();
}

void require_port(const std::string& port, int least) {
    require(!port.empty() && port.find_first_not_of("0123456789") == port.npos);
    const unsigned long number = std::strtoul(port.c_str(), nullptr, 10);
    require(number >= static_cast<unsigned long>(least) && number <= 65535);
}

void require_host(const std::string& host) {
    require(!host.empty() && host.find_first_of("[]") == host.npos);
}

/// Aborts where something that must hold of every input does not.
std::string try_input(const std::string& text) {
    Spec spec;
    try {
        spec = parse_spec(text);
    } catch (const std::invalid_argument& complaint) {
        // The complaint shows the text, up to a NUL, which no argument of a program has.
        require(std::string_view{complaint.what()}.starts_with(text.c_str()));
        return "refused";
    }
    require_host(spec.listen.host);
    require_port(spec.listen.port, 0);
    require_host(spec.target.host);
    require_port(spec.target.port, 1);

    // Written out, with nothing left to a default, it is the same redirection.
    const auto written = [](const Spec::End& end) { return '[' + end.host + "]:" + end.port; };
    const Spec again = parse_spec(written(spec.listen) + ':' + written(spec.target));
    require(again.listen.host == spec.listen.host && again.listen.port == spec.listen.port);
    require(again.target.host == spec.target.host && again.target.port == spec.target.port);
    return "accepted";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try_input({reinterpret_cast<const char*>(data), size});
    return 0;
}
