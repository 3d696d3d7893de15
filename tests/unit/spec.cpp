// tcp/spec.hpp: every way to write a redirection, and every way to get it wrong.
#include "../../tcp/spec.hpp"

#include <filesystem>
#include <fstream>

#include "catch.hpp"

// Its name is every fuzzer's, and can be defined once in a program.
#define LLVMFuzzerTestOneInput fuzz_spec
#include "../fuzz/spec.cpp"

namespace {

/// "listen host, port -> target host, port"
std::string parsed(const std::string& text) {
    const Spec spec = parse_spec(text);
    return spec.listen.host + ", " + spec.listen.port + " -> " + spec.target.host + ", " +
           spec.target.port;
}

}  // namespace

TEST_CASE("without a bind address, or with localhost, this machine only gets in") {
    CHECK(parsed("4000:roucas101.etu:22") == "127.0.0.1, 4000 -> roucas101.etu, 22");
    CHECK(parsed("localhost:4000:roucas101.etu:22") == "127.0.0.1, 4000 -> roucas101.etu, 22");
}

TEST_CASE("a bind address is taken as it is") {
    CHECK(parsed("10.0.0.2:9090:10.0.0.3:9090") == "10.0.0.2, 9090 -> 10.0.0.3, 9090");
    CHECK(parsed("ovh:9090:sas1:9091") == "ovh, 9090 -> sas1, 9091");
    CHECK(parsed("0.0.0.0:9090:sas1:9091") == "0.0.0.0, 9090 -> sas1, 9091");
}

TEST_CASE("a star, or nothing before a colon, is every interface") {
    CHECK(parsed("*:9090:sas1:9091") == "::, 9090 -> sas1, 9091");
    CHECK(parsed(":9090:sas1:9091") == "::, 9090 -> sas1, 9091");
}

TEST_CASE("an IPv6 address stands in brackets, on either side or on both") {
    CHECK(parsed("[::1]:9090:sas1:9091") == "::1, 9090 -> sas1, 9091");
    CHECK(parsed("9090:[fd00::3]:9091") == "127.0.0.1, 9090 -> fd00::3, 9091");
    CHECK(parsed("[::]:9090:[fe80::1%eth0]:9091") == "::, 9090 -> fe80::1%eth0, 9091");
    CHECK(parsed("*:9090:[::1]:9091") == "::, 9090 -> ::1, 9091");
}

TEST_CASE("any other host may have brackets too, as with ssh") {
    CHECK(parsed("[127.0.0.1]:9090:[sas1]:9091") == "127.0.0.1, 9090 -> sas1, 9091");
}

TEST_CASE("port 0 listens on a free port") {
    CHECK(parsed("0:sas1:22") == "127.0.0.1, 0 -> sas1, 22");
}

TEST_CASE("the ports at the edges") {
    CHECK(parsed("65535:sas1:1") == "127.0.0.1, 65535 -> sas1, 1");
    CHECK(parsed("1:sas1:65535") == "127.0.0.1, 1 -> sas1, 65535");
}

TEST_CASE("too few or too many fields are not a redirection") {
    for (const std::string text : {"", "9090", "9090:sas1", "a:9090:sas1:9091:b",
                                   "::1:9090:sas1:9091", "9090:::1:9091", "::::"}) {
        INFO(text);
        CHECK_THROWS_WITH(
            parse_spec(text),
            text + ": not [bind_address:]port:host:hostport, with IPv6 addresses in brackets");
    }
}

TEST_CASE("a port that is none is named") {
    for (const std::string port :
         {"", "http", "65536", "99999999999", "-1", "+1", "1 ", " 1", "0x50", "80a", "[80]"}) {
        INFO(port);
        CHECK_THROWS_WITH(parse_spec(port + ":sas1:22"), port + ":sas1:22: bad port: " + port);
        CHECK_THROWS_WITH(parse_spec("a:" + port + ":sas1:22"),
                          "a:" + port + ":sas1:22: bad port: " + port);
        CHECK_THROWS_WITH(parse_spec("22:sas1:" + port), "22:sas1:" + port + ": bad port: " + port);
    }
}

TEST_CASE("nobody can be connected to at port 0") {
    CHECK_THROWS_WITH(parse_spec("9090:sas1:0"), "9090:sas1:0: bad port: 0");
}

TEST_CASE("the host to connect to cannot be left out") {
    CHECK_THROWS_WITH(parse_spec("9090::22"), "9090::22: the host is missing");
    CHECK_THROWS_WITH(parse_spec("*:9090::22"), "*:9090::22: the host is missing");
}

TEST_CASE("brackets that do not go around a whole address are refused") {
    for (const std::string text :
         {"[::1:9090:sas1:9091", "9090:[::1:9091", "[::1]x:9090:sas1:9091", "x[::1]:9090:sas1:9091",
          "[]:9090:sas1:9091", "9090:[]:9091", "[[::1]]:9090:sas1:9091", "9090:]::1[:9091"}) {
        INFO(text);
        CHECK_THROWS_AS(parse_spec(text), std::invalid_argument);
    }
    CHECK_THROWS_WITH(parse_spec("9090:[]:9091"),
                      "9090:[]:9091: brackets go around a whole address");
    CHECK_THROWS_WITH(parse_spec("[::1]x:9090:a:1"),
                      "[::1]x:9090:a:1: brackets go around a whole address");
}

TEST_CASE("what the fuzzer starts from is accepted or refused, as its name says") {
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator{"tests/fuzz/corpus/spec"}) {
        const std::string name = file.path().filename();
        INFO(name);
        std::ifstream stream{file.path(), std::ios::binary};
        CHECK(try_input(std::string{std::istreambuf_iterator{stream}, {}}) ==
              name.substr(0, name.find('-')));
        ++count;
    }
    CHECK(count >= 30);
}
