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
#include "cache.hpp"
#include "calcul.hpp"
#include "http.hpp"
#include "response.hpp"

/// Where the files are, and what is known of them.
struct Files {
    Fd directory;  ///< see find_inside()
    Cache cache{};
    /// The kept file that was looked at last, since poll returned: its target, its type and what is
    /// kept. Whom poll announced in the same round, and who asks for the same, gets it without
    /// another look: the request had begun to arrive before.
    std::string looked_for{};
    std::string_view type{};
    const Kept* seen = nullptr;
};

/// A response. Its body is its own, or that of a kept file, or that of `file`.
struct Answer {
    http::Response response;
    const Kept* kept = nullptr;  ///< good until another file is kept
    Fd file{};                   ///< found by `name`, with `status`
    std::string name{};
    struct stat status {};
};

/// What is answered when a file cannot be had, by errno. Whatever else keeps us from it is the same
/// to a stranger: it is not there (RFC 9110, 15.5.5).
inline Answer no_file() {
    return {http::page(is_shortage(errno) ? 503 : errno == EIO ? 500 : 404)};
}

/// Reads what there is of `size` bytes from the start of a file. False when it cannot be read.
inline bool read_start(const Fd& file, off_t size, std::string& content) {
    content.resize(static_cast<std::size_t>(size));
    ssize_t got = -1;
    do {
        got = pread(file.get(), content.data(), content.size(), 0);
    } while (got == -1 && errno == EINTR);
    if (got == -1) return false;
    content.resize(static_cast<std::size_t>(got));
    return true;
}

/// The file `name`. A small one is read here: then its head and body leave in one send, a disk that
/// fails still has a status to say so, and a file that has just shrunk has the length that was
/// read.
inline Answer file_answer(const http::Request& request, std::string_view name, Files& files,
                          std::time_t now) {
    constexpr off_t small = 16384;
    Found found;
    if (!find_inside(files.directory, name, found)) return no_file();
    const Kept* const kept = files.cache.find(found.status, now);
    Fd file;
    if (kept == nullptr && !(file = open_found(found))) return no_file();

    // Not in the future (RFC 9110, 8.8.2.1), and with a year of four digits (5.6.7).
    constexpr std::time_t year_1000 = -30'610'224'000;
    const std::time_t modified = std::clamp(found.status.st_mtime, year_1000, now);
    http::Response response{200, http::content_type(name)};
    response.fields =
        kept != nullptr ? kept->fields : "Last-Modified: " + http::date(modified) + "\r\n";
    const std::string& since = request.if_modified_since;
    if (!since.empty() && modified <= http::read_date(since, now)) {
        response.status = 304;
        return {std::move(response)};
    }
    if (kept != nullptr) {
        files.looked_for = request.target;
        files.type = response.type;
        files.seen = kept;
        return {std::move(response), kept};
    }
    const off_t size = found.status.st_size;
    if (size > small)
        return {std::move(response), nullptr, std::move(file), std::string{name}, found.status};
    if (!read_start(file, size, response.body)) return {http::page(500)};
    files.looked_for.clear();  // what was seen may have to go
    files.cache.keep(found.status, {response.body, response.fields}, now);
    return {std::move(response)};
}

/// What `request` is answered; `announced`: poll has said that it comes. Throws http::Refused.
inline Answer site(const http::Request& request, bool announced, Files& files, std::time_t now) {
    if (!http::is_known_method(request.method)) return {http::page(501)};
    if (request.method != "GET" && request.method != "HEAD")
        return {http::page(405, "Allow: GET, HEAD\r\n")};
    if (announced && request.target == files.looked_for && request.if_modified_since.empty())
        return {{200, files.type, files.seen->fields}, files.seen};
    const auto [path, query] = http::read_target(request.target);
    if (path == "/" || path == "/index.html")
        return {http::page(302, "Location: /static/index.html\r\n")};
    if (path == "/api/calcul") {
        Sum answer = sum(query);
        return {{answer.status, "application/json", {}, std::move(answer.json)}};
    }
    constexpr std::string_view prefix = "/static/";
    if (path.starts_with(prefix))
        return file_answer(request, std::string_view{path}.substr(prefix.size()), files, now);
    return {http::page(404)};
}
