// tcp/inside.hpp: opening a file by a name that a stranger sent, and nothing outside one directory.
//
// A look at the name ("does it contain .. ?") and then one open of the whole path is not enough: a
// symbolic link in the middle leads anywhere. So the path is walked, each component opened from the
// directory before it (openat), never through a link (O_NOFOLLOW). Linux 5.6 has the whole walk in
// one call, openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; the walk is what every POSIX
// system has.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <string_view>

#include "../fd.hpp"

#ifndef O_PATH  // Linux: a directory that we may pass through, readable or not; POSIX calls it
                // O_SEARCH
#define O_PATH O_RDONLY
#endif

/// The directory to serve, by the name that its owner gives: links are followed. Throws
/// std::system_error.
inline Fd open_directory(const std::string& path) {
    return Fd{check("open " + path, open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))};
}

/// Opens for reading the regular file `name`, in `directory` or in its subdirectories, and fills
/// `status`. Empty, with errno, when there is none to be had: ENOENT for a name that would leave
/// the directory ("..", an absolute path, a NUL), ELOOP or ENOTDIR for a symbolic link, EISDIR,
/// ENXIO for a FIFO or a device (never opened: it could wait, or act), EACCES, ENAMETOOLONG, EMFILE
/// ... as open(2) says. `directory`: any descriptor of it; the directory's own path may have been a
/// link.
inline Fd open_inside(const Fd& directory, std::string_view name, struct stat& status) {
    const auto fail = [](int error) {
        errno = error;
        return Fd{};
    };
    if (name.empty() || name.front() == '/' || name.find('\0') != name.npos) return fail(ENOENT);

    Fd step;  // the directory we have come to, once we have left the first
    for (auto slash = name.find('/'); slash != name.npos; slash = name.find('/')) {
        const std::string component{name.substr(0, slash)};
        name.remove_prefix(slash + 1);
        if (component == "..") return fail(ENOENT);
        const int at = step ? step.get() : directory.get();
        step = Fd{openat(at, component.empty() ? "." : component.c_str(),
                         O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
        if (!step) return {};
    }
    if (name == "..") return fail(ENOENT);

    const std::string last{name.empty() ? "." : name};
    const int at = step ? step.get() : directory.get();
    if (fstatat(at, last.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1) return {};
    if (S_ISDIR(status.st_mode)) return fail(EISDIR);
    if (S_ISLNK(status.st_mode)) return fail(ELOOP);
    if (!S_ISREG(status.st_mode)) return fail(ENXIO);
    // O_NONBLOCK and the second look: what stands there now may have come after the first.
    Fd file{openat(at, last.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (!file || fstat(file.get(), &status) == -1) return {};
    if (!S_ISREG(status.st_mode)) return fail(ENXIO);
    return file;
}
