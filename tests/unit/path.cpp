// unix_domain/path.hpp: which file a server may remove, and when.
#include "../../unix_domain/path.hpp"

#include <filesystem>
#include <fstream>

#include "catch.hpp"

namespace fs = std::filesystem;
using unix_domain::address_of;
using unix_domain::SocketFile;

namespace {

/// A directory to bind in.
struct Place {
    Place() {
        char pattern[] = "/tmp/socklab-path-XXXXXX";
        directory = mkdtemp(pattern);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { fs::remove_all(directory); }

    [[nodiscard]] std::string operator/(const std::string& name) const { return directory / name; }

    fs::path directory;
};

Fd bound_socket(const std::string& path, int type = SOCK_STREAM) {
    Fd fd{check("socket", socket(AF_UNIX, type, 0))};
    const sockaddr_un address = address_of(path);
    check("bind", bind(fd.get(), unix_domain::generic(address), sizeof address));
    return fd;
}

/// Leaves at `path` what a server that was killed leaves.
void leave_dead_socket(const std::string& path, int type = SOCK_STREAM) {
    bound_socket(path, type);
}

bool exists(const std::string& path) {
    return fs::exists(fs::symlink_status(path));
}

}  // namespace

TEST_CASE("an address is its path, and a NUL") {
    const sockaddr_un address = address_of("a b/é");
    REQUIRE(address.sun_family == AF_UNIX);
    REQUIRE(std::string{address.sun_path} == "a b/é");
}

TEST_CASE("the longest path fits, the next is an error that says how long it is") {
    const std::size_t most = sizeof(sockaddr_un::sun_path) - 1;
    REQUIRE(std::string{address_of(std::string(most, 'x')).sun_path} == std::string(most, 'x'));
    const std::string longer(most + 1, 'x');
    REQUIRE_THROWS_WITH(address_of(longer),
                        longer + ": too long for a socket: " + std::to_string(most + 1) +
                            " bytes, at most " + std::to_string(most));
}

TEST_CASE("an empty path is an error, and no autobind") {
    REQUIRE_THROWS(address_of(""));
}

TEST_CASE("a socket whose owner has gone is dead, whatever its type") {
    const Place place;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
        const std::string path = place / std::to_string(type);
        leave_dead_socket(path, type);
        CHECK(unix_domain::is_dead(address_of(path)));
    }
}

TEST_CASE("a bound socket is alive, whatever its type, and even before it listens") {
    const Place place;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
        const std::string path = place / std::to_string(type);
        const Fd server = bound_socket(path, type);
        CHECK_FALSE(unix_domain::is_dead(address_of(path)));
    }
}

TEST_CASE("asking whether a server is alive leaves no connection for it to accept") {
    const Place place;
    const Fd server = bound_socket(place / "s");
    check("fcntl", set_nonblocking(server));
    check("listen", listen(server.get(), 1));
    REQUIRE_FALSE(unix_domain::is_dead(address_of(place / "s")));
    REQUIRE(accept(server.get(), nullptr, nullptr) == -1);
}

TEST_CASE("a dead socket makes room") {
    const Place place;
    leave_dead_socket(place / "s");
    const SocketFile file{place / "s"};
    REQUIRE_FALSE(exists(place / "s"));
}

TEST_CASE("what is not a dead socket stays") {
    const Place place;
    std::ofstream{place / "file"} << "kept";
    fs::create_directory(place / "directory");
    mkfifo((place / "fifo").c_str(), 0600);
    leave_dead_socket(place / "dead");
    fs::create_symlink("dead", place / "link");
    fs::create_symlink("nowhere", place / "dangling");
    const Fd server = bound_socket(place / "live");
    for (const char* name : {"file", "directory", "fifo", "link", "dangling", "live"}) {
        INFO(name);
        const SocketFile file{place / name};
        CHECK(exists(place / name));
    }
    CHECK(exists(place / "dead"));
}

TEST_CASE("nothing is made or removed when nothing stands there") {
    const Place place;
    {
        const SocketFile file{place / "s"};
        const SocketFile far{place / "no such directory/s"};
    }
    REQUIRE(fs::is_empty(place.directory));
}

TEST_CASE("what was bound is removed at the end") {
    const Place place;
    {
        Fd server;
        SocketFile file{place / "s"};
        server = bound_socket(place / "s");
        file.bound();
        REQUIRE(exists(place / "s"));
    }
    REQUIRE_FALSE(exists(place / "s"));
}

TEST_CASE("what was never bound, or is another's by now, is not") {
    const Place place;
    std::ofstream{place / "file"} << "kept";
    Fd others;
    {
        const SocketFile unbound{place / "file"};
        SocketFile file{place / "s"};
        const Fd server = bound_socket(place / "s");
        file.bound();
        fs::remove(place / "s");
        others = bound_socket(place / "s");
    }
    REQUIRE(exists(place / "file"));
    REQUIRE(exists(place / "s"));
}

TEST_CASE(
    "a lock of our own is held from the look at a dead socket to the bind, and then removed") {
    const Place place;
    leave_dead_socket(place / "s");
    {
        SocketFile file{place / "s"};
        struct stat lock {};
        REQUIRE(lstat((place / "s.lock").c_str(), &lock) == 0);
        CHECK((lock.st_mode & 07777) == 0600);
        const Fd server = bound_socket(place / "s");
        file.bound();
        CHECK_FALSE(exists(place / "s.lock"));
    }
    leave_dead_socket(place / "s");
    { const SocketFile never_bound{place / "s"}; }
    CHECK(fs::is_empty(place.directory));
}

TEST_CASE("a client's own path is in a directory of its own, and both are removed") {
    const Place place;
    setenv("TMPDIR", place.directory.c_str(), 1);
    {
        const unix_domain::PrivatePath own;
        struct stat directory {};
        const fs::path path = own.socket();
        REQUIRE(lstat(path.parent_path().c_str(), &directory) == 0);
        CHECK((directory.st_mode & 07777) == 0700);
        CHECK(path.parent_path().parent_path() == place.directory);
        const Fd socket = bound_socket(path);
    }
    unsetenv("TMPDIR");
    CHECK(fs::is_empty(place.directory));
}
