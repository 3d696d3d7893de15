// tcp/resolver.hpp: digits are addresses at once; a name is looked up by a thread, which says when
// it is done.
#include "../../tcp/resolver.hpp"

#include "catch.hpp"

TEST_CASE("an address in digits is no name") {
    for (const char* host : {"127.0.0.1", "0.0.0.0", "::1", "fd00::4", "::ffff:10.0.0.1"}) {
        INFO(host);
        CHECK_FALSE(is_name({host, "80"}));
    }
}

TEST_CASE("whatever has to be looked up is a name") {
    for (const char* host :
         {"localhost", "roucas101.etu", "256.0.0.1", "1.2.3.4.5", "[::1]", "a b", "fe80::1%lo"}) {
        INFO(host);
        CHECK(is_name({host, "80"}));
    }
}

TEST_CASE("digits have their address at once, and take no thread and no pipe") {
    Resolver resolver{false};
    CHECK_FALSE(resolver.done());
    const auto look_up = resolver.start({"127.0.0.1", "80"}, 7);
    REQUIRE(look_up);
    CHECK_FALSE(look_up->in_thread);
    CHECK(look_up->error == 0);
    REQUIRE(look_up->addresses);
    CHECK(tcp::text(look_up->addresses->ai_addr, look_up->addresses->ai_addrlen) == "127.0.0.1:80");
}

TEST_CASE("digits beside names take no thread either") {
    Resolver resolver{true};
    const auto look_up = resolver.start({"::1", "80"}, 7);
    REQUIRE(look_up);
    CHECK_FALSE(look_up->in_thread);
    CHECK(look_up->error == 0);
}

TEST_CASE("a name is looked up by a thread, which says its number when it is done") {
    Resolver resolver{true};
    const auto look_up = resolver.start({"localhost", "80"}, 7);
    REQUIRE(look_up);
    CHECK(look_up->in_thread);
    pollfd polled{resolver.done().get(), POLLIN, 0};
    REQUIRE(poll(&polled, 1, 30'000) == 1);
    std::size_t number = 0;
    REQUIRE(read(polled.fd, &number, sizeof number) == sizeof number);
    CHECK(number == 7);
    CHECK(look_up->error == 0);
    CHECK(look_up->addresses);
}
