// tcp/web/cache.hpp: when a file is the one that is kept, and when it is none that may be kept.
#include "../../tcp/web/cache.hpp"

#include <limits>

#include "catch.hpp"

namespace {

constexpr std::time_t now = 1795343832;

/// The status of a file that has not changed for an hour.
struct stat old_file(ino_t inode = 7) {
    struct stat status {};
    status.st_dev = 1;
    status.st_ino = inode;
    status.st_size = 5;
    status.st_mtim = {now - 3600, 123'456'789};
    status.st_ctim = {now - 3600, 123'456'789};
    return status;
}

bool keeps(const struct stat& status) {
    Cache cache;
    cache.keep(status, {"salut", ""}, now);
    return cache.find(status, now) != nullptr;
}

}  // namespace

TEST_CASE("what is kept is found, with the fields of its response") {
    Cache cache;
    CHECK(cache.find(old_file(), now) == nullptr);
    cache.keep(old_file(), {"salut", "A: b\r\n"}, now);
    REQUIRE(cache.find(old_file(), now) != nullptr);
    CHECK(cache.find(old_file(), now)->content == "salut");
    CHECK(cache.find(old_file(), now)->fields == "A: b\r\n");
}

TEST_CASE("a file of which anything has changed is another") {
    Cache cache;
    cache.keep(old_file(), {"salut", ""}, now);
    const auto is_found_after = [&](auto change) {
        struct stat status = old_file();
        change(status);
        return cache.find(status, now) != nullptr;
    };
    CHECK(is_found_after([](struct stat&) {}));
    CHECK(is_found_after([](struct stat& s) { s.st_atim.tv_sec = now; }));  // it was only read
    CHECK_FALSE(is_found_after([](struct stat& s) { s.st_dev = 2; }));
    CHECK_FALSE(is_found_after([](struct stat& s) { s.st_ino = 8; }));
    CHECK_FALSE(is_found_after([](struct stat& s) { s.st_size = 6; }));
    CHECK_FALSE(is_found_after([](struct stat& s) { s.st_mtim.tv_sec += 1; }));
    CHECK_FALSE(is_found_after([](struct stat& s) { s.st_mtim.tv_nsec += 1; }));
    CHECK_FALSE(is_found_after([](struct stat& s) { s.st_ctim.tv_sec += 1; }));
    CHECK_FALSE(is_found_after([](struct stat& s) { s.st_ctim.tv_nsec -= 1; }));
}

TEST_CASE("a file that has changed within the grain of any clock is not kept") {
    for (const std::time_t age : {-3600, -1, 0, 1, 2}) {
        INFO(age);
        struct stat written = old_file();
        written.st_mtim.tv_sec = now - age;
        CHECK_FALSE(keeps(written));
        struct stat changed = old_file();
        changed.st_ctim.tv_sec = now - age;
        CHECK_FALSE(keeps(changed));
    }
    struct stat status = old_file();
    status.st_mtim = {now - 3, 999'999'999};
    status.st_ctim = status.st_mtim;
    CHECK(keeps(status));
}

TEST_CASE("a date that is no date is compared without overflow") {
    struct stat status = old_file();
    status.st_mtim.tv_sec = std::numeric_limits<std::time_t>::max();
    CHECK_FALSE(keeps(status));
    status.st_mtim.tv_sec = std::numeric_limits<std::time_t>::min();
    CHECK(keeps(status));
}

TEST_CASE("of one version the first that was read is kept") {
    Cache cache;
    cache.keep(old_file(), {"un", ""}, now);
    cache.keep(old_file(), {"deux", ""}, now);
    CHECK(cache.find(old_file(), now)->content == "un");
}

TEST_CASE("after ten seconds, or when the clock was set back, all is read anew") {
    Cache cache;
    cache.keep(old_file(), {"un", ""}, now);
    CHECK(cache.find(old_file(), now + 9) != nullptr);
    CHECK(cache.find(old_file(), now + 10) == nullptr);
    CHECK(cache.find(old_file(), now - 1) == nullptr);
    cache.keep(old_file(), {"deux", ""}, now + 10);
    CHECK(cache.find(old_file(), now + 19)->content == "deux");
    CHECK(cache.find(old_file(), now + 20) == nullptr);
}

TEST_CASE("there are never more than eight mebibytes, empty files counted") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1000}, std::size_t{16384}}) {
        INFO(size);
        Cache cache;
        const auto count_kept = [&](ino_t last) {
            std::size_t count = 0;
            for (ino_t inode = 0; inode <= last; ++inode)
                if (cache.find(old_file(inode), now) != nullptr) ++count;
            return count;
        };
        const std::size_t fit = Cache::most / (size + 300);
        for (ino_t inode = 0; inode < fit; ++inode)
            cache.keep(old_file(inode), {std::string(size, 'x'), ""}, now);
        CHECK(count_kept(fit) == fit);
        cache.keep(old_file(fit), {std::string(size, 'x'), ""}, now);  // there is no room for it
        CHECK(count_kept(fit) == 1);
        CHECK(cache.find(old_file(fit), now) != nullptr);
    }
}
