// broadcast/talk.hpp: what is said, and by whom. No socket in sight.
//
//     to the newcomer    je suis : ME
//     to the others      ME est connecté ... ME est déconnecté
//     X, to everyone     Message de ME : X
//
// TCP carries bytes, not lines: one recv may return half a line, or a thousand of them. Two people
// speak at once, so a line must be whole before it goes into the log: the beginning of one waits
// with its talker.
#pragma once

#include <random>
#include <string>
#include <string_view>

#include "log.hpp"

/// What a client is told when there is no room for it.
inline constexpr std::string_view full = "serveur complet\n";

/// What a client is told, last of all, when its line is over Talker::longest.
inline constexpr std::string_view too_long = "erreur : ligne trop longue\n";

/// Three characters of [A-Za-z0-9], drawn until `is_taken(name)` is false. There are 238,328 names:
/// among a thousand clients one draw nearly always does.
template <typename IsTaken>
std::string new_name(std::mt19937& random, IsTaken is_taken) {
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::uniform_int_distribution<std::size_t> any{0, letters.size() - 1};
    std::string name(3, '?');
    do {
        for (char& letter : name) letter = letters[any(random)];
    } while (is_taken(name));
    return name;
}

/// One client's voice: bytes in, whole messages out.
class Talker {
  public:
    static constexpr std::size_t longest = 65'536;  ///< bytes of a line, its newline not counted

    explicit Talker(std::string name) : name_{std::move(name)} {}
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::string greeting() const { return "je suis : " + name_ + '\n'; }

    void enter(Log& log) const { log.append(name_, " est connecté\n"); }
    void leave(Log& log) const { log.append_news(name_, " est déconnecté\n"); }

    /// Puts into the log the lines that `bytes`, the next of what the client sends, cut anywhere,
    /// complete. Every byte but '\n' is passed through. The worst case is a run of empty lines: 18
    /// bytes for each. False when a line is too long: those before it are said, nothing after it is
    /// to be.
    [[nodiscard]] bool say(std::string_view bytes, Log& log) {
        for (;;) {
            const auto newline = bytes.find('\n');
            const auto piece = bytes.substr(0, newline);
            if (begun_.size() + piece.size() > longest) return false;
            if (newline == bytes.npos) {
                begun_ += piece;
                return true;
            }
            end_line(piece, log);
            bytes.remove_prefix(newline + 1);
        }
    }

    /// There is nothing more to come: a last line without its newline is a message.
    void end(Log& log) {
        if (!begun_.empty()) end_line({}, log);
    }

  private:
    void end_line(std::string_view rest, Log& log) {
        log.append("Message de ", name_, " : ", begun_, rest, "\n");
        begun_.clear();
        begun_.shrink_to_fit();  // a silent client owns no buffer
    }

    std::string name_;
    std::string begun_{};
};
