// tcp/web/calcul.hpp: numbers as JavaScript reads and writes them.
#include "../../tcp/web/calcul.hpp"

#include <cstring>
#include <limits>
#include <random>

#include "catch.hpp"

TEST_CASE("numbers are read as Number() reads decimal ones") {
    const auto reads = [](const char* text, double number) {
        INFO(text);
        const auto found = read_number(text);
        REQUIRE(found);
        CHECK(*found == number);
        CHECK(std::signbit(*found) == std::signbit(number));
    };
    reads("0", 0);
    reads("-0", -0.0);
    reads("+2", 2);
    reads("007", 7);
    reads("-12.5", -12.5);
    reads(".5", .5);
    reads("5.", 5);
    reads("-.5e1", -5);
    reads("5.e-1", .5);
    reads("1e3", 1000);
    reads("1E+3", 1000);
    reads("0.1", 0.1);
    reads("9007199254740993", 9007199254740992.0);
    reads("1e-400", 0);
    reads("-1e-400", -0.0);
    reads("4.9e-324", 4.9e-324);
    reads("1.7976931348623157e308", std::numeric_limits<double>::max());
    reads("1e400", std::numeric_limits<double>::infinity());
    reads("-1e400", -std::numeric_limits<double>::infinity());
    reads("1e99999999999999999999", std::numeric_limits<double>::infinity());
    reads(("1" + std::string(5000, '0')).c_str(), std::numeric_limits<double>::infinity());
    reads(("0." + std::string(5000, '0') + "1").c_str(), 0);
}

TEST_CASE("anything else is no number") {
    for (const char* text :
         {"",          " ",   "a",    "+",     "-",    ".",   "e",   "e5",    ".e5",
          "1e",        "1e+", "1e5.", "1.2.3", "--1",  "+-1", "1-",  " 1",    "1 ",
          "\t1",       "1\n", "1,5",  "1_000", "0x10", "0b1", "0o7", "1e0x1", "Infinity",
          "-Infinity", "inf", "nan",  "NaN",   "1f",   "1L",  "١",   "½",     "1e5e5"}) {
        INFO(text);
        CHECK_FALSE(read_number(text));
    }
    CHECK_FALSE(read_number(std::string{"1\0", 2}));
    CHECK_FALSE(read_number(std::string{"\0", 1}));
}

TEST_CASE("numbers are written as JavaScript writes them") {
    const auto writes = [](double number, const char* text) {
        CHECK(write_number(number) == text);
    };
    writes(0, "0");
    writes(-0.0, "0");
    writes(2, "2");
    writes(-2.5, "-2.5");
    writes(0.1 + 0.2, "0.30000000000000004");
    writes(100, "100");
    writes(1e20, "100000000000000000000");
    writes(123456789012345680000.0, "123456789012345680000");
    writes(1e21, "1e+21");
    writes(-1.5e21, "-1.5e+21");
    writes(1e23, "1e+23");
    writes(0.000001, "0.000001");
    writes(0.00000123, "0.00000123");
    writes(1e-7, "1e-7");
    writes(-1.25e-7, "-1.25e-7");
    writes(123.456, "123.456");
    writes(9007199254740992, "9007199254740992");
    writes(5e-324, "5e-324");
    writes(2.2250738585072014e-308, "2.2250738585072014e-308");
    writes(std::numeric_limits<double>::max(), "1.7976931348623157e+308");
    writes(4.35, "4.35");
    writes(0.5, "0.5");
    writes(1.0 / 3, "0.3333333333333333");
}

TEST_CASE("what is written reads as the same number") {
    std::mt19937_64 random{42};
    for (int i = 0; i < 100'000; ++i) {
        const auto bits = random();
        double number = 0;
        std::memcpy(&number, &bits, sizeof number);
        if (!std::isfinite(number)) continue;
        const auto text = write_number(number);
        INFO(text);
        REQUIRE(text.size() <= 26);
        REQUIRE(read_number(text) == number);
    }
}

TEST_CASE("the sum, as the contract shows it") {
    CHECK(sum("a=2&b=0.5").status == 200);
    CHECK(sum("a=2&b=0.5").json == R"({"a":2,"b":0.5,"somme":2.5})");
    CHECK(sum("b=1&c=7&a=-0&&=&d").json == R"({"a":0,"b":1,"somme":1})");
    CHECK(sum("%61=1%65%33&b=%2B2").json == R"({"a":1000,"b":2,"somme":1002})");
    CHECK(sum("a=-0&b=-0").json == R"({"a":0,"b":0,"somme":0})");
    // A register of 80 bits rounds these to what lies in the middle of two doubles.
    CHECK(sum("a=9007199254740992&b=1.0000000000000002").json.ends_with(":9007199254740994}"));
    CHECK(sum("a=1.7976931348623157e308&b=9e291").status == 200);
}

TEST_CASE("what is wrong with the sum is said") {
    const auto refuses = [](const char* query, const std::string& why) {
        INFO(query);
        CHECK(sum(query).status == 400);
        CHECK(sum(query).json == "{\"erreur\":\"" + why + "\"}");
    };
    refuses("", "a manque");
    refuses("a=1", "b manque");
    refuses("a&b=1", "a manque");
    refuses("a=&b=1", "a manque");
    refuses("A=1&b=1", "a manque");
    refuses("a=un&b=1", "a n'est pas un nombre");
    refuses("a=1&b=+2", "b n'est pas un nombre");
    refuses("a=1&b=%202", "b n'est pas un nombre");
    refuses("a=1&b=%2", "b n'est pas un nombre");
    refuses("a=1&b=1%002", "b n'est pas un nombre");
    refuses("a=1=1&b=1", "a n'est pas un nombre");
    refuses("a=1;b=1", "a n'est pas un nombre");
    refuses("a=1&b=NaN", "b n'est pas un nombre");
    refuses("a=1&b=Infinity", "b n'est pas un nombre");
    refuses("a=1e999&b=1", "a est trop grand");
    refuses("a=1&b=1&a=1", "a est donné deux fois");
    refuses("a=1e308&b=1e308", "la somme est trop grande");
}
