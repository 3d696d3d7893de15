// echo/reply.hpp: the answer, however the bytes are cut.
#include "../../echo/reply.hpp"

#include "catch.hpp"

using namespace std::string_literals;

namespace {

std::string answer_in_pieces(std::string_view bytes, std::size_t piece) {
    Reply reply;
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        reply.answer(bytes.substr(at, piece), out);
    return out;
}

std::string answer(std::string_view bytes) {
    return answer_in_pieces(bytes, bytes.size() + 1);
}

}  // namespace

TEST_CASE("a line is answered with its prefix") {
    REQUIRE(answer("salut\n") == "le serveur répond : salut\n");
}

TEST_CASE("nothing is answered with nothing") {
    REQUIRE(answer("").empty());
}

TEST_CASE("an empty line is a line") {
    REQUIRE(answer("\n") == "le serveur répond : \n");
}

TEST_CASE("each line has its own answer") {
    REQUIRE(answer("a\nb\n") == "le serveur répond : a\nle serveur répond : b\n");
}

TEST_CASE("a last line without its newline is answered without one") {
    REQUIRE(answer("a\nb") == "le serveur répond : a\nle serveur répond : b");
}

TEST_CASE("bytes that are not text pass through") {
    const auto bytes = "\\n\t \r\0\xff\xfe é"s;
    REQUIRE(answer(bytes + '\n') == "le serveur répond : " + bytes + '\n');
}

TEST_CASE("where the bytes are cut changes nothing") {
    const auto bytes = "un\n\n\ndeux\r\ntrois\0quatre\nfin"s;
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
        REQUIRE(answer_in_pieces(bytes, piece) == answer(bytes));
}

TEST_CASE("the worst case is the one that the comment promises") {
    REQUIRE(answer(std::string(1000, '\n')).size() == 1000 * (1 + Reply::prefix.size()));
}
