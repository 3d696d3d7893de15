// server.hpp: the list that poll looks at, and the rests.
#include "../../server.hpp"

#include <array>
#include <cstdlib>
#include <new>

#include "catch.hpp"

static bool no_memory = false;

// For the whole of these tests. A new of an array calls this, too.
void* operator new(std::size_t size) {
    void* const found = no_memory ? nullptr : std::malloc(size);
    if (found == nullptr) throw std::bad_alloc{};
    return found;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return no_memory ? nullptr : std::malloc(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace {

struct Named {
    Fd fd;
    int name;
};

Fd open_something() {
    return Fd{check("open", open("/dev/null", O_RDONLY))};
}

}  // namespace

TEST_CASE("a client's entry stands behind those that have a name") {
    PollList<Named> list{{{0, POLLIN, 0}, {1, POLLIN, 0}}};
    Fd fd = open_something();
    const int number = fd.get();
    REQUIRE(list.add({std::move(fd), 7}, POLLOUT));
    REQUIRE(list.polled.size() == 3);
    REQUIRE(list.entry(0).fd == number);
    REQUIRE(list.entry(0).events == POLLOUT);
    REQUIRE(list.clients[0].name == 7);
}

TEST_CASE("the last client takes the place of the one who goes, with its entry") {
    PollList<Named> list{{{0, POLLIN, 0}}};
    for (int i = 0; i < 3; ++i) REQUIRE(list.add({open_something(), i}, POLLIN));
    list.remove(0);
    REQUIRE(list.polled.size() == 3);
    REQUIRE(list.clients[0].name == 2);
    REQUIRE(list.entry(0).fd == list.clients[0].fd.get());
    REQUIRE(list.clients[1].name == 1);
    list.remove(1);
    list.remove(0);
    REQUIRE(list.clients.empty());
    REQUIRE(list.polled.size() == 1);
}

TEST_CASE("a client that is removed is closed") {
    PollList<Named> list{{{0, POLLIN, 0}}};
    REQUIRE(list.add({open_something(), 0}, POLLIN));
    const int number = list.entry(0).fd;
    list.remove(0);
    REQUIRE(fcntl(number, F_GETFD) == -1);
}

TEST_CASE("only a shortage of descriptors or memory starts a rest") {
    Rest rest;
    for (const int error : {EINTR, EAGAIN, ECONNABORTED, EPROTO}) rest.accept_failed(error);
    REQUIRE(rest.timeout() == -1);
    rest.accept_failed(EMFILE);
    REQUIRE(rest.timeout() > 0);
    REQUIRE(rest.timeout() <= 100);
    rest.connection_closed();
    REQUIRE(rest.timeout() == -1);
}

TEST_CASE("a shortage is no failure when there is no memory to say it, either") {
    Rest rest;
    bool thrown = false;
    no_memory = true;
    try {
        rest.accept_failed(ENOMEM);
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    no_memory = false;
    REQUIRE_FALSE(thrown);
    REQUIRE(rest.timeout() > 0);
}

TEST_CASE("what accept returned does not block, and a failure is nothing") {
    Rest rest;
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    const Fd other{ends[1]};
    const Fd client = rest.accepted(ends[0]);
    REQUIRE(client.get() == ends[0]);
    char byte = 0;
    REQUIRE(recv(client.get(), &byte, 1, 0) == -1);
    REQUIRE(later(errno));
    errno = ECONNABORTED;
    REQUIRE_FALSE(rest.accepted(-1));
}

TEST_CASE("EAGAIN and EINTR are for later, a shortage is not") {
    REQUIRE(later(EAGAIN));
    REQUIRE(later(EWOULDBLOCK));
    REQUIRE(later(EINTR));
    REQUIRE_FALSE(later(ENOMEM));
    REQUIRE_FALSE(later(ECONNRESET));
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) REQUIRE(is_shortage(error));
    REQUIRE_FALSE(is_shortage(EAGAIN));
}
