// fd.hpp: who closes a descriptor, and when.
#include "../../fd.hpp"

#include <fcntl.h>

#include "catch.hpp"

namespace {

Fd open_something() {
    return Fd{check("open", open("/dev/null", O_RDONLY))};
}
bool is_open(int fd) {
    return fcntl(fd, F_GETFD) != -1;
}

}  // namespace

TEST_CASE("an Fd closes its descriptor at the end of its scope") {
    int number = -1;
    {
        const Fd fd = open_something();
        number = fd.get();
        REQUIRE(is_open(number));
    }
    REQUIRE_FALSE(is_open(number));
}

TEST_CASE("an empty Fd is false, and a full one true") {
    REQUIRE_FALSE(Fd{});
    REQUIRE_FALSE(Fd{-1});
    REQUIRE(open_something());
}

TEST_CASE("moving from an Fd empties it and keeps the descriptor open") {
    Fd from = open_something();
    const int number = from.get();
    const Fd to{std::move(from)};
    REQUIRE_FALSE(from);
    REQUIRE(to.get() == number);
    REQUIRE(is_open(number));
}

TEST_CASE("assigning to an Fd closes what it had") {
    Fd fd = open_something();
    const int old = fd.get();
    fd = Fd{};
    REQUIRE_FALSE(is_open(old));
}

TEST_CASE("an Fd survives being moved to itself") {
    Fd fd = open_something();
    Fd& same = fd;
    fd = std::move(same);
    REQUIRE(is_open(fd.get()));
}

TEST_CASE("release gives the descriptor away, open") {
    Fd fd = open_something();
    const int number = fd.release();
    REQUIRE_FALSE(fd);
    REQUIRE(is_open(number));
    close(number);
}

TEST_CASE("errno outlives an Fd") {
    {
        const Fd not_open{9999};  // close fails with EBADF
        errno = EMFILE;
    }
    REQUIRE(errno == EMFILE);
}

TEST_CASE("check passes a result on as it is") {
    REQUIRE(check("call", 0) == 0);
    REQUIRE(check("call", 7L) == 7L);
}

TEST_CASE("check turns -1 into an exception that names the call and the errno") {
    errno = EADDRINUSE;
    REQUIRE_THROWS_WITH(check("bind 127.0.0.1:9090", -1),
                        "bind 127.0.0.1:9090: Address already in use");
    errno = EADDRINUSE;
    try {
        check("bind", -1);
    } catch (const std::system_error& error) {
        REQUIRE(error.code() == std::errc::address_in_use);
    }
}
