// tcp/web/calcul.hpp: /api/calcul, a sum, without a socket in sight.
//
//     a=2&b=0.5    ->  {"a":2,"b":0.5,"somme":2.5}
//     a=deux&b=1   ->  {"erreur":"a n'est pas un nombre"}
//
// The page that asks is JavaScript, so numbers are JavaScript's: read as Number() does, but decimal
// ones only, and written as JSON.stringify does (ECMA-262: StringNumericLiteral, Number::toString).
#pragma once

#include "../../fd.hpp"

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "http.hpp"

/// "-12.5", "+.5", "5.", "1e3"; nothing for what is no such number. Too large a one is infinite.
inline std::optional<double> read_number(const std::string& text) {
    std::size_t at = 0;  // text[text.size()] may be looked at: it is a NUL
    const auto sign = [&] { at += text[at] == '+' || text[at] == '-' ? 1 : 0; };
    const auto digits = [&] {
        const std::size_t first = at;
        while (http::is_digit(text[at])) ++at;
        return at - first;
    };
    sign();
    auto count = digits();
    if (text[at] == '.') {
        ++at;
        count += digits();
    }
    if (count == 0) return {};
    if (text[at] == 'e' || text[at] == 'E') {
        ++at;
        sign();
        if (digits() == 0) return {};
    }
    if (at != text.size()) return {};
    return std::strtod(text.c_str(), nullptr);  // our locale is "C": the decimal point is a '.'
}

/// The shortest decimal that reads as this very number: "0.1", "100000", "1e+21". `number` is
/// finite.
inline std::string write_number(double number) {
    if (number == 0) return "0";  // and -0 too (JSON.stringify)
    char text[32] = {};           // filled up with NULs: atoi stops there
    const auto end =
        std::to_chars(text, text + sizeof text, std::abs(number), std::chars_format::scientific)
            .ptr;
    // "d.ddde+xx", or "de+xx"
    const std::string_view shortest{text, static_cast<std::size_t>(end - text)};
    const auto e = shortest.find('e');
    std::string digits{shortest.substr(0, e)};
    if (digits.size() > 1) digits.erase(1, 1);
    const int count = static_cast<int>(digits.size());
    const int point = 1 + std::atoi(text + e + 1);  // the number is 0.DIGITS times ten to this

    std::string out = number < 0 ? "-" : "";
    const auto zeros = [](int n) { return std::string(static_cast<std::size_t>(n), '0'); };
    if (0 < point && point <= 21) {
        digits += zeros(std::max(0, point - count));
        if (point < count) digits.insert(static_cast<std::size_t>(point), ".");
        return out + digits;
    }
    if (-6 < point && point <= 0) return out + "0." + zeros(-point) + digits;
    if (count > 1) digits.insert(1, ".");
    return out + digits + (point > 0 ? "e+" : "e-") + std::to_string(std::abs(point - 1));
}

/// The number that the parameter `name` of `query` gives. The query is read as URLSearchParams
/// does: a '+' is a blank, and a plus %2B. Parameters of other names are passed over; one that
/// comes twice could be understood in two ways. Throws std::invalid_argument, in French.
inline double parameter(std::string_view query, const std::string& name) {
    const auto decoded = [](std::string text) {
        std::replace(text.begin(), text.end(), '+', ' ');
        // A "?" is no name of ours, and no number.
        return http::percent_decoded(text).value_or("?");
    };
    std::optional<std::string> text;
    while (!query.empty()) {
        std::string_view value = http::take_until('&', query);
        if (decoded(std::string{http::take_until('=', value)}) != name) continue;
        if (text) throw std::invalid_argument{name + " est donné deux fois"};
        text = decoded(std::string{value});
    }
    if (!text || text->empty()) throw std::invalid_argument{name + " manque"};
    const auto number = read_number(*text);
    if (!number) throw std::invalid_argument{name + " n'est pas un nombre"};
    if (!std::isfinite(*number)) throw std::invalid_argument{name + " est trop grand"};
    return *number;
}

/// a + b. The x87 of 32 bits rounds that to the 64 bits of its registers, and then to the 53 of a
/// double: rounded twice, it may be the wrong one. When the first time leaves more than twice as
/// many bits, nothing is lost.
inline double added(double a, double b) {
#if FLT_EVAL_METHOD == 2 && defined __SIZEOF_FLOAT128__
    __extension__ typedef __float128 Wide;
    const volatile Wide wide = Wide{a} + b;  // volatile, or gcc adds two doubles after all
    return static_cast<double>(wide);
#else
    return a + b;
#endif
}

struct Sum {
    int status;  ///< 200 or 400
    std::string json;
};

/// What /api/calcul answers to `query`.
inline Sum sum(std::string_view query) {
    try {
        const double a = parameter(query, "a");
        const double b = parameter(query, "b");
        const double both = added(a, b);
        if (!std::isfinite(both)) throw std::invalid_argument{"la somme est trop grande"};
        return {200, "{\"a\":" + write_number(a) + ",\"b\":" + write_number(b) +
                         ",\"somme\":" + write_number(both) + '}'};
    } catch (const std::invalid_argument& wrong) {
        return {400, std::string{"{\"erreur\":\""} + wrong.what() + "\"}"};
    }
}
