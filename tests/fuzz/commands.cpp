// What a client of tcp/commands may send, for libFuzzer: `make fuzz`. The unit test replays the
// corpus, each input of which begins its name with how many lines of it are answered.
//
// An input is how many bytes come at a time, in one byte, and then what a connection sends until
// its half-close.
#include "../../tcp/commands/commands.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

void insist(bool true_of_every_input) {
    if (!true_of_every_input) std::abort();
}

/// What is answered to `bytes` that come `piece` at a time, where there is no file and no clock.
std::string answered(std::string_view bytes, std::size_t piece) {
    Commands commands;
    std::string all;
    const auto take_all = [&] {
        std::string text;
        for (Wish wish{}; (wish = commands.next(text)) != Wish::nothing;) {
            if (wish == Wish::answer) all += text;
            if (wish == Wish::time) all += "<time>";
            if (wish == Wish::file) all += Commands::missing(text);
            if (wish == Wish::quit) all += "<quit>";
        }
    };
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
        commands.receive(bytes.substr(0, piece));
        take_all();
    }
    if (commands.end()) take_all();
    insist(!commands.end());
    return all;
}

/// What the protocol says, line by line; `count`: of how many lines.
std::string expected(std::string_view bytes, std::size_t& count) {
    std::string all;
    for (count = 0; !bytes.empty(); ++count) {
        const auto newline = bytes.find('\n');
        const std::string line{bytes.substr(0, newline)};
        bytes.remove_prefix(newline == bytes.npos ? bytes.size() : newline + 1);
        if (line == "quitter") {
            ++count;
            return all + "<quit>";
        }
        if (line == "hello") {
            all += "hello\n";
        } else if (line == "heure") {
            all += "<time>";
        } else if (line.starts_with("fichier ")) {
            all += "erreur : " + line.substr(8) + " : fichier introuvable\n";
        } else {
            all += "erreur : commande inconnue : " + line + '\n';
        }
    }
    return all;
}

/// Aborts where something that must hold of every input does not. Returns how many lines are
/// answered.
std::size_t try_commands(std::string_view input) {
    if (input.empty()) return 0;
    const auto piece = static_cast<unsigned char>(input[0]) + std::size_t{1};
    const std::string_view bytes = input.substr(1);
    std::size_t count = 0;
    const std::string wanted = expected(bytes, count);
    insist(answered(bytes, piece) == wanted);
    insist(answered(bytes, bytes.size() + 1) == wanted);
    return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try_commands({reinterpret_cast<const char*>(data), size});
    return 0;
}
