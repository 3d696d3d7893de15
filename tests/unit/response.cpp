// tcp/web/response.hpp: dates, types, and the bytes of a head.
#include "../../tcp/web/response.hpp"

#include "catch.hpp"

namespace {

constexpr std::time_t birthday = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example
constexpr std::time_t today = 1795343832;    // Sun, 22 Nov 2026 10:37:12 GMT

}  // namespace

TEST_CASE("a date is written in the fixed format") {
    CHECK(http::date(birthday) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(http::date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(http::date(-1) == "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST_CASE("a date is read in each of the three formats") {
    CHECK(http::read_date("Sun, 06 Nov 1994 08:49:37 GMT", today) == birthday);
    CHECK(http::read_date("Sunday, 06-Nov-94 08:49:37 GMT", today) == birthday);
    CHECK(http::read_date("Sun Nov  6 08:49:37 1994", today) == birthday);
    CHECK(http::read_date("Sun Nov 06 08:49:37 1994", today) == birthday);
    CHECK(http::read_date("Sun, 06 Nov 1994 08:49:60 GMT", today) == birthday + 23);
    CHECK(http::read_date("Sat, 31 Dec 2016 23:59:60 GMT", today) == 1483228800);
    CHECK(http::date(*http::read_date("Tue, 29 Feb 2028 00:00:00 GMT", today)) ==
          "Tue, 29 Feb 2028 00:00:00 GMT");
}

TEST_CASE("a year of two digits is at most fifty years ahead") {
    CHECK(http::date(*http::read_date("Sunday, 22-Nov-26 10:37:12 GMT", today)) ==
          "Sun, 22 Nov 2026 10:37:12 GMT");
    CHECK(http::date(*http::read_date("Sunday, 01-Jan-70 00:00:00 GMT", today)) ==
          "Wed, 01 Jan 2070 00:00:00 GMT");
    CHECK(http::date(*http::read_date("Sunday, 01-Jan-76 00:00:00 GMT", today)) ==
          "Wed, 01 Jan 2076 00:00:00 GMT");
    CHECK(http::date(*http::read_date("Thursday, 31-Dec-76 00:00:00 GMT", today)) ==
          "Fri, 31 Dec 1976 00:00:00 GMT");
    CHECK(http::date(*http::read_date("Sunday, 01-Jan-77 00:00:00 GMT", today)) ==
          "Sat, 01 Jan 1977 00:00:00 GMT");
}

TEST_CASE("anything else is no date") {
    for (const auto* text : {"",
                             "0",
                             "784111777",
                             "1994-11-06T08:49:37Z",
                             "Sun, 06 Nov 1994 08:49:37 +0000",
                             "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
                             "Sun, 06 Nov 1994",
                             "Sun, 32 Nov 1994 08:49:37 GMT",
                             "Sun, 06 Nov 1994 25:49:37 GMT",
                             "Dim, 06 Nov 1994 08:49:37 GMT",
                             "Sun, 6 Nov 1994 08:49:37 GMT",
                             "Sun, 06 Nov 1994 8:49:37 GMT",
                             "sun, 06 Nov 1994 08:49:37 GMT",
                             "Sunday, 06 Nov 1994 08:49:37 GMT",
                             "Sun, 06 November 1994 08:49:37 GMT",
                             "Sun, 06 Nov 1994  08:49:37 GMT",
                             "Sun,\t06 Nov 1994 08:49:37 GMT",
                             "Sun,06Nov1994 08:49:37GMT",
                             "Sun, 31 Feb 1999 08:49:37 GMT",
                             "Mon, 29 Feb 2027 08:49:37 GMT",
                             "Sun Nov 6 08:49:37 1994"}) {
        INFO(text);
        CHECK_FALSE(http::read_date(text, today));
    }
}

TEST_CASE("the head of a response, byte by byte") {
    const http::Response json{200, "application/json", {}, {}};
    CHECK(http::head(json, 27, "", birthday) ==
          "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
          "Content-Type: application/json\r\nContent-Length: 27\r\n\r\n");
    const http::Response refusal = http::page(405, "Allow: GET, HEAD\r\n");
    CHECK(http::head(refusal, 5'000'000'000, "close", birthday) ==
          "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nAllow: GET, "
          "HEAD\r\n"
          "Content-Type: text/html; charset=utf-8\r\nContent-Length: 5000000000\r\nConnection: "
          "close\r\n\r\n");
    CHECK(http::head({304, {}, {}, {}}, 0, "", birthday) ==
          "HTTP/1.1 304 Not Modified\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
}

TEST_CASE("a page says its status") {
    for (const int status : {302, 400, 404, 405, 408, 431, 500, 501, 503, 505}) {
        const auto page = http::page(status);
        CHECK(page.status == status);
        CHECK(page.body.find("<h1>" + std::to_string(status) + "</h1>\n<p>") != std::string::npos);
        CHECK(page.body.find("<p></p>") == std::string::npos);
        CHECK(http::meaning(status).status == status);
    }
}

TEST_CASE("a file's type is told by its extension") {
    CHECK(http::content_type("index.html") == "text/html; charset=utf-8");
    CHECK(http::content_type("a/b.min.js") == "text/javascript; charset=utf-8");
    CHECK(http::content_type("page.css") == "text/css; charset=utf-8");
    CHECK(http::content_type("image.svg") == "image/svg+xml");
    CHECK(http::content_type("PHOTO.JPG") == "image/jpeg");
    CHECK(http::content_type("html") == "application/octet-stream");
    CHECK(http::content_type("a.unknown") == "application/octet-stream");
    CHECK(http::content_type("a.html.exe") == "application/octet-stream");
}
