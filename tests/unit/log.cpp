// broadcast/log.hpp: one log, many cursors, and the patience with slow ones.
#include "../../broadcast/log.hpp"

#include "catch.hpp"

using namespace std::string_literals;

namespace {

/// Takes what is owed, `at_most` bytes at a time, until there is nothing.
std::string take_all(Cursor& cursor, const Log& log, std::size_t at_most = 1000) {
    std::string taken;
    while (!cursor.owed(log).empty()) {
        const auto piece = cursor.owed(log).substr(0, at_most);
        taken += piece;
        cursor.advance(piece.size());
    }
    return taken;
}

constexpr std::int64_t start = 3'600'000;  // milliseconds, as all times here

}  // namespace

TEST_CASE("what is appended in pieces is there in one") {
    Log log;
    log.append("Message de ", "K3x"s, " : salut\n");
    REQUIRE(log.between(0, log.end()) == "Message de K3x : salut\n");
}

TEST_CASE("a position stays the same when what lies before it is forgotten") {
    Log log;
    log.append("un\ndeux\n");
    log.forget(3);
    log.append("trois\n");
    REQUIRE(log.between(3, 8) == "deux\n");
    REQUIRE(log.between(8, log.end()) == "trois\n");
    REQUIRE(log.end() == 14);
}

TEST_CASE("the log is as long as the slowest is behind") {
    Log log;
    log.append(std::string(1000, 'x'));
    REQUIRE(log.size() == 1000);
    log.forget(10);  // too little to be worth erasing
    REQUIRE(log.size() == 990);
    log.forget(1000);
    REQUIRE(log.size() == 0);
}

TEST_CASE("what everyone has read is as good as forgotten: a log that is read goes on for ever") {
    Log log;
    for (int i = 0; i < 100'000; ++i) {
        log.append(std::string(100, 'x'));
        if (i >= 10) log.forget(log.end() - 1000);
        const auto first = log.between(log.end() - log.size(), log.end()).data();
        // Both ends are in one string; the slowest is 1,000 bytes behind, and as much may be
        // waiting to be erased.
        REQUIRE(log.between(log.end(), log.end()).data() - first <= 2100);
    }
    REQUIRE(log.end() == 10'000'000);
}

TEST_CASE("a cursor is owed its greeting, then what is said from where it came") {
    Log log;
    log.append("avant\n");
    Cursor cursor{log.end(), "je suis : K3x\n"};
    log.append("après\n");
    REQUIRE(take_all(cursor, log) == "je suis : K3x\naprès\n");
    log.append("encore\n");
    REQUIRE(take_all(cursor, log) == "encore\n");
}

TEST_CASE("a cursor that has left is owed what was said until then, and its farewell") {
    Log log;
    Cursor cursor{log.end(), "je suis : K3x\n"};
    log.append("avant\n");
    cursor.leave(log.end(), "adieu\n");
    log.append("après\n");
    REQUIRE(take_all(cursor, log) == "je suis : K3x\navant\nadieu\n");
}

TEST_CASE("the farewell waits for the log, however little at a time is taken") {
    for (std::size_t at_most = 1; at_most < 40; ++at_most) {
        Log log;
        Cursor cursor{log.end(), "je suis : K3x\n"};
        log.append("un\ndeux\n");
        cursor.leave(log.end(), "adieu\n");
        log.append("trois\n");
        REQUIRE(take_all(cursor, log, at_most) == "je suis : K3x\nun\ndeux\nadieu\n");
    }
}

TEST_CASE("a cursor that has nothing to hear when it leaves gets its farewell at once") {
    Log log;
    log.append("avant\n");
    Cursor cursor{log.end(), ""};
    cursor.leave(log.end(), "adieu\n");
    REQUIRE(take_all(cursor, log) == "adieu\n");
}

TEST_CASE("cursors do not know of each other") {
    Log log;
    Cursor slow{log.end(), ""};
    Cursor quick{log.end(), ""};
    log.append("un\n");
    REQUIRE(take_all(quick, log) == "un\n");
    log.append("deux\n");
    REQUIRE(take_all(quick, log) == "deux\n");
    log.forget(slow.at());
    REQUIRE(take_all(slow, log, 2) == "un\ndeux\n");
    REQUIRE(slow.at() == quick.at());
}

TEST_CASE("a position lies beyond 4 GiB, and what is owed from there is whole") {
    Log log;
    const std::string piece(std::size_t{64} * 1024 * 1024, 'x');
    for (int i = 0; i < 65; ++i) {
        log.append(piece);
        log.forget(log.end());
    }
    REQUIRE(log.end() > std::uint64_t{4} * 1024 * 1024 * 1024);
    Cursor cursor{log.end(), ""};
    log.append("encore\n");
    REQUIRE(take_all(cursor, log) == "encore\n");
}

TEST_CASE("news that a client has left need no memory, however many come at once") {
    Log log;
    log.append("avant\n");
    const auto* const before = log.between(0, log.end()).data();
    for (int i = 0; i < 1024; ++i) log.append_news("K3x", " est déconnecté\n");
    REQUIRE(log.between(0, log.end()).data() == before);
}

TEST_CASE("nobody is lost whom nobody waits for") {
    Patience patience;
    REQUIRE_FALSE(patience.is_lost(false, 0, start));
    REQUIRE_FALSE(patience.is_lost(false, 0, start + 3'600'000));
    REQUIRE_FALSE(patience.is_running());
}

TEST_CASE("who is awaited is lost after five seconds, not before") {
    Patience patience;
    REQUIRE_FALSE(patience.is_lost(true, 0, start));
    REQUIRE(patience.is_running());
    REQUIRE_FALSE(patience.is_lost(true, 65'535, start + 4999));
    REQUIRE(patience.is_lost(true, 65'535, start + 5000));
}

TEST_CASE("64 KiB in five seconds are enough, and the next five seconds begin at once") {
    Patience patience;
    patience.is_lost(true, 0, start);
    REQUIRE_FALSE(patience.is_lost(true, 65'536, start + 5000));
    REQUIRE(patience.is_running());
    REQUIRE_FALSE(patience.is_lost(true, 65'536, start + 9999));
    REQUIRE(patience.is_lost(true, 65'536, start + 10'000));
}

TEST_CASE("patience that has begun is not stopped by catching up a little") {
    Patience patience;
    patience.is_lost(true, 0, start);
    REQUIRE_FALSE(patience.is_lost(false, 1, start + 1000));
    REQUIRE(patience.is_running());
    REQUIRE_FALSE(patience.is_lost(true, 1, start + 2000));
    REQUIRE(patience.is_lost(true, 2, start + 5000));
}

TEST_CASE("patience is over when there was progress and nobody waits any more") {
    Patience patience;
    patience.is_lost(true, 0, start);
    REQUIRE_FALSE(patience.is_lost(false, 65'536, start + 1000));
    REQUIRE_FALSE(patience.is_running());
    REQUIRE_FALSE(patience.is_lost(false, 65'536, start + 3'600'000));
}
