// inside.hpp: what a name may reach, in a directory planted for the purpose.
#include "../../inside.hpp"

#include <filesystem>
#include <fstream>

#include "catch.hpp"

// Its name is every fuzzer's, and can be defined once in a program.
#define LLVMFuzzerTestOneInput fuzz_inside
#include "../fuzz/inside.cpp"

namespace fs = std::filesystem;

namespace {

/// outside/, with the directory that is served, root/, in it.
struct Planted {
    Planted() {
        char pattern[] = "/tmp/socklab-inside-XXXXXX";
        outside = mkdtemp(pattern);
        const fs::path root = outside / "root";
        fs::create_directories(root / "sub" / "deep");
        std::ofstream{outside / "secret"} << "secret";
        std::ofstream{root / "a"} << "in the root";
        fs::create_directory(root / ".git");
        for (const char* name : {"..a", ".env", ".git/config", "sub/.env"})
            std::ofstream{root / name} << "not meant for strangers";
        std::ofstream{root / "sub" / "deep" / "b"} << "deep";
        fs::create_symlink(outside / "secret", root / "link");
        fs::create_symlink("a", root / "link_to_a");
        fs::create_symlink("..", root / "sub" / "up");
        fs::create_symlink("root", outside / "root_link");
        mkfifo((root / "fifo").c_str(), 0600);
        directory =
            Fd{check("open", open((outside / "root_link").c_str(), O_RDONLY | O_DIRECTORY))};
    }
    ~Planted() { fs::remove_all(outside); }

    /// 0 when the name opens a file, the errno when it does not.
    [[nodiscard]] int error_of(std::string_view name) const {
        struct stat status {};
        errno = 0;
        return open_inside(directory, name, status) ? 0 : errno;
    }

    fs::path outside;
    Fd directory;
};

}  // namespace

TEST_CASE("a file in the directory or below it opens, the directory being named by a link") {
    const Planted planted;
    for (const char* name : {"a", "sub/deep/b", "sub//deep///b"}) {
        INFO(name);
        CHECK(planted.error_of(name) == 0);
    }
}

TEST_CASE("the size comes with the file") {
    const Planted planted;
    struct stat status {};
    REQUIRE(open_inside(planted.directory, "a", status));
    REQUIRE(status.st_size == 11);
}

TEST_CASE("no name leaves the directory") {
    const Planted planted;
    const std::string absolute = planted.outside / "secret";
    using namespace std::string_view_literals;
    for (const std::string_view name :
         {""sv, ".."sv, "../secret"sv, "sub/../a"sv, "sub/../../secret"sv, "/etc/passwd"sv,
          std::string_view{absolute}, "a\0b"sv, "./../secret"sv, "sub/.."sv}) {
        INFO(name);
        CHECK(planted.error_of(name) == ENOENT);
    }
}

TEST_CASE("no component starts with a dot") {
    const Planted planted;
    for (const char* name : {".env", ".git/config", "sub/.env", "..a", ".", "./a", "sub/./deep/b",
                             "sub/.", "sub//.env", "..."}) {
        INFO(name);
        CHECK(planted.error_of(name) == ENOENT);
    }
}

TEST_CASE("the short name of Windows for a file that starts with a dot is not served") {
    for (const char* name : {"ENV~1", "GIT~1/config", "sub/env~12", "sub/A5B0F~1.ENV"}) {
        INFO(name);
        CHECK_FALSE(is_served_name(name));
    }
    for (const char* name : {"a~", "~", "a~b", "1~a/~"}) {
        INFO(name);
        CHECK(is_served_name(name));
    }
}

TEST_CASE("a dot elsewhere in a name is nothing special") {
    for (const char* name : {"a.b", "a./b", "a../b", "a..", "a.b/c.d"}) {
        INFO(name);
        CHECK(is_served_name(name));
    }
}

TEST_CASE("no symbolic link is followed, even one that stays inside") {
    const Planted planted;
    CHECK(planted.error_of("link") == ELOOP);
    CHECK(planted.error_of("link_to_a") == ELOOP);
    CHECK(planted.error_of("sub/up/a") == ENOTDIR);
}

TEST_CASE("what is no regular file is refused, and a FIFO does not hang") {
    const Planted planted;
    CHECK(planted.error_of("sub") == EISDIR);
    CHECK(planted.error_of("sub/") == EISDIR);
    CHECK(planted.error_of("fifo") == ENXIO);
    CHECK(planted.error_of("a/") == ENOTDIR);
    CHECK(planted.error_of("absent") == ENOENT);
    CHECK(planted.error_of("a//") == ENOTDIR);
    CHECK(planted.error_of("sub//") == EISDIR);
    CHECK(planted.error_of(std::string(300, 'x')) == ENAMETOOLONG);
}

// ---- The fuzzer's corpus -----------------------------------------

TEST_CASE("each input of the fuzzer's corpus opens a file if its name says so") {
    int count = 0;
    for (const auto& file : fs::directory_iterator{"tests/fuzz/corpus/inside"}) {
        const std::string name = file.path().filename();
        INFO(name);
        std::ifstream stream{file.path(), std::ios::binary};
        const std::string input{std::istreambuf_iterator{stream}, {}};
        CHECK(try_inside(input) == (name.front() == '1'));
        ++count;
    }
    CHECK(count >= 24);
}
