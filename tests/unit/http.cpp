// tcp/web/http.hpp: which heads are requests, and which are refused, however the bytes are cut.
#include "../../tcp/web/http.hpp"

#include <filesystem>
#include <fstream>

#include "catch.hpp"

// Its name is every fuzzer's, and can be defined once in a program.
#define LLVMFuzzerTestOneInput fuzz_http
#include "../fuzz/http.cpp"

using namespace std::string_literals;
using http::Parser;
using http::Refused;
using http::Request;

namespace {

/// What the parser makes of `bytes`, received `piece` at a time: 200 for a request, the status that
/// refuses it, or 0 when more is wanted.
int verdict(std::string_view bytes, std::size_t piece = 1, Request* request = nullptr,
            std::size_t* length = nullptr) {
    Parser parser;
    try {
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            if (!parser.read(bytes.substr(0, at + piece))) continue;
            if (request != nullptr) *request = parser.request();
            if (length != nullptr) *length = parser.length();
            return 200;
        }
        return 0;
    } catch (const Refused& refused) {
        return refused.status;
    }
}

Request request(const std::string& head) {
    Request found;
    INFO(head);
    REQUIRE(verdict(head, 1, &found) == 200);
    return found;
}

const auto get = "GET / HTTP/1.1\r\nHost: a\r\n"s;
int with(const std::string& fields) {
    return verdict(get + fields + "\r\n");
}

std::string path(const std::string& target) {
    return http::read_target(target).path;
}

}  // namespace

