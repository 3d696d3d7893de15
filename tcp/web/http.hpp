// tcp/web/http.hpp: what an HTTP/1.1 request is (RFC 9110, RFC 9112), without a socket in sight.
//
//     GET /api/calcul?a=2&b=0.5 HTTP/1.1\r\n    request line: method, target, version
//     Host: 127.0.0.1:8080\r\n                  fields: name, colon, value
//     \r\n                                      the end of the head
//
// Where the RFC lets us choose between guessing what was meant and refusing it, we refuse. Two
// programs on the way that guess differently do not see the same requests: an attack called request
// smuggling lives on that.
#pragma once

#include "../../fd.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace http {

/// Thrown: this request is answered with an error. `status`: RFC 9110, 15.
struct Refused {
    int status;
};

// ---- Characters --------------------------------------------------

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Whether `text` is made of letters, digits and `others` only, one at least.
inline bool is_made_of(std::string_view text, std::string_view others) {
    const auto fits = [&](char c) { return is_alphanumeric(c) || others.find(c) != others.npos; };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}
/// What methods and names of fields are made of (RFC 9110, 5.6.2).
inline bool is_token(std::string_view text) {
    return is_made_of(text, "!#$%&'*+-.^_`|~");
}
inline std::optional<std::string> percent_decoded(std::string_view text);  // below
/// HOST or HOST:PORT, and no user (RFC 3986, 3.2; RFC 9110, 4.2.4). An IPv6 address has colons of
/// its own, and brackets around them.
inline bool is_authority(std::string_view text) {
    const bool in_brackets = text.starts_with('[');
    const auto colon = text.find(':', in_brackets ? text.find(']') : 0);
    const std::string_view host = text.substr(0, colon);
    std::string_view port = text.substr(host.size());
    if (!port.empty()) port.remove_prefix(1);
    if (!std::all_of(port.begin(), port.end(), is_digit)) return false;
    if (in_brackets)
        return host.ends_with(']') && is_made_of(host.substr(1, host.size() - 2), ":.");
    return is_made_of(host, "-._~%!$&'()*+,;=") && percent_decoded(host);
}

