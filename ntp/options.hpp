// ntp/options.hpp: the command line of ntp/client.
#pragma once

#include <getopt.h>
#include <sys/socket.h>

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

inline const char* const usage =
    "usage: ntp/client [-4] [-6] [-n SAMPLES] [-i SECONDS] [-p PORT] [-w SECONDS] [HOST]\n"
    "  -4, -6      over IPv4 only, over IPv6 only\n"
    "  -n SAMPLES  how often to ask (default 4)\n"
    "  -i SECONDS  from one request to the next (default 1; less is for a server of your own)\n"
    "  -p PORT     default 123\n"
    "  -w SECONDS  how long to wait for each answer (default 2)\n"
    "  HOST        default pool.ntp.org\n"
    "  -h, --help  this text\n";

struct Options {
    int family = AF_UNSPEC;
    int samples = 4;
    double interval = 1;  ///< seconds
    int port = 123;
    double wait = 2;  ///< seconds
    const char* host = "pool.ntp.org";
};

[[noreturn]] inline void bad_usage(const std::string& wrong) {
    std::cerr << "ntp/client: " + wrong + '\n' + usage;
    std::exit(2);
}

/// The value of option `-letter`: all of `text`, a number from `least` to `most`. (nan compares
/// false with each.)
template <typename Number>
Number number(int letter, const std::string& text, Number least, Number most) {
    Number value{};
    const char* const text_end = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), text_end, value);
    if (error == std::errc{} && end == text_end && least <= value && value <= most) return value;
    std::ostringstream wrong;
    wrong << '-' << static_cast<char>(letter) << " wants a number from " << least << " to " << most
          << ": " << text;
    bad_usage(wrong.str());
}

/// Ends the program itself on -h (status 0) and on bad usage (status 2).
inline Options arguments(int argc, char* argv[]) {
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    constexpr double a_day = 86400;
    Options options;
    opterr = 0;  // the messages are ours
    for (int letter = 0;
         (letter = getopt_long(argc, argv, ":46n:i:p:w:h", long_options, nullptr)) != -1;) {
        if (letter == '4') options.family = AF_INET;
        if (letter == '6') options.family = AF_INET6;
        if (letter == 'n') options.samples = number(letter, optarg, 1, 1'000'000);
        if (letter == 'i') options.interval = number(letter, optarg, 0.0, a_day);
        if (letter == 'p') options.port = number(letter, optarg, 1, 65535);
        if (letter == 'w')
            options.wait = number(letter, optarg, 0.001, a_day);  // a millisecond is poll's unit
        const std::string culprit =
            optopt == 0 ? argv[optind - 1] : std::string{"-"} + static_cast<char>(optopt);
        if (letter == ':') bad_usage(culprit + " wants a value");
        if (letter == '?') bad_usage("unknown option " + culprit);
        if (letter == 'h') {
            std::cout << usage;
            std::exit(0);
        }
    }
    if (argc - optind > 1) bad_usage("too many arguments");
    if (optind < argc) options.host = argv[optind];
    return options;
}