TEST_CASE("a request has a method, a target, a version") {
    const Request found = request("GET /a?b=c HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
    CHECK(found.method == "GET");
    CHECK(found.target == "/a?b=c");
    CHECK(found.minor == 1);
    CHECK(found.keep_alive);
    CHECK_FALSE(found.body);
}

TEST_CASE("more is wanted until the empty line") {
    const auto whole = get + "Accept: */*\r\n\r\n";
    for (std::size_t i = 0; i < whole.size(); ++i) CHECK(verdict(whole.substr(0, i)) == 0);
    CHECK(verdict(whole) == 200);
}

TEST_CASE("what follows the head is left alone") {
    std::size_t length = 0;
    const auto head = get + "\r\n";
    CHECK(verdict(head + "\0\n\r not a head"s, 10'000, nullptr, &length) == 200);
    CHECK(length == head.size());
}

TEST_CASE("empty lines before the request are passed over") {
    CHECK(verdict("\r\n" + get + "\r\n") == 200);
    CHECK(verdict("\r\n\r\n" + get + "\r\n") == 200);
}

TEST_CASE("where a head is cut changes nothing") {
    for (const auto& head : {get + "Connection: close\r\n\r\n", get + "A : b\r\n\r\n",
                             "GET / HTTP/2.0\r\n\r\n"s, "\r\r\n"s}) {
        for (std::size_t piece = 1; piece <= head.size(); ++piece)
            CHECK(verdict(head, piece) == verdict(head));
    }
}

TEST_CASE("a line ends with CR LF and nothing else") {
    CHECK(verdict("GET / HTTP/1.1\nHost: a\n\n") == 400);
    CHECK(verdict("GET / HTTP/1.1\r\nHost: a\n\r\n") == 400);
    CHECK(verdict("GET / HTTP/1.1\r\nHost: a\r\n\n") == 400);
    CHECK(verdict("GET / HTTP/1.1\rHost: a\r\r") == 400);
    CHECK(verdict(get + "A: b\rc\r\n\r\n") == 400);
    CHECK(verdict(get + "A: b\r\r\n\r\n") == 400);
    CHECK(verdict("\n" + get + "\r\n") == 400);
    CHECK(verdict("\r\r\n" + get + "\r\n") == 400);
}

TEST_CASE("what is wrong is refused at once, whatever would have followed") {
    CHECK(verdict("G\n") == 400);
    CHECK(verdict("G\rE") == 400);
    CHECK(verdict("\x16\x03\x01") == 400);  // the first bytes of TLS
    CHECK(verdict("GET /\r\n") == 400);
    CHECK(verdict("GET / HTTP/1.1\r\nHost : ") == 0);
    CHECK(verdict("GET / HTTP/1.1\r\nHost : a\r\n") == 400);
}

TEST_CASE("a request line is three words with one blank between them") {
    for (const auto* line :
         {"GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ",
          "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", "GET / a HTTP/1.1", "GET /", "GET", "GET / ",
          "/ HTTP/1.1", " / HTTP/1.1", "GET  HTTP/1.1", "GET HTTP/1.1", "G(T / HTTP/1.1",
          "GET /\x80 HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /\x01 HTTP/1.1",
          "G\xc3\xa9T / HTTP/1.1"}) {
        INFO(line);
        CHECK(verdict(line + "\r\nHost: a\r\n\r\n"s) == 400);
    }
    CHECK(verdict("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s) == 400);
}

TEST_CASE("versions: 1.0, 1.1 and those that will come after them") {
    const auto of = [](const std::string& version) {
        return verdict("GET / " + version + "\r\nHost: a\r\n\r\n");
    };
    CHECK(of("HTTP/1.0") == 200);
    CHECK(of("HTTP/1.1") == 200);
    CHECK(of("HTTP/1.9") == 200);
    for (const auto* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/3.1", "HTTP/9.9"})
        CHECK(of(version) == 505);
    for (const auto* version :
         {"http/1.1", "HTTP/1", "HTTP/2", "HTTP/1.", "HTTP/1.10", "HTTP/11.1", "HTTP/.1",
          "HTTP/1,1", "HTTP/a.1", "HTTP /1.1", "HTTPS/1.1", "HTTP/1.1x", "HTTP/+1.1", "XTTP/1.1"}) {
        INFO(version);
        CHECK(of(version) == 400);
    }
}

TEST_CASE("HTTP/2's preface is another version") {
    CHECK(verdict("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
}

TEST_CASE("HTTP/1.1 has one Host, well formed; HTTP/1.0 at most one") {
    const auto of = [](const std::string& rest) {
        return verdict("GET / HTTP/1.1\r\n" + rest + "\r\n");
    };
    CHECK(of("") == 400);
    CHECK(of("Host: a\r\nHost: a\r\n") == 400);
    CHECK(of("Host: a\r\nhOST: b\r\n") == 400);
    for (const auto* host :
         {"", " ", " a", " a:80", " a:", " [::1]", " [::1]:80", "a", "\ta\t", " a.b-c_d", " %41"}) {
        INFO(host);
        CHECK(of("Host:"s + host + "\r\n") == 200);
    }
    for (const auto* host :
         {" a b", " a/b",  " a,b c", " u@a",     " a?",  " a#",   " \"a\"",   " \xc3\xa9",
          " <a>", " a\\b", " a:b",   " a:80:80", " ::1", " [::1", " [::1]80", " [::1]:b",
          " []",  " [",    " a]",    " :80",     " %4",  " %zz"}) {
        INFO(host);
        CHECK(of("Host:"s + host + "\r\n") == 400);
    }
    CHECK(verdict("GET / HTTP/1.0\r\n\r\n") == 200);
    CHECK(verdict("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == 400);
}

TEST_CASE("a field is a token, a colon and a value") {
    for (const auto* field : {"A:", "A: ", "A:b", "A:\tb \t", "!#$%&'*+-.^_`|~09: b", "A: b:c",
                              "A: \xc3\xa9", "A: \"b\""}) {
        INFO(field);
        CHECK(with(field + "\r\n"s) == 200);
    }
    for (const auto* field :
         {"A", ":", ": b", "A : b", "A\t: b", " A: b", "\tA: b", "A b: c", "A\x01: b", "A: \x01",
          "A: \x7f", "(A): b", "A\xc3\xa9: b", "A: b\x1b[0m", " ", "\t"}) {
        INFO(field);
        CHECK(with(field + "\r\n"s) == 400);
    }
    CHECK(with("A: \0\r\n"s) == 400);
    CHECK(with("A\0: b\r\n"s) == 400);
}

TEST_CASE("a field that goes on over two lines is refused") {
    CHECK(with("A: b\r\n c\r\n") == 400);
    CHECK(with("A: b\r\n\tc\r\n") == 400);
    CHECK(verdict("GET / HTTP/1.1\r\n Host: a\r\n\r\n") == 400);
}

TEST_CASE("a head has 8192 bytes at most") {
    const auto of_size = [](std::size_t size) {
        const auto start = get + "A: ";
        return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
    };
    for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{10'000}}) {
        CHECK(verdict(of_size(8192), piece) == 200);
        CHECK(verdict(of_size(8193), piece) == 431);
        CHECK(verdict(of_size(20'000), piece) == 431);
        CHECK(verdict(std::string(8193, 'x'), piece) == 431);
    }
    CHECK(verdict(std::string(8192, 'x')) == 0);
    CHECK(verdict(of_size(8192) + std::string(8192, '\n'), 10'000) == 200);
}

TEST_CASE("connections stay open as the version and the client say") {
    const auto kept = [](const std::string& version, const std::string& fields) {
        return request("GET / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n").keep_alive;
    };
    CHECK(kept("1.1", ""));
    CHECK(kept("1.1", "Connection: keep-alive\r\n"));
    CHECK(kept("1.1", "Connection: closed\r\n"));
    CHECK_FALSE(kept("1.1", "Connection: close\r\n"));
    CHECK_FALSE(kept("1.1", "connection: Foo ,\tCLOSE\r\n"));
    CHECK_FALSE(kept("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
    CHECK_FALSE(kept("1.0", ""));
    CHECK(kept("1.0", "Connection: Keep-Alive\r\n"));
    CHECK_FALSE(kept("1.0", "Connection: keep-alive, close\r\n"));
}

TEST_CASE("a body is announced by a length that is not zero, or by chunks") {
    CHECK_FALSE(request(get + "Content-Length: 0\r\n\r\n").body);
    CHECK_FALSE(request(get + "Content-Length: 000\r\n\r\n").body);
    CHECK(request(get + "Content-Length: 1\r\n\r\n").body);
    CHECK(request(get + "Content-Length: 99999999999999999999999\r\n\r\n").body);
    CHECK(request(get + "Transfer-Encoding: chunked\r\n\r\n").body);
    CHECK(request(get + "Transfer-Encoding: CHUNKED \r\n\r\n").body);
}

TEST_CASE("a length is digits, said once") {
    for (const auto* length : {"", "-1", "+1", "1,1", "1, 1", "1 1", "0x1", "1.0", "a", "1a"}) {
        INFO(length);
        CHECK(with("Content-Length: "s + length + "\r\n") == 400);
    }
    CHECK(with("Content-Length: 0\r\nContent-Length: 0\r\n") == 400);
    CHECK(with("Content-Length: 1\r\ncontent-length: 2\r\n") == 400);
}

TEST_CASE("the end of a body is said in one way that we understand") {
    CHECK(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == 400);
    CHECK(with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n") == 400);
    CHECK(verdict("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400);
    for (const auto* coding : {"", "identity", "gzip", "chunked, gzip", "xchunked", "chunked;a=b",
                               "\"chunked\"", "chun ked"}) {
        INFO(coding);
        CHECK(with("Transfer-Encoding: "s + coding + "\r\n") == 400);
    }
    CHECK(with("Transfer-Encoding: gzip, chunked\r\n") == 501);
    CHECK(with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") == 501);
    CHECK(with("Transfer-Encoding: chunked, chunked\r\n") == 501);
    CHECK(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n") == 400);
}

TEST_CASE("If-None-Match puts If-Modified-Since out of force") {
    CHECK(request(get + "If-Modified-Since:  x y \r\n\r\n").if_modified_since == "x y");
    CHECK(request(get + "If-Modified-Since: x\r\nIf-None-Match: \"a\"\r\n\r\n")
              .if_modified_since.empty());
}

TEST_CASE("known methods are known as they are spelt") {
    for (const auto* method :
         {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
        CHECK(http::is_known_method(method));
    for (const auto* method : {"get", "Get", "GETT", "FOO", "PRI", "PROPFIND", "G"})
        CHECK_FALSE(http::is_known_method(method));
}

TEST_CASE("percent-decoding gives bytes, once") {
    CHECK(http::percent_decoded("a%20b%2Fc%2fd") == "a b/c/d");
    CHECK(http::percent_decoded("%00") == "\0"s);
    CHECK(http::percent_decoded("%252e") == "%2e");
    CHECK(http::percent_decoded("%c0%ae%FF") == "\xc0\xae\xff");
    CHECK(http::percent_decoded("+") == "+");
    for (const auto* text :
         {"%", "%2", "a%", "%g0", "%0g", "%%41", "% 1", "%u0041", "%-1", "%+1"}) {
        INFO(text);
        CHECK_FALSE(http::percent_decoded(text));
    }
}

TEST_CASE("a target has a path, decoded, and a query, as it came") {
    CHECK(path("/") == "/");
    CHECK(path("/%73tatic/%2e%2e/a") == "/static/../a");
    CHECK(path("/a%3Fb%23c") == "/a?b#c");
    CHECK(path("//a") == "//a");
    CHECK(path("/a[1]|\\") == "/a[1]|\\");
    CHECK(http::read_target("/a?b=%20?c&%").query == "b=%20?c&%");
    CHECK(http::read_target("/a?").query.empty());
}

TEST_CASE("a target may be absolute, as a proxy is asked") {
    CHECK(path("http://a/b") == "/b");
    CHECK(path("HTTP://[::1]:80/b%2ec") == "/b.c");
    CHECK(path("http://a") == "/");
    CHECK(path("http://a?b/c") == "/");
    CHECK(http::read_target("http://a?b/c").query == "b/c");
    CHECK(http::read_target("http://a/b?c").query == "c");
}

TEST_CASE("any other target is refused") {
    for (const auto* target :
         {"*",           "a",           "a:80",        "static/a",    "../a",
          "http:/a",     "http://",     "http:///a",   "http://u@a/", "http://a b/",
          "https://a/",  "ftp://a/",    "http//a",     "%2fa",        "/%",
          "/%2",         "/a%zz?b",     "/%00",        "/a%00.html",  "/a#b",
          "/a?b#c",      "?a",          "#",           "http://a#b",  "http://a\\b/",
          "http://:80/", "http://a:b/", "http://[::1/"}) {
        INFO(target);
        CHECK_THROWS_AS(path(target), Refused);
    }
}

// ---- The fuzzer's corpus
// ----------------------------------------------------------------------------------

TEST_CASE("each input of the fuzzer's corpus gets the status that its name says") {
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator{"tests/fuzz/corpus/http"}) {
        const std::string name = file.path().filename();
        INFO(name);
        std::ifstream stream{file.path(), std::ios::binary};
        CHECK(try_input(std::string{std::istreambuf_iterator{stream}, {}}) == std::stoi(name));
        ++count;
    }
    CHECK(count >= 50);
}
