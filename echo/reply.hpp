// echo/reply.hpp: the echo protocol, without a socket in sight.
//
//     on connect   ->  Le serveur écoute.\n
//     X\n          ->  le serveur répond : X\n
//
// TCP carries bytes, not lines: one recv may return half a line, or a thousand of them. So nothing
// here waits for a whole line. The answer to a line is its prefix and then its own bytes, whatever
// they are. So an answer can start before its line has ended, and a line may be of any length. All
// there is to remember between two pieces of a line is one bit: has the prefix been written?
#pragma once

#include <string>
#include <string_view>

/// What the server says first.
inline constexpr std::string_view greeting = "Le serveur écoute.\n";

/// What a client is told, in place of the greeting, when there is no room for it.
inline constexpr std::string_view full = "serveur complet\n";

/// One client's conversation: bytes in, bytes out.
class Reply {
  public:
    static constexpr std::string_view prefix = "le serveur répond : ";

    /// Appends to `out` the answer to `bytes`, the next of what the client sends, cut anywhere.
    /// Every byte but '\n' is passed through as it is (CR, NUL, invalid UTF-8).
    void answer(std::string_view bytes, std::string& out) {
        while (!bytes.empty()) {
            if (at_line_start_) out += prefix;
            const auto newline = bytes.find('\n');
            at_line_start_ = newline != bytes.npos;
            const auto piece = bytes.substr(0, at_line_start_ ? newline + 1 : bytes.npos);
            out += piece;
            bytes.remove_prefix(piece.size());
        }
    }

  private:
    bool at_line_start_ = true;
};
