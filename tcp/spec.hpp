// tcp/spec.hpp: a redirection of a port, written as `ssh -L` has it (ssh(1)), without a socket in
// sight.
//
//     [bind_address:]port:host:hostport
//
//     4000:roucas101:22            port 4000 of this machine, for itself only
//     *:4000:roucas101:22          port 4000 of its every interface; an empty address is the same:
//     :4000:roucas101:22
//     [::1]:4000:[fd00::4]:22      brackets around an IPv6 address, which has colons of its own
#pragma once

#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Who connects to `listen` is to talk with `target`.
struct Spec {
    struct End {
        std::string host;  ///< a name or an address, without brackets
        std::string port;  ///< digits
    };
    End listen;  ///< "::" is every interface, IPv6 and IPv4; port "0" a free one
    End target;
};

/// The fields between the colons, but for the colons in brackets.
inline std::vector<std::string> split_at_colons(std::string_view text) {
    std::vector<std::string> fields(1);
    bool in_brackets = false;
    for (const char c : text) {
        if (c == '[' || c == ']') in_brackets = c == '[';
        if (c == ':' && !in_brackets)
            fields.emplace_back();
        else
            fields.back() += c;
    }
    return fields;
}

/// Reads `text`. Throws std::invalid_argument, "TEXT: what is wrong with it".
inline Spec parse_spec(const std::string& text) {
    const auto require = [&](bool right, const std::string& complaint) {
        if (!right) throw std::invalid_argument{text + ": " + complaint};
    };
    const auto host = [&](std::string field) {
        const bool bracketed = field.size() > 2 && field.front() == '[' && field.back() == ']';
        if (bracketed) field = field.substr(1, field.size() - 2);
        require(field.find_first_of("[]") == field.npos, "brackets go around a whole address");
        return field;
    };
    const auto port = [&](const std::string& field, int least) {
        std::uint16_t number = 0;
        const auto [end, error] =
            std::from_chars(field.data(), field.data() + field.size(), number);
        require(error == std::errc{} && end == field.data() + field.size() && number >= least,
                "bad port: " + field);
        return field;
    };

    std::vector<std::string> fields = split_at_colons(text);
    if (fields.size() == 3) fields.insert(fields.begin(), "localhost");
    require(fields.size() == 4,
            "not [bind_address:]port:host:hostport, with IPv6 addresses in brackets");
    Spec spec{{host(fields[0]), port(fields[1], 0)}, {host(fields[2]), port(fields[3], 1)}};
    require(!spec.target.host.empty(), "the host is missing");
    if (spec.listen.host == "localhost") spec.listen.host = "127.0.0.1";
    if (spec.listen.host.empty() || spec.listen.host == "*") spec.listen.host = "::";
    return spec;
}
