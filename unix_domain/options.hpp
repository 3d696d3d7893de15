// unix_domain/options.hpp: the command line that these programs share: PROGRAM PATH ...
#pragma once

#include "../fd.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "../output.hpp"

namespace unix_domain {

/// Reads `PROGRAM OPERAND...`, `count` operands, none of them empty, and sees to the standard
/// descriptors first. `usage` is what follows "usage: PROGRAM ". Ends the program itself on -h
/// (status 0) and on bad usage (status 2).
inline std::vector<std::string> operands(const std::string& program, std::size_t count,
                                         const std::string& usage, int argc, char* argv[]) {
    const std::string text = "usage: " + program + ' ' + usage + "\n  -h, --help  this text";
    open_standard_descriptors();
    std::vector<std::string> found;
    bool options = true;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (options && (word == "-h" || word == "--help")) say_usage(text);
        if (options && word == "--") {
            options = false;  // what follows may start with a dash
        } else if (options && word.size() > 1 && word.front() == '-') {
            bad_usage(program, "unknown option " + std::string{word}, text);
        } else {
            if (word.empty()) bad_usage(program, "empty argument", text);
            found.emplace_back(word);
        }
    }
    if (found.size() < count) bad_usage(program, "too few arguments", text);
    if (found.size() > count) bad_usage(program, "too many arguments", text);
    return found;
}

}  // namespace unix_domain
