// inside.hpp: opening a file by a name that a stranger sent, and nothing outside one directory.
//
// tcp/commands, tcp/web and unix_domain/fd_server serve files with it.
//
// To look whether ".." is in the name, and then to open the whole path at once, is not enough: a
// symbolic link in the middle leads anywhere. So the path is walked. Each component is opened from
// the directory before it (openat), and never through a link (O_NOFOLLOW). Linux 5.6 has the walk
// in one call, openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; every POSIX system has ours.
#pragma once

#include "fd.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <string_view>

/// Opens a directory to look names up in it, which its owner may allow without letting us list it
/// (mode 0711). POSIX calls that O_SEARCH; Linux has O_PATH, which wants no permission at all.
/// Returns what openat(2) does.
inline int open_to_search(int at, const char* path, int flags) {
#if defined O_PATH
    return openat(at, path, flags | O_DIRECTORY | O_PATH);
#elif defined O_SEARCH
    return openat(at, path, flags | O_DIRECTORY | O_SEARCH);
#else
    return openat(at, path, flags | O_DIRECTORY | O_RDONLY);
#endif
}

/// The directory to serve, by the name that its owner gives: links are followed. Throws
/// std::system_error.
inline Fd open_directory(const std::string& path) {
    Fd directory{check("open " + path, open_to_search(AT_FDCWD, path.c_str(), 0))};
    check("open " + path, faccessat(directory.get(), ".", X_OK, 0));  // O_PATH has not asked
    return directory;
}

/// Whether a name may lead to a file of ours: it is not empty and not absolute, and no component of
/// it starts with a dot. That keeps "." and ".." out, and what is not meant for strangers: ".env",
/// ".git/config". Nor has it a ~ before a digit: a disk of Windows knows .env as ENV~1, too
/// (CVE-2014-9390). A NUL would end the name early for the system (CWE-158).
inline bool is_served_name(std::string_view name) {
    const auto is_short = [](char a, char b) { return a == '~' && b >= '0' && b <= '9'; };
    return !name.empty() && name.front() != '/' && name.front() != '.' &&
           name.find("/.") == name.npos && name.find('\0') == name.npos &&
           std::adjacent_find(name.begin(), name.end(), is_short) == name.end();
}

/// Whether `count` descriptors are free; if not, errno says why (EMFILE ...). `any` is an open one.
inline bool are_free(int count, const Fd& any) {
    if (count == 0) return true;
    const Fd one{dup(any.get())};
    return one && are_free(count - 1, any);
}

/// A regular file, found but not opened yet.
struct Found {
    int parent = -1;        ///< the directory it stands in
    Fd opened_parent{};     ///< the same, where it is not the one that the walk began in
    std::string name{};     ///< in that directory: one component
    struct stat status {};  ///< what fstatat said of it
};

/// Fails a function that returns a bool or an Fd as a system call does: by errno.
template <typename Result = bool>
Result fail_with(int error) {
    errno = error;
    return Result{};
}

/// Walks from `directory` along `name`. False, with errno, when no regular file is there: ENOENT
/// for a name that is not served, ELOOP or ENOTDIR for a symbolic link, EISDIR, ENXIO for a FIFO or
/// a device, EACCES, ENAMETOOLONG, EMFILE ... as openat(2) says. Several slashes are one.
inline bool find_inside(const Fd& directory, std::string_view name, Found& found) {
    if (!is_served_name(name)) return fail_with(ENOENT);
    found.parent = directory.get();
    for (auto slash = name.find('/'); slash != name.npos; slash = name.find('/')) {
        const std::string component{name.substr(0, slash)};
        name.remove_prefix(std::min(name.find_first_not_of('/', slash), name.size()));
        Fd next{open_to_search(found.parent, component.c_str(), O_NOFOLLOW)};
        if (!next) return false;
        found.parent = next.get();
        found.opened_parent = std::move(next);
    }
    found.name = name.empty() ? "." : name;  // a slash at the end asks for a directory
    const auto& mode = found.status.st_mode;
    if (fstatat(found.parent, found.name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW) == -1)
        return false;
    if (S_ISDIR(mode)) return fail_with(EISDIR);
    if (S_ISLNK(mode)) return fail_with(ELOOP);
    return S_ISREG(mode) || fail_with(ENXIO);
}

/// Opens for reading what find_inside() found, and brings its status up to date: another file may
/// have taken the name meanwhile. Should it be a FIFO, O_NONBLOCK keeps us from waiting for its
/// writer. Empty, with errno, when that fails.
inline Fd open_found(Found& found) {
    Fd file{
        openat(found.parent, found.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
    if (!file || fstat(file.get(), &found.status) == -1) return Fd{};
    return S_ISREG(found.status.st_mode) ? std::move(file) : fail_with<Fd>(ENXIO);
}

/// Opens for reading the regular file `name`, in `directory` or in its subdirectories, and fills
/// `status`. Empty, with errno, when there is none to be had. `directory` may be any descriptor of
/// it; the path that it was opened by may have been a link.
inline Fd open_inside(const Fd& directory, std::string_view name, struct stat& status) {
    Found found;
    if (!find_inside(directory, name, found)) return {};
    Fd file = open_found(found);
    status = found.status;
    return file;
}
