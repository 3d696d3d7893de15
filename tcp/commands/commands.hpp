// tcp/commands/commands.hpp: a protocol of one command a line, without a socket in sight.
//
//     hello          ->  hello
//     heure          ->  2026-11-22T11:37:12+01:00
//     fichier NOM    ->  NOM SIZE, and after that line the SIZE bytes of the file
//                        erreur : NOM : fichier introuvable
//     quitter        ->  the end
//     X              ->  erreur : commande inconnue : X
//
// Unlike echo's, the answer depends on the end of the line. So we keep a line until its end has
// come, and a client that never ends one would fill our memory. But no command is long, and no name
// is longer than PATH_MAX (limits.h). A longer line is an error whatever comes next: its answer can
// start, and stream.
#pragma once

#include "../../fd.hpp"

#include <ctime>
#include <string>
#include <string_view>

/// What a line asks of the program.
enum class Wish {
    nothing,  ///< no line has come to its end
    answer,   ///< to send the text as it is
    time,     ///< to send the local time
    file,     ///< to send the file that the text names
    quit,     ///< to close; nothing that the client says after it counts
};

/// One client's commands: bytes in, wishes out.
class Commands {
  public:
    static constexpr std::size_t longest = 8 + 4096;  ///< bytes kept: `fichier `, and PATH_MAX

    /// Takes the next of what the client sends, cut anywhere, once next() has said `nothing`.
    void receive(std::string_view bytes) {
        if (!quit_) received_ += bytes;
    }

    /// The client has half-closed: a last line without its newline is a line. False when there is
    /// none.
    bool end() {
        if (received_.empty() && place_ == Place::line_start) return false;
        received_ += '\n';
        return true;
    }

    /// The next wish; `text` is its text, where it has one.
    Wish next(std::string& text) {
        std::string_view rest = received_;
        rest.remove_prefix(answered_);
        const auto newline = rest.find('\n');
        const bool whole = newline != rest.npos;
        if (!whole && rest.size() <= (place_ == Place::line_start ? longest : 0)) {
            forget_answered();
            return Wish::nothing;
        }
        // Too long when it comes in one piece, too: where TCP cuts makes no difference.
        const bool is_kept = whole && newline <= longest;
        text = rest.substr(0, newline);
        answered_ += text.size() + (whole ? 1 : 0);

        if (place_ == Place::line_start) {
            if (whole && text == "heure") return Wish::time;
            if (whole && text == "quitter") return quit();
            if (whole && text == "hello") {
                text += '\n';
                return Wish::answer;
            }
            const bool file = text.starts_with("fichier ");
            if (file) text.erase(0, text.find(' ') + 1);
            if (file && is_kept) return Wish::file;
            place_ = file ? Place::long_name : Place::unknown_command;
            text.insert(0, file ? error : unknown);
        }
        if (whole) {
            text += place_ == Place::long_name ? not_found : "\n";
            place_ = Place::line_start;
        }
        return Wish::answer;
    }

    /// The line before a file, and the one in its place.
    static std::string found(const std::string& name, long long size) {
        return name + ' ' + std::to_string(size) + '\n';
    }
    static std::string missing(const std::string& name) { return error + name + not_found; }

  private:
    /// What the next byte belongs to. In a line that is an error, the answer has begun already.
    enum class Place { line_start, unknown_command, long_name };

    static constexpr auto error = "erreur : ";
    static constexpr auto unknown = "erreur : commande inconnue : ";
    static constexpr auto not_found = " : fichier introuvable\n";

    Wish quit() {
        quit_ = true;
        answered_ = received_.size();
        return Wish::quit;
    }

    /// A silent client owns no more memory than the line that it has begun.
    void forget_answered() {
        received_.erase(0, answered_);
        received_.shrink_to_fit();
        answered_ = 0;
    }

    std::string received_{};
    std::size_t answered_ = 0;  ///< bytes of it
    Place place_ = Place::line_start;
    bool quit_ = false;
};

/// `when` in the local time zone (environ(7): TZ) as RFC 3339, 5.6 has it:
/// 2026-11-22T11:37:12+01:00.
inline std::string rfc3339(std::time_t when) {
    std::tm local{};
    localtime_r(&when, &local);
    char text[40];
    const std::size_t length = std::strftime(text, sizeof text, "%FT%T%z", &local);
    return std::string{text, length}.insert(length - 2, ":");  // %z is +0100
}
