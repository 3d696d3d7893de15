// unix_domain/rights.hpp: control messages that carry descriptors, written and read.
#include "../../unix_domain/rights.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "catch.hpp"

// Its name is every fuzzer's, and can be defined once in a program.
#define LLVMFuzzerTestOneInput fuzz_rights
#include "../fuzz/rights.cpp"

using unix_domain::attach;
using unix_domain::Control;
using unix_domain::descriptors_in;
using Numbers = std::vector<int>;

TEST_CASE("a descriptor that was attached is found") {
    msghdr message{};
    Control control;
    attach(42, message, control);
    CHECK(descriptors_in(message) == Numbers{42});
}

TEST_CASE("a message without control messages has no descriptors") {
    msghdr message{};
    CHECK(descriptors_in(message).empty());
    Control control;
    unix_domain::set_control(message, control);
    message.msg_controllen = 0;  // what recvmsg leaves when nothing came
    CHECK(descriptors_in(message).empty());
}

TEST_CASE("a descriptor crosses a socket as another number of the same file") {
    int ends[2];
    check("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    const Fd here{ends[0]};
    const Fd there{ends[1]};
    char byte = '\n';
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    Control control;
    attach(here.get(), message, control);
    check("sendmsg", sendmsg(here.get(), &message, 0));

    unix_domain::set_control(message, control);
    check("recvmsg", recvmsg(there.get(), &message, 0));
    const Numbers found = descriptors_in(message);
    REQUIRE(found.size() == 1);
    const Fd came{found.front()};
    CHECK(came.get() != here.get());
    check("write", write(came.get(), "x", 1));
    check("read", read(there.get(), &byte, 1));
    CHECK(byte == 'x');
}

TEST_CASE("each input of the fuzzer's corpus has as many descriptors as its name says") {
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator{"tests/fuzz/corpus/rights"}) {
        const std::string name = file.path().filename();
        INFO(name);
        std::ifstream stream{file.path(), std::ios::binary};
        CHECK(try_rights(std::string{std::istreambuf_iterator{stream}, {}}) ==
              std::stoul(name.substr(0, name.find('-'))));
        ++count;
    }
    CHECK(count >= 15);
}
