// tcp/web/cache.hpp: small files kept in memory, each used only while it is the one on disk.
//
//     fstatat -> find -> send                          it is still the file that we know
//     fstatat -> open, fstat, read -> keep -> send     it is not, or we do not know it
//
// How does one know that a file is still the same? By its device and inode, its size, and two times
// in nanoseconds: mtime, when its bytes were last written, and ctime, when anything of it last
// changed. A program can set mtime back (touch -d), but not ctime. A write makes both new.
//
// But the clock that they come from ticks: every few milliseconds on most systems, every 2 s on a
// FAT disk. A file that is written twice within one tick has the same times before and after. So we
// keep a file only when its last change is more than 2 s old: any change from then on gives it
// later times. One between our look and our read does no harm: what we read is kept under the times
// before it, which nobody will see again. (Linux since 6.13 has finer times on the usual disks. Git
// has the same trouble with its index: "racy git" in its technical documentation.)
//
// What the times do not show: bytes stored through a mapping (mmap) before msync(2), or on a tmpfs
// even after it; the rest of a write(2) that takes more than 2 s, for the times are set before the
// bytes; a change on a file server whose clock is more than two seconds behind ours; another disk
// image, all of whose times were set to one. So every ten seconds all files are read again.
#pragma once

#include "../../fd.hpp"

#include <sys/stat.h>

#include <ctime>
#include <map>
#include <string>
#include <tuple>
#include <utility>

/// One state of one file: its device, inode and size; and when it was written and when it changed,
/// each in seconds and nanoseconds.
using Version = std::tuple<dev_t, ino_t, off_t, std::time_t, long, std::time_t, long>;

inline Version version_of(const struct stat& status) {
#ifdef __APPLE__
    const timespec& written = status.st_mtimespec;
    const timespec& changed = status.st_ctimespec;
#else
    const timespec& written = status.st_mtim;
    const timespec& changed = status.st_ctim;
#endif
    return {status.st_dev,   status.st_ino,  status.st_size, written.tv_sec,
            written.tv_nsec, changed.tv_sec, changed.tv_nsec};
}

/// What is kept of a file.
struct Kept {
    std::string content;
    std::string fields;  ///< to send with it: Last-Modified
};

class Cache {
  public:
    static constexpr std::size_t most = std::size_t{8} * 1024 * 1024;  ///< bytes kept in all, about
    static constexpr std::time_t longest = 10;  ///< seconds: then all that was kept is too old

    /// What is kept of the file that has this status, good until the next keep(); or nullptr.
    [[nodiscard]] const Kept* find(const struct stat& status, std::time_t now) const {
        const auto found = files_.find(version_of(status));
        return found == files_.end() || is_old(now) ? nullptr : &found->second;
    }

    /// Keeps what was read, unless the file's last change is too recent. The order is: `now` was
    /// taken, then `status`, then the file was read. Without room, or when it is too old, all that
    /// was kept before goes.
    void keep(const struct stat& status, Kept kept, std::time_t now) {
        constexpr std::time_t tick = 2;  // seconds: the longest, of FAT
        if (status.st_mtime >= now - tick || status.st_ctime >= now - tick) return;
        const std::size_t size = kept.content.size() + kept.fields.size() + 300;  // the map's
        if (size_ + size > most || is_old(now)) {
            files_.clear();
            size_ = 0;
            since_ = now;
        }
        if (files_.emplace(version_of(status), std::move(kept)).second) size_ += size;
    }

  private:
    [[nodiscard]] bool is_old(std::time_t now) const {
        return now < since_ || now - since_ >= longest;  // or the clock was set back
    }

    std::map<Version, Kept> files_{};
    std::size_t size_ = 0;
    std::time_t since_ = 0;  ///< when the first of them was kept
};
