// ntp/options.hpp: the command line of ntp/client.
#pragma once

#include "../fd.hpp"

#include <getopt.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "../output.hpp"

namespace ntp {

inline const char* const program = "ntp/client";
inline const char* const usage =
    "usage: ntp/client [-4] [-6] [-n SAMPLES] [-i SECONDS] [-p PORT] [-w SECONDS] [HOST]\n"
    "  -4, -6      over IPv4 only, over IPv6 only\n"
    "  -n SAMPLES  how often to ask (default 4)\n"
    "  -i SECONDS  from one request to the next (default 1; less is for a server of your own)\n"
    "  -p PORT     default 123\n"
    "  -w SECONDS  how long to wait for each answer (default 2)\n"
    "  HOST        default pool.ntp.org\n"
    "  -h, --help  this text";

struct Options {
    int family = AF_UNSPEC;
    int samples = 4;
    double interval = 1;  ///< seconds
    int port = 123;
    double wait = 2;  ///< seconds
    std::string host = "pool.ntp.org";
};

/// A number as it was typed: "2", "0.25", "1000000".
inline std::string decimal(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", number);
    return text;
}

/// The value of option `-letter`: all of `text`, a number from `least` to `most`, made of these
/// `characters` only. strtod takes more: blanks, "inf", "nan", "0x1".
inline double number(int letter, const std::string& text, const char* characters, double least,
                     double most) {
    const bool is_decimal = !text.empty() && text.find_first_not_of(characters) == text.npos;
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (is_decimal && *end == '\0' && least <= value && value <= most) return value;
    bad_usage(program,
              std::string{"-"} + static_cast<char>(letter) + " wants a number from " +
                  decimal(least) + " to " + decimal(most) + ": " + text,
              usage);
}

/// A whole number.
inline int whole_option(int letter, int least, int most) {
    return static_cast<int>(number(letter, optarg, "0123456789", least, most));
}

/// Seconds, a day at most.
inline double seconds_option(int letter, double least) {
    return number(letter, optarg, "0123456789.e-", least, 86400);
}

/// Sees to the standard descriptors first. Ends the program itself on -h (status 0) and on bad
/// usage (status 2).
inline Options arguments(int argc, char* argv[]) {
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    Options options;
    open_standard_descriptors();
    opterr = 0;  // the messages are ours
    for (int letter = 0;
         (letter = getopt_long(argc, argv, ":46n:i:p:w:h", long_options, nullptr)) != -1;) {
        if (letter == 'h') say_usage(usage);
        if (letter == '4') options.family = AF_INET;
        if (letter == '6') options.family = AF_INET6;
        if (letter == 'n') options.samples = whole_option(letter, 1, 1'000'000);
        if (letter == 'i') options.interval = seconds_option(letter, 0);
        if (letter == 'p') options.port = whole_option(letter, 1, 65535);
        if (letter == 'w')
            options.wait = seconds_option(letter, 0.001);  // poll counts in milliseconds
        // optopt is the letter; it says nothing of a long option (0), or which one had a value.
        const bool is_long = optopt == 0 || (letter == '?' && optopt == 'h');
        const std::string option = is_long ? argv[optind - 1] : std::string{'-', char(optopt)};
        if (letter == ':') bad_usage(program, option + " wants a value", usage);
        if (letter == '?') bad_usage(program, "unknown option " + option, usage);
    }
    if (argc - optind > 1) bad_usage(program, "too many arguments", usage);
    if (optind < argc) options.host = argv[optind];
    return options;
}

}  // namespace ntp
