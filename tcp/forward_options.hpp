// tcp/forward_options.hpp: the command line of tcp/forward, which `ssh -L` would take too.
#pragma once

#include "../fd.hpp"

#include <getopt.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "../output.hpp"
#include "options.hpp"
#include "spec.hpp"

/// Ends the program itself on -h (status 0) and on bad usage (status 2).
inline std::vector<Spec> read_forward_arguments(int argc, char* argv[]) {
    const std::string program = "tcp/forward";
    const std::string usage =
        "usage: tcp/forward [-L] [bind_address:]port:host:hostport ...\n"
        "  bind_address, port  where to listen: 127.0.0.1 by default, * for every interface; port "
        "0 takes a free one\n"
        "  host, hostport      where to connect to for each client\n"
        "  -h, --help          this text\n"
        "IPv6 addresses go in brackets: [::1]:4000:[fd00::4]:22";
    open_standard_descriptors();
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    std::vector<std::string> texts;
    opterr = 0;  // the messages are ours
    // "-": a word that is no option is given to us like an option's value, in its place among the
    // others.
    for (int letter = 0;
         (letter = getopt_long(argc, argv, "-:L:h", long_options, nullptr)) != -1;) {
        tcp::common_option(letter, argv, program, usage);
        texts.emplace_back(optarg);
    }
    texts.insert(texts.end(), argv + optind, argv + argc);  // what follows a --
    if (texts.empty()) bad_usage(program, "no redirection", usage);
    std::vector<Spec> specs;
    try {
        for (const std::string& text : texts) specs.push_back(parse_spec(text));
    } catch (const std::invalid_argument& error) {
        bad_usage(program, error.what(), usage);
    }
    return specs;
}
