// tcp/commands/commands.hpp: the wishes, however the bytes are cut.
#include "../../tcp/commands/commands.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "catch.hpp"

// Its name is every fuzzer's, and can be defined once in a program.
#define LLVMFuzzerTestOneInput fuzz_commands
#include "../fuzz/commands.cpp"

using namespace std::string_literals;

namespace {

/// The wishes of `bytes`, received `piece` at a time: the answers one after the other, the rest
/// between < and >.
std::string wishes(std::string_view bytes, std::size_t piece, bool half_close = true) {
    Commands commands;
    std::string all;
    const auto take = [&] {
        std::string text;
        for (Wish wish{}; (wish = commands.next(text)) != Wish::nothing;) {
            if (wish == Wish::answer) all += text;
            if (wish == Wish::time) all += "<time>";
            if (wish == Wish::file) all += "<file " + text + '>';
            if (wish == Wish::quit) all += "<quit>";
        }
    };
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        commands.receive(bytes.substr(at, piece));
        take();
    }
    if (half_close && commands.end()) take();
    return all;
}

std::string wishes(std::string_view bytes) {
    return wishes(bytes, bytes.size() + 1);
}

}  // namespace

TEST_CASE("each command has its wish") {
    CHECK(wishes("hello\n") == "hello\n");
    CHECK(wishes("heure\n") == "<time>");
    CHECK(wishes("fichier a b/c\n") == "<file a b/c>");
    CHECK(wishes("quitter\n") == "<quit>");
}

TEST_CASE("anything else is an unknown command, named as it came") {
    for (const auto& line : {""s, "Hello"s, "hello "s, " hello"s, "hello\r"s, "fichier"s,
                             "fichier\ta"s, "heure\0"s, "\xff\xfe é"s, "quitter maintenant"s}) {
        INFO(line);
        CHECK(wishes(line + '\n') == "erreur : commande inconnue : " + line + '\n');
    }
}

TEST_CASE("a name is all that follows the blank") {
    CHECK(wishes("fichier \n") == "<file >");
    CHECK(wishes("fichier   a \r\n") == "<file   a \r>");
    CHECK(wishes("fichier a\0b\n"s) == "<file a\0b>"s);
}

TEST_CASE("a last command needs no newline") {
    CHECK(wishes("hello") == "hello\n");
    CHECK(wishes("hello\nfichier a") == "hello\n<file a>");
    CHECK(wishes("hello", 9, false).empty());
    CHECK(wishes("hello\n") == "hello\n");
    CHECK(wishes("").empty());
}

TEST_CASE("nothing counts after quitter") {
    CHECK(wishes("hello\nquitter\nhello\nhello") == "hello\n<quit>");
    CHECK(wishes("quitter\n" + std::string(2 * Commands::longest, 'x'), 100) == "<quit>");
}

TEST_CASE("the answer to a line longer than we keep starts before its end, and is whole") {
    const std::string more(Commands::longest + 1, 'x');
    CHECK(wishes(more, more.size(), false) == "erreur : commande inconnue : " + more);
    CHECK(wishes("fichier " + more, 8 + more.size(), false) == "erreur : " + more);
    CHECK(wishes(more + more + "\nhello\n", 100) ==
          "erreur : commande inconnue : " + more + more + "\nhello\n");
    CHECK(wishes("fichier " + more + more + '\n', 100) ==
          "erreur : " + more + more + " : fichier introuvable\n");
    CHECK(wishes(more) == "erreur : commande inconnue : " + more + '\n');
}

TEST_CASE("the longest line that we keep is a command") {
    const std::string name(Commands::longest - "fichier "s.size(), 'x');
    CHECK(wishes("fichier " + name + '\n', 1) == "<file " + name + '>');
}

TEST_CASE("where commands are cut changes nothing") {
    const auto bytes = "hello\n\nheure\nfichier a\nxyz\r\nfichier b\nhello\nquitter\nhello"s;
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
        CHECK(wishes(bytes, piece) == wishes(bytes));
}

TEST_CASE("the words around a file") {
    CHECK(Commands::found("un nom", 5'000'000'000) == "un nom 5000000000\n");
    CHECK(Commands::missing("a") == "erreur : a : fichier introuvable\n");
}

TEST_CASE("the time is RFC 3339, with the offset of the zone") {
    const auto in_zone = [](const char* zone) {
        setenv("TZ", zone, 1);
        tzset();
        auto text = rfc3339(1795343832);
        unsetenv("TZ");
        tzset();
        return text;
    };
    CHECK(in_zone("CET-1") == "2026-11-22T11:37:12+01:00");
    CHECK(in_zone("UTC0") == "2026-11-22T10:37:12+00:00");
    CHECK(in_zone("NST3:30") == "2026-11-22T07:07:12-03:30");
}

// ---- The fuzzer's corpus -----------------------------------------

TEST_CASE("each input of the fuzzer's corpus has as many lines answered as its name says") {
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator{"tests/fuzz/corpus/commands"}) {
        const std::string name = file.path().filename();
        INFO(name);
        std::ifstream stream{file.path(), std::ios::binary};
        const std::string input{std::istreambuf_iterator{stream}, {}};
        CHECK(try_commands(input) == std::stoul(name));
        ++count;
    }
    CHECK(count >= 18);
}