/// Whether two texts are equal but for capitals, as names of fields may be (RFC 9110, 5.1).
inline bool same(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

/// Takes off `list`, and returns, what comes before its first `mark`; all of it when there is none.
inline std::string_view take_until(char mark, std::string_view& list) {
    const auto end = list.find(mark);
    const std::string_view item = list.substr(0, end);
    list.remove_prefix(end == list.npos ? list.size() : end + 1);
    return item;
}

/// `text` without the blanks around it.
inline std::string_view trimmed(std::string_view text) {
    const auto first = std::min(text.find_first_not_of(" \t"), text.size());
    return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// ---- The head of a request ---------------------------------------

struct Request {
    std::string method{};
    std::string target{};             ///< visible ASCII, as it came: read_target() takes it apart
    int minor = 1;                    ///< of the version: HTTP/1.minor
    bool keep_alive = true;           ///< the client may send another on the same connection
    bool body = false;                ///< bytes that we have no use for follow the head
    std::string if_modified_since{};  ///< empty: no condition
};

/// Reads one head, as it comes. Give it all that has been received of it, each time, from the
/// head's first byte on.
class Parser {
  public:
    static constexpr std::size_t longest = 8192;  ///< bytes of a head

    /// True when the head is whole: its request() is complete, and its length() bytes have been
    /// used. False: more is wanted. Throws Refused (400, 431, 501, 505) as soon as it cannot be
    /// right; then this is over.
    bool read(std::string_view received) {
        for (; at_ < received.size(); ++at_) {
            if (at_ == longest) throw Refused{431};
            const char byte = received[at_];
            const bool after_cr = at_ > line_ && received[at_ - 1] == '\r';
            // A CR and a LF come together (RFC 9112, 2.2).
            if (after_cr != (byte == '\n')) throw Refused{400};
            const bool control = (byte >= '\0' && byte < ' ') || byte == '\x7f';
            if (control && byte != '\t' && byte != '\r' && byte != '\n') throw Refused{400};
            if (byte != '\n') continue;
            const std::string_view line = received.substr(line_, at_ - 1 - line_);
            line_ = at_ + 1;
            // Empty lines before the request line are passed over (2.2).
            if (request_.method.empty()) {
                if (!line.empty()) request_line(line);
            } else if (!line.empty()) {
                field(line);
            } else {
                ++at_;
                end();
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] std::size_t length() const { return at_; }
    /// Whether more than empty lines has been read.
    [[nodiscard]] bool has_begun() const { return at_ > line_ || !request_.method.empty(); }
    /// What is known of the request, which may be nothing yet.
    [[nodiscard]] const Request& request() const { return request_; }

  private:
    /// RFC 9112, 3. One blank between the parts, and none around them.
    void request_line(std::string_view line) {
        const std::string_view method = take_until(' ', line);
        const std::string_view target = take_until(' ', line);
        const std::string_view version = line;
        const bool is_version = version.size() == 8 && version.starts_with("HTTP/") &&
                                is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
        const auto visible = [](char c) { return c > ' ' && c < '\x7f'; };
        if (!is_token(method) || target.empty() ||
            !std::all_of(target.begin(), target.end(), visible) || !is_version)
            throw Refused{400};
        request_.method = method;
        request_.target = target;
        // A minor version that we do not know is served as the one we do (2.5).
        request_.minor = version[7] - '0';
        if (version[5] != '1') throw Refused{505};
    }

    /// RFC 9112, 5. A name is a token: there is no blank before the colon, and none before the
    /// name, as there was when a field went on over several lines (obs-fold).
    void field(std::string_view line) {
        const auto colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        if (colon == line.npos || !is_token(name)) throw Refused{400};
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (same(name, "Host")) {
            if (std::exchange(host_, true) || !(value.empty() || is_authority(value)))
                throw Refused{400};
        } else if (same(name, "Content-Length")) {
            if (std::exchange(content_length_, true)) throw Refused{400};
            if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit))
                throw Refused{400};
            if (value.find_first_not_of('0') != value.npos) request_.body = true;
        } else if (same(name, "Transfer-Encoding")) {
            std::string_view list = value;
            do {
                ++codings_;
                chunked_ = same(trimmed(take_until(',', list)), "chunked");
            } while (!list.empty());
        } else if (same(name, "Connection")) {
            for (std::string_view list = value; !list.empty();) {
                const std::string_view option = trimmed(take_until(',', list));
                if (same(option, "close")) close_ = true;
                if (same(option, "keep-alive")) keep_alive_ = true;
            }
        } else if (same(name, "If-Modified-Since")) {
            request_.if_modified_since += value;  // two are no date, and ignored (9110, 13.1.3)
        } else if (same(name, "If-None-Match")) {
            if_none_match_ = true;
        }
    }

    /// What can only be said of the whole head.
    void end() {
        const bool old = request_.minor == 0;
        if (!old && !host_) throw Refused{400};  // RFC 9112, 3.2
        if (codings_ > 0) {
            // Where a body ends is said once. Two programs could choose different ones of two
            // answers (6.1, 6.3).
            if (!chunked_ || content_length_ || old) throw Refused{400};
            if (codings_ > 1) throw Refused{501};
            request_.body = true;
        }
        request_.keep_alive = !close_ && (!old || keep_alive_);  // 9.3
        // We give no tags that could match; the date does not count then (RFC 9110, 13.1.3).
        if (if_none_match_) request_.if_modified_since.clear();
    }

    std::size_t at_ = 0;    ///< the next byte to look at
    std::size_t line_ = 0;  ///< where its line starts
    Request request_{};
    bool host_ = false;
    bool content_length_ = false;
    bool close_ = false;
    bool keep_alive_ = false;
    bool if_none_match_ = false;
    int codings_ = 0;       ///< how many Transfer-Encoding names
    bool chunked_ = false;  ///< the last of them is "chunked"
};

/// Whether RFC 9110, 9 or RFC 5789 knows the method: then it is not allowed here (405), else not
/// implemented (501).
inline bool is_known_method(std::string_view method) {
    for (const auto* known :
         {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}) {
        if (method == known) return true;
    }
    return false;
}

// ---- Its target --------------------------------------------------

/// `text` with each %XX as the byte that it stands for (RFC 3986, 2.1); nothing when a % is no such
/// thing.
inline std::optional<std::string> percent_decoded(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string decoded;
    decoded.reserve(text.size());
    while (!text.empty()) {
        if (text[0] != '%') {
            decoded += text[0];
            text.remove_prefix(1);
            continue;
        }
        if (text.size() < 3) return {};
        const auto high = hex.find(lower(text[1]));
        const auto low = hex.find(lower(text[2]));
        if (high == hex.npos || low == hex.npos) return {};
        decoded += static_cast<char>(high * 16 + low);
        text.remove_prefix(3);
    }
    return decoded;
}

struct Target {
    std::string path;   ///< decoded, once: "%2e%2e" is ".." now, and must be judged as that
    std::string query;  ///< as it came, without its '?'
};

/// The target of a GET: "/path?query", or "http://host/path?query" as proxies are asked (RFC 9112,
/// 3.2.1 and 3.2.2). Throws Refused{400}.
inline Target read_target(std::string target) {
    if (same(std::string_view{target}.substr(0, 7), "http://")) {
        const auto end = std::min(target.find_first_of("/?", 7), target.size());
        if (!is_authority(std::string_view{target}.substr(7, end - 7))) throw Refused{400};
        target.erase(0, end);
        if (!target.starts_with('/')) target.insert(0, "/");  // "http://host?query"
    }
    // A fragment (#) stays with the browser.
    if (!target.starts_with('/') || target.find('#') != target.npos) throw Refused{400};
    std::string_view query = target;
    const auto path = percent_decoded(take_until('?', query));
    // A NUL is in no name, and would end it early for the system (CWE-158).
    if (!path || path->find('\0') != path->npos) throw Refused{400};
    return {*path, std::string{query}};
}

}  // namespace http
