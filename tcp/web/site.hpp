// tcp/web/site.hpp: which request gets which response, without a socket in sight.
//
//     /  /index.html     ->  302, /static/index.html
//     /static/NAME       ->  the file NAME of the directory that is served, or 304
//     /api/calcul        ->  tcp/web/calcul.hpp
#pragma once

#include "../../fd.hpp"

#include <algorithm>
#include <utility>

#include "../../inside.hpp"
#include "../../server.hpp"
#include "calcul.hpp"
#include "http.hpp"
#include "response.hpp"

/// A response. Where `file` is open, its first `size` bytes are the body.
struct Answer {
    http::Response response;
    Fd file{};
    off_t size = 0;
};

/// The file `name`. A small one is read here: then its head and body leave in one send, a disk that
/// fails still has a status to say so, and a file that has just shrunk has the length that was
/// read.
inline Answer file_answer(const std::string& name, const std::string& if_modified_since,
                          const Fd& directory, std::time_t now) {
    constexpr off_t small = 16384;
    struct stat status {};
    Fd file = open_inside(directory, name, status);
    // Whatever else keeps us from it is the same to a stranger: it is not there (RFC 9110, 15.5.5).
    if (!file) return {http::page(is_shortage(errno) ? 503 : errno == EIO ? 500 : 404)};

    const std::time_t modified = std::min(status.st_mtime, now);  // RFC 9110, 8.8.2.1
    http::Response response{200, http::content_type(name),
                            "Last-Modified: " + http::date(modified) + "\r\n"};
    if (!if_modified_since.empty() && modified <= http::read_date(if_modified_since, now)) {
        response.status = 304;
        return {std::move(response)};
    }
    if (status.st_size > small) return {std::move(response), std::move(file), status.st_size};
    response.body.resize(static_cast<std::size_t>(status.st_size));
    ssize_t got = -1;
    do {
        got = pread(file.get(), response.body.data(), response.body.size(), 0);
    } while (got == -1 && errno == EINTR);
    if (got == -1) return {http::page(500)};
    response.body.resize(static_cast<std::size_t>(got));
    return {std::move(response)};
}

/// What `request` is answered. `directory`: see open_inside(). Throws http::Refused.
inline Answer site(const http::Request& request, const Fd& directory, std::time_t now) {
    if (!http::is_known_method(request.method)) return {http::page(501)};
    if (request.method != "GET" && request.method != "HEAD")
        return {http::page(405, "Allow: GET, HEAD\r\n")};
    const auto [path, query] = http::read_target(request.target);
    if (path == "/" || path == "/index.html")
        return {http::page(302, "Location: /static/index.html\r\n")};
    if (path == "/api/calcul") {
        Sum answer = sum(query);
        return {{answer.status, "application/json", {}, std::move(answer.json)}};
    }
    constexpr std::string_view files = "/static/";
    if (path.starts_with(files))
        return file_answer(path.substr(files.size()), request.if_modified_since, directory, now);
    return {http::page(404)};
}
