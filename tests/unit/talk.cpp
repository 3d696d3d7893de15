// broadcast/talk.hpp: whole messages, however the bytes are cut.
#include "../../broadcast/talk.hpp"

#include <set>

#include "catch.hpp"

using namespace std::string_literals;

namespace {

std::string text(const Log& log) {
    return std::string{log.between(0, log.end())};
}

/// What the room hears when K3x says `bytes` in pieces of `piece`, and then is silent.
std::string said(std::string_view bytes, std::size_t piece) {
    Log log;
    Talker talker{"K3x"};
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        REQUIRE(talker.say(bytes.substr(at, piece), log));
    return text(log);
}

std::string said(std::string_view bytes) {
    return said(bytes, bytes.size() + 1);
}

const std::string prefix = "Message de K3x : ";

}  // namespace

TEST_CASE("a line is a message") {
    REQUIRE(said("salut\n") == "Message de K3x : salut\n");
}

TEST_CASE("a newcomer is greeted, and announced; so is its leaving") {
    Log log;
    const Talker talker{"K3x"};
    REQUIRE(talker.greeting() == "je suis : K3x\n");
    talker.enter(log);
    talker.leave(log);
    REQUIRE(text(log) == "K3x est connecté\nK3x est déconnecté\n");
}

TEST_CASE("an empty line is a message, and the longest answer for its bytes") {
    REQUIRE(said("\n") == "Message de K3x : \n");
    REQUIRE(said(std::string(1000, '\n')).size() == 18'000);
}

TEST_CASE("a line is not heard before its end") {
    REQUIRE(said("un\ndeu") == "Message de K3x : un\n");
}

TEST_CASE("a last line without its newline is a message") {
    Log log;
    Talker talker{"K3x"};
    REQUIRE(talker.say("un\ndeux", log));
    talker.end(log);
    REQUIRE(text(log) == "Message de K3x : un\nMessage de K3x : deux\n");
}

TEST_CASE("nothing is no message") {
    Log log;
    Talker talker{"K3x"};
    REQUIRE(talker.say("un\n", log));
    talker.end(log);
    REQUIRE(text(log) == "Message de K3x : un\n");
}

TEST_CASE("where a message's bytes are cut changes nothing") {
    const auto bytes = "un\n\n\ndeux\r\ntrois\0quatre\n \xff\xfe é\\n\t\n"s;
    const auto messages = prefix + "un\n" + prefix + '\n' + prefix + '\n' + prefix + "deux\r\n" +
                          prefix + "trois\0quatre\n"s + prefix + " \xff\xfe é\\n\t\n";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
        REQUIRE(said(bytes, piece) == messages);
}

TEST_CASE("two who speak at once do not mix") {
    Log log;
    Talker one{"111"};
    Talker two{"222"};
    REQUIRE(one.say("bon", log));
    REQUIRE(two.say("sa", log));
    REQUIRE(one.say("jour\n", log));
    REQUIRE(two.say("lut\n", log));
    REQUIRE(text(log) == "Message de 111 : bonjour\nMessage de 222 : salut\n");
}

TEST_CASE("a line of 64 KiB is a message, however it is cut") {
    const std::string line(65'536, 'x');
    for (const std::size_t piece : {1, 16'384, 65'535, 65'536, 65'537})
        REQUIRE(said(line + '\n', piece) == prefix + line + '\n');
}

TEST_CASE("a line of 64 KiB that the end of the stream ends is a message") {
    Log log;
    Talker talker{"K3x"};
    REQUIRE(talker.say(std::string(65'536, 'x'), log));
    talker.end(log);
    REQUIRE(text(log) == prefix + std::string(65'536, 'x') + '\n');
}

TEST_CASE(
    "a line of 64 KiB and 1 is none, with its newline or before it comes, however it is cut") {
    for (const std::string& line : {std::string(65'537, 'x'), std::string(65'537, 'x') + '\n'}) {
        for (const std::size_t first : {1, 65'535, 65'536}) {
            Log log;
            Talker talker{"K3x"};
            REQUIRE(talker.say(line.substr(0, first), log));
            REQUIRE_FALSE(talker.say(line.substr(first), log));
            REQUIRE(text(log).empty());
        }
    }
}

TEST_CASE("what was said before a line that is too long is heard") {
    Log log;
    Talker talker{"K3x"};
    REQUIRE_FALSE(talker.say("un\ndeux\n" + std::string(65'537, 'x'), log));
    REQUIRE(text(log) == prefix + "un\n" + prefix + "deux\n");
}

TEST_CASE("a name is three letters or digits, and never one that is taken") {
    std::mt19937 random{2026};
    std::set<std::string> taken;
    for (int i = 0; i < 10'000; ++i) {
        const std::string name = new_name(
            random, [&](const std::string& candidate) { return taken.contains(candidate); });
        REQUIRE(name.size() == 3);
        REQUIRE(name.find_first_not_of(
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == name.npos);
        REQUIRE(taken.insert(name).second);
    }
}

TEST_CASE("a name that is taken is drawn again") {
    std::mt19937 random{2026};
    int refused = 0;
    new_name(random, [&](const std::string&) { return ++refused <= 100; });
    REQUIRE(refused == 101);
}
