// tcp/netcat_options.hpp: the command line of tcp/netcat.
//
// There are several programs called nc, and they do not agree on how to listen: one wants
// `nc -l -p PORT HOST`, another `nc -l HOST PORT`. Ours takes both.
#pragma once

#include "../fd.hpp"

#include <getopt.h>

#include <string>
#include <vector>

#include "../output.hpp"
#include "options.hpp"
#include "tcp.hpp"

struct NetcatArguments {
    bool listen = false;
    bool keep = false;
    int limit = 3'600'000;  ///< milliseconds
    tcp::Where where{};
};

/// Ends the program itself on -h (status 0) and on bad usage (status 2).
inline NetcatArguments read_netcat_arguments(int argc, char* argv[]) {
    const std::string program = "tcp/netcat";
    const std::string usage =
        "usage: tcp/netcat [-w SECONDS] HOST PORT\n"
        "       tcp/netcat -l [-k] -p PORT [HOST]\n"
        "       tcp/netcat -l [-k] [HOST] PORT\n"
        "  -l          listen on HOST (default 127.0.0.1), and talk with one client\n"
        "  -k          then with the next, and so on\n"
        "  -p PORT     the port to listen on; 0 takes a free one\n"
        "  -w SECONDS  how long to try to connect (2, 0.5)\n"
        "  -h, --help  this text";
    open_standard_descriptors();
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    NetcatArguments arguments;
    const char* port = nullptr;
    opterr = 0;  // the messages are ours
    for (int letter = 0;
         (letter = getopt_long(argc, argv, ":lkp:w:h", long_options, nullptr)) != -1;) {
        tcp::common_option(letter, argv, program, usage);
        if (letter == 'l') arguments.listen = true;
        if (letter == 'k') arguments.keep = true;
        if (letter == 'p') port = optarg;
        if (letter == 'w') arguments.limit = tcp::seconds_or_usage(optarg, program, usage);
    }
    std::vector<std::string> words{argv + optind, argv + argc};
    if (!arguments.listen && (port != nullptr || arguments.keep))
        bad_usage(program, "-p and -k go with -l", usage);
    if (port != nullptr) words.emplace_back(port);  // as without -p: the last word
    const std::size_t least = arguments.listen ? 1 : 2;
    if (words.size() < least) bad_usage(program, "HOST or PORT is missing", usage);
    if (words.size() > 2) bad_usage(program, "too many arguments", usage);
    arguments.where.port = words.back();
    if (!tcp::is_port(words.back())) bad_usage(program, "bad port: " + words.back(), usage);
    if (words.size() == 2) arguments.where.host = words.front();
    return arguments;
}
