// tcp/web/client.hpp: what tcp/web knows of a client, and how it comes to owe it an answer.
#pragma once

#include "../../fd.hpp"

#include <sys/socket.h>

#include <cstdint>
#include <limits>
#include <string>

#include "../../server.hpp"
#include "../keepalive.hpp"
#include "../outgoing.hpp"
#include "../wall_clock.hpp"
#include "http.hpp"
#include "response.hpp"
#include "site.hpp"

/// A moment, by clock_ms(), that does not come.
inline constexpr auto never = std::numeric_limits<std::int64_t>::max();

/// How far a conversation is.
enum class Stage {
    open,   ///< the client may ask for more
    last,   ///< what it is owed is the last answer
    ended,  ///< we have said our end; what still comes is thrown away until the peer ends too
    over,   ///< both have: it is there until the peer has taken all
};

struct Client {
    Fd fd;
    std::string peer;            ///< its address, for the log
    std::int64_t heard;          ///< when it had its last turn, by clock_ms()
    std::int64_t until = never;  ///< our patience, with a head that has begun or with its end
    Stage stage = Stage::open;
    std::string received{};  ///< what is not answered yet
    http::Parser parser{};   ///< of the request that it starts with
    Outgoing owed{};
    int left = -1;          ///< bytes that were on their way to it when make_room looked
    std::int64_t took = 0;  ///< when that was seen to be other than before
};

/// Whether requests have come that the parser has not looked at: there was no room for answers.
inline bool has_unanswered(const Client& client) {
    return client.stage == Stage::open && !client.received.empty() && client.parser.length() == 0;
}

/// For the peer to end, in milliseconds, once it has all that we have sent.
inline constexpr int end_time = 2'000;

/// Our end, when all is sent; a half of the end only. close(2) with unread input is a reset, which
/// may overtake our answer (RFC 9112, 9.6).
inline void end(Client& client, std::int64_t now) {
    shutdown(client.fd.get(), SHUT_WR);
    client.stage = Stage::ended;
    client.until = now + end_time;
    client.received.clear();
    client.parser = {};
}

/// Whether a client has more time to end: what we have sent may still be on its way, by a network
/// that is gone for a while, or to a client that reads little. Who has vanished is found by
/// tcp::Rounds.
inline bool is_waited_for(Client& client, std::int64_t now) {
    const int beat = client.stage == Stage::over ? 100 : end_time;
    client.until = (now / beat + 1) * beat;  // one for all: each time, poll looks at everybody
    return tcp::is_owed_at_the_end(client.fd);
}

/// The peer has said its end. See tcp::Rounds::see_off(); here it stays in the list, for it may
/// have to make room.
inline bool see_off(Client& client, std::int64_t now) {
    client.stage = Stage::over;
    return is_waited_for(client, now);
}

/// Owes the client `answer` to the request that its parser has read, or has read a part of.
inline void respond(Client& client, Answer answer) {
    client.until = never;
    client.left = -1;  // an answer may be as long as the one before
    const http::Request& request = client.parser.request();
    // A body would be of no use to us. We do not look for its end, so that nothing that follows can
    // be taken for a request.
    if (!request.keep_alive || request.body) client.stage = Stage::last;
    const char* connection = request.minor == 0 ? "keep-alive" : "";
    if (client.stage == Stage::last) connection = "close";
    const std::string_view body = answer.kept ? answer.kept->content : answer.response.body;
    const off_t length = answer.file ? answer.status.st_size : static_cast<off_t>(body.size());
    client.owed.add(http::head(answer.response, length, connection, wall_clock()));
    const bool with_body = request.method != "HEAD";
    if (with_body) {
        client.owed.add(body);
        client.owed.add(std::move(answer.file), answer.status, answer.name);
    }
    const bool is_known = !request.method.empty();
    const std::string_view method = is_known ? request.method : std::string_view{"-"};
    const std::string_view target = is_known ? request.target : std::string_view{"-"};
    standard_log().add({client.peer, " ", method, " ", target.substr(0, 1000), " ",
                        std::to_string(answer.response.status), " ",
                        std::to_string(with_body ? length : 0)});
}

/// Answers with an error, and no more after it: nobody knows where the next request would start.
inline void respond_last(Client& client, int status) {
    client.stage = Stage::last;
    respond(client, {http::page(status)});
}
