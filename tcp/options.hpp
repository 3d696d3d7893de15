// tcp/options.hpp: what the command lines of all TCP programs have in common (getopt_long(3)).
#pragma once

#include "../fd.hpp"

#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../output.hpp"

namespace tcp {

/// What every program answers to a letter from getopt_long: to -h its usage, to an unknown option
/// ('?') or one that lacks its value (':') what is wrong. Then the program ends; any other letter
/// is its own business.
inline void common_option(int letter, char* argv[], const std::string& program,
                          const std::string& usage) {
    if (letter == 'h') say_usage(usage);
    // optopt is the letter; 0 for an unknown long option, 'h' for --help=x, which takes no value.
    const bool is_long = optopt == 0 || (letter == '?' && optopt == 'h');
    const std::string option = is_long ? argv[optind - 1] : std::string{'-', char(optopt)};
    if (letter == ':') bad_usage(program, option + " wants a value", usage);
    if (letter == '?') bad_usage(program, "unknown option " + option, usage);
}

/// A time limit, given in seconds (decimal, fractions allowed, more than 0), in milliseconds, a day
/// at most. Ends the program (status 2) on anything else.
inline int seconds_or_usage(const std::string& text, const std::string& program,
                            const std::string& usage) {
    // strtod takes "inf", " 1" and "0x1", too.
    const bool is_decimal = text.find_first_not_of("0123456789.") == text.npos;
    char* end = nullptr;
    const double seconds = std::min(std::strtod(text.c_str(), &end), 86400.0);
    if (!is_decimal || *end != '\0' || !(seconds > 0))
        bad_usage(program, "bad number of seconds: " + text, usage);
    return std::max(1, static_cast<int>(seconds * 1000));
}

/// A port number: decimal, 0 to 65535, nothing before or after it.
inline bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace tcp
