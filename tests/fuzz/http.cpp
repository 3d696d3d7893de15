// What a hostile client may send, for libFuzzer: `make fuzz`. The unit tests replay the corpus,
// each input of which begins its name with its verdict: the status, 200 for a request, 0 for a head
// that has not ended.
//
// An input is how many bytes come at a time, in one byte, and then what a connection sends.
#include "../../tcp/web/http.hpp"

#include <cstdint>
#include <cstdlib>

#include "../../tcp/web/calcul.hpp"
#include "../../tcp/web/response.hpp"

namespace {

void require(bool true_of_every_input) {
    if (!true_of_every_input) std::abort();
}

/// The status that the parser comes to when `bytes` come `piece` at a time.
int parse(std::string_view bytes, std::size_t piece, http::Parser& parser) {
    try {
        for (std::size_t end = 0; end < bytes.size();) {
            end = std::min(end + piece, bytes.size());
            if (parser.read(bytes.substr(0, end))) return 200;
        }
        return 0;
    } catch (const http::Refused& refused) {
        return refused.status;
    }
}

/// A number that we wrote is the shortest form of itself.
void require_number(std::string_view& json, std::string_view before) {
    require(json.starts_with(before));
    json.remove_prefix(before.size());
    const std::string text{json.substr(0, json.find_first_of(",}"))};
    require(write_number(read_number(text).value()) == text);
    json.remove_prefix(text.size());
}

/// Aborts where something that must hold of every input does not.
int try_input(std::string_view input) {
    if (input.empty()) return 0;
    const auto piece = static_cast<unsigned char>(input[0]) + std::size_t{1};
    const std::string_view bytes = input.substr(1);

    // Where the bytes are cut changes nothing.
    http::Parser parser;
    http::Parser at_once;
    const int status = parse(bytes, piece, parser);
    require(status == parse(bytes, bytes.size() + 1, at_once));
    const http::Request& request = parser.request();
    require(request.target == at_once.request().target);
    require(status == 0 || status == 200 || status == 400 || status == 431 || status == 501 ||
            status == 505);
    require(parser.length() <= http::Parser::longest);
    if (status == 0) require(bytes.size() <= http::Parser::longest);
    if (status != 200) return status;

    // A head ends with the first empty line after its request line, and each of its lines with CR
    // LF.
    const std::string_view head = bytes.substr(0, parser.length());
    require(head.ends_with("\r\n\r\n"));
    require(head.substr(head.find_first_not_of("\r\n")).find("\r\n\r\n") ==
            head.size() - head.find_first_not_of("\r\n") - 4);
    for (std::size_t i = 0; i < head.size(); ++i) {
        require((head[i] == '\n') == (i > 0 && head[i - 1] == '\r'));
        require(head[i] != '\0');
    }
    require(http::is_token(request.method) && request.minor >= 0 && request.minor <= 9);
    for (const char c : request.target) require(c > ' ' && c <= '~');
    http::read_date(request.if_modified_since, 0);

    try {
        const auto [path, query] = http::read_target(request.target);
        require(path.starts_with("/"));
        require(path.find('\0') == path.npos);
        const Sum answer = sum(query);
        std::string_view json = answer.json;
        require(json.starts_with(answer.status == 200 ? "{\"a\":" : "{\"erreur\":\""));
        if (answer.status == 200) {
            require_number(json, "{\"a\":");
            require_number(json, ",\"b\":");
            require_number(json, ",\"somme\":");
            require(json == "}");
        }
    } catch (const http::Refused& refused) {
        require(refused.status == 400);
        return refused.status;
    }
    return status;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try_input({reinterpret_cast<const char*>(data), size});
    return 0;
}
