// tcp/web/response.hpp: what an HTTP/1.1 response is (RFC 9110, RFC 9112), without a socket in
// sight.
//
//     HTTP/1.1 200 OK\r\n                          status line
//     Date: Sun, 22 Nov 2026 10:37:12 GMT\r\n      fields
//     Content-Type: application/json\r\n
//     Content-Length: 27\r\n                       where the body ends: another response may follow
//     \r\n
//     {"a":2,"b":0.5,"somme":2.5}                  the body
#pragma once

#include "../../fd.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http.hpp"

namespace http {

// ---- Dates -------------------------------------------------------

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7). The last one is kept: a thousand responses a
/// second have the same Date, and strftime takes as long as a system call.
inline const std::string& date(std::time_t when) {
    static std::time_t last = 0;
    static std::string text = "Thu, 01 Jan 1970 00:00:00 GMT";
    if (std::exchange(last, when) == when) return text;
    std::tm utc{};
    gmtime_r(&when, &utc);
    char bytes[64];
    text.assign(bytes, std::strftime(bytes, sizeof bytes, "%a, %d %b %Y %H:%M:%S GMT", &utc));
    return text;
}

/// The moment that `text` names in one of the three formats that a recipient has to know; nothing
/// when in none. `now` gives a year of two digits its century: no date is more than 50 years ahead.
inline std::optional<std::time_t> read_date(const std::string& text, std::time_t now) {
    for (const auto* format : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                               "%a %b %e %H:%M:%S %Y", "%a %b %d %H:%M:%S %Y"}) {
        std::tm utc{};
        if (strptime(text.c_str(), format, &utc) == nullptr) continue;
        // It has passed over blanks and capitals, and knows no month's length. What is not written
        // as we would write it is no date (RFC 9110, 5.6.7).
        char again[64];
        const std::size_t size = std::strftime(again, sizeof again, format, &utc);
        std::tm day{utc};
        day.tm_sec = 0;  // 60: a leap second would be of the next day
        timegm(&day);
        if (text != std::string_view{again, size} || day.tm_mday != utc.tm_mday) continue;
        if (std::string_view{format}.find("%y") != std::string_view::npos) {
            std::tm latest{};
            gmtime_r(&now, &latest);
            utc.tm_year = latest.tm_year - latest.tm_year % 100 + utc.tm_year % 100;
            latest.tm_year += 50;
            if (timegm(&utc) > timegm(&latest)) utc.tm_year -= 100;
        }
        return timegm(&utc);  // POSIX since 2024; Linux, the BSDs and macOS have always had it
    }
    return {};
}

// ---- Responses ---------------------------------------------------

/// One with a body, or the head of one whose body is a file.
struct Response {
    int status = 200;
    std::string_view type = "text/html; charset=utf-8";
    std::string fields{};  ///< besides those that every response has, each with its "\r\n"
    std::string body{};
};

struct Meaning {
    int status;
    std::string_view reason;    ///< as RFC 9110, 15 has it
    std::string_view sentence;  ///< for whoever reads the page
};

/// What we have to say of a status. It has to be one of these.
inline const Meaning& meaning(int status) {
    static constexpr auto known = std::to_array<Meaning>({
        {200, "OK", ""},
        {302, "Found", "La page est ailleurs."},
        {304, "Not Modified", ""},
        {400, "Bad Request", "Cette requête n’est pas du HTTP bien formé."},
        {404, "Not Found", "Rien ne porte ce nom ici."},
        {405, "Method Not Allowed", "On ne peut que lire ici."},
        {408, "Request Timeout", "La requête a mis plus de dix secondes à arriver."},
        {431, "Request Header Fields Too Large", "L’en-tête de la requête dépasse 8192 octets."},
        {501, "Not Implemented", "Ce serveur n’offre pas cette méthode."},
        {503, "Service Unavailable", "Le serveur n’a plus de quoi répondre. Réessayez."},
        {505, "HTTP Version Not Supported", "Ce serveur parle HTTP/1.1."},
        {500, "Internal Server Error", "Le serveur n’a pas pu lire ce fichier."},
    });
    for (const Meaning& one : known) {
        if (one.status == status) return one;
    }
    return known.back();
}

/// The status line, the fields and the empty line. `length`: bytes of the body, which a 304 has
/// none of, nor a type. `connection`: what to say of the connection's future ("close",
/// "keep-alive"), or nothing where it goes without saying.
inline std::string head(const Response& response, long long length, std::string_view connection,
                        std::time_t now) {
    std::string out;
    out.reserve(512);
    out += "HTTP/1.1 ";
    out += std::to_string(response.status) + ' ';
    out += meaning(response.status).reason;
    out += "\r\nDate: ";
    out += date(now);
    out += "\r\n";
    out += response.fields;
    if (response.status != 304) {
        out += "Content-Type: ";
        out += response.type;
        out += "\r\nContent-Length: " + std::to_string(length) + "\r\n";
    }
    if (!connection.empty()) {
        out += "Connection: ";
        out += connection;
        out += "\r\n";
    }
    out += "\r\n";
    return out;
}

/// A short page that says what `status` means.
inline Response page(int status, std::string fields = {}) {
    const auto& [number, reason, sentence] = meaning(status);
    std::string body{
        "<!doctype html>\n<html lang=\"fr\">\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>"};
    body += std::to_string(number) + ' ';
    body += reason;
    body += "</title>\n<h1>" + std::to_string(number) + "</h1>\n<p>";
    body += sentence;
    body += "</p>\n<p><a href=\"/\">Accueil</a></p>\n";
    return {status, "text/html; charset=utf-8", std::move(fields), std::move(body)};
}

/// The Content-Type of a file, by its name's extension: a camera's is in capitals.
inline std::string_view content_type(std::string_view name) {
    static constexpr std::array<std::array<std::string_view, 2>, 16> known{{
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
        {".md", "text/markdown; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".pdf", "application/pdf"},
        {".wasm", "application/wasm"},
        {".woff2", "font/woff2"},
    }};
    const std::string_view own = name.substr(std::min(name.size(), name.rfind('.')));
    for (const auto& [extension, type] : known) {
        if (same(own, extension)) return type;
    }
    return "application/octet-stream";
}

}  // namespace http
