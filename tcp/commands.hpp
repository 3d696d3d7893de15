// tcp/commands.hpp: a protocol of one command a line, without a socket in sight.
//
//     hello          ->  hello
//     heure          ->  2026-11-22T11:37:12+01:00
//     fichier NOM    ->  NOM SIZE, and after that line the SIZE bytes of the file
//                        erreur : NOM : fichier introuvable
//     quitter        ->  the end
//     X              ->  erreur : commande inconnue : X
//
// The answer depends on the end of the line, unlike echo's: so we keep a line until its end has
// come, and a client that never ends one would fill our memory. But no command is long, and no name
// is longer than PATH_MAX (limits.h): what is longer is an error whatever comes next, and its
// answer can start, and stream.
#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <utility>

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
    static constexpr std::size_t longest = 4096;  ///< bytes of a line that we keep: PATH_MAX

    /// Takes the next of what the client sends, cut anywhere.
    void receive(std::string_view bytes) {
        received_.erase(0, answered_);
        answered_ = 0;
        if (!quit_) received_ += bytes;
    }

    /// The client has half-closed: a last line without its newline is a line. False when there is
    /// none.
    bool end() {
        const bool unfinished =
            answered_ < received_.size() ? received_.back() != '\n' : !ending_.empty();
        if (unfinished) received_ += '\n';
        return unfinished;
    }

    /// The next wish; `text` is its text, where it has one.
    Wish next(std::string& text) {
        const std::string_view rest = std::string_view{received_}.substr(answered_);
        const auto newline = rest.find('\n');
        const bool whole = newline != rest.npos;
        if (!whole && rest.size() <= (ending_.empty() ? longest : 0)) return Wish::nothing;
        text = rest.substr(0, newline);
        answered_ += text.size() + (whole ? 1 : 0);

        if (ending_.empty()) {  // at the start of a line
            if (whole && text == "heure") return Wish::time;
            if (whole && text == "quitter") {
                quit_ = true;
                answered_ = received_.size();
                return Wish::quit;
            }
            const bool file = text.starts_with("fichier ");
            if (file) text.erase(0, text.find(' ') + 1);
            if (file && whole) return Wish::file;
            ending_ = file ? not_found : "\n";
            if (file) text.insert(0, error);
            if (!file && !(whole && text == "hello")) text.insert(0, unknown);
        }
        if (whole) text += std::exchange(ending_, {});
        return Wish::answer;
    }

    /// The line before a file, and the one in its place.
    static std::string found(const std::string& name, long long size) {
        return name + ' ' + std::to_string(size) + '\n';
    }
    static std::string missing(const std::string& name) { return error + name + not_found; }

  private:
    static constexpr auto error = "erreur : ";
    static constexpr auto unknown = "erreur : commande inconnue : ";
    static constexpr auto not_found = " : fichier introuvable\n";

    std::string received_;
    std::size_t answered_ = 0;  // bytes of it
    std::string_view
        ending_{};  // of the answer under way to a long line; empty: at the start of a line
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
