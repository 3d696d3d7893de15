// unix_domain/path.hpp: an address that is a path, and the file that bind(2) makes of it.
//
// A port is free again when its server ends. A path is not: bind makes a file, of the type socket,
// which stays until somebody removes it. And bind takes no path where something stands
// (EADDRINUSE). So a server
//
//     removes what a dead server left there        SocketFile{path}
//     bind, under umask 0177                       the file has mode 0600 from its first moment
//     remembers which file is its own              SocketFile::bound()
//     removes that file at its end                 ~SocketFile()
//
// Between a look at a path and its unlink something else may be moved there. So what is to be
// removed first gets a name that nobody else uses, is looked at once more, and has its old name
// back if it is something else.
//
// Two servers may find the same dead socket at once. If both called unlink, the second would remove
// what the first has just bound. So they take turns, from that look to the bind, by a lock. It must
// be a lock that no stranger can hold, or he could keep us from starting. Whoever may open a
// directory may lock it, and everybody may open /tmp. So we lock a file of our own, PATH.lock, that
// nobody else can open, and remove it when we are done. In /tmp a stranger may have made a file of
// that name before us, or its owner has one of that name that is no lock: it is not empty. Then we
// do without a lock.
//
// socket, bind, listen and connect are not here: they stand in the programs.
// Sources: unix(7), lockf(3); Stevens, UNP, chapter 15; Kerrisk, TLPI, chapter 57.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../server.hpp"

namespace unix_domain {

/// The address that bind, connect and sendto take; its length is `sizeof`. Throws
/// std::runtime_error when the path and the NUL after it do not fit sun_path (108 bytes on Linux,
/// 104 on the BSDs and macOS): cut, it would name another file. An empty one would be no path but
/// an autobind (unix(7)).
inline sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t most = sizeof address.sun_path - 1;
    if (path.empty()) throw std::runtime_error{"the path is empty"};
    if (path.size() > most) {
        throw std::runtime_error{path + ": too long for a socket: " + std::to_string(path.size()) +
                                 " bytes, at most " + std::to_string(most)};
    }
    path.copy(address.sun_path, most);
    return address;
}

/// The same address as the type that the calls want.
inline const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

/// Whether the socket at `address` has nobody behind it any more. A datagram socket asks, whatever
/// stands there. A live stream socket answers it EPROTOTYPE, even between its bind and its listen,
/// when it would refuse another stream socket as a dead one does. And no server sees a connection
/// come and go.
inline bool is_dead(const sockaddr_un& address) {
    const Fd asker{check("socket", socket(AF_UNIX, SOCK_DGRAM, 0))};
    return connect(asker.get(), generic(address), sizeof address) == -1 && errno == ECONNREFUSED;
}

/// Whether two looks at a name, by lstat(2), saw one file. The number of an inode is used again
/// once its file is gone. So one of the two files must be open, and cannot be gone.
inline bool is_same_file(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// The file of a server's socket: made room for, then owned. Declare it after the socket, to be
/// destroyed before it.
class SocketFile {
  public:
    /// Removes a dead socket from `path`. Anything else stays, a symbolic link too (lstat does not
    /// follow it): bind will say EADDRINUSE. Throws std::system_error.
    explicit SocketFile(std::string path) : path_{std::move(path)} {
        struct stat dead {};
        if (!stands_dead(dead)) return;
        take_turn();
        // Still: it may be another's by now. Twice: an overlay (index=off in its mount options) may
        // make a new file of it as it is renamed, and that has its name back.
        for (int looks = 2; looks > 0 && stands_dead(dead); --looks) remove(dead);
    }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;

    /// To be called once bind has succeeded: the file that stands there is ours. Throws
    /// std::system_error.
    void bound() {
        check("stat " + path_, lstat(path_.c_str(), &ours_));
        turn_.end();
    }

    /// Not by the name alone: somebody may have removed our file and bound another.
    ~SocketFile() {
        struct stat now {};
        if (!S_ISSOCK(ours_.st_mode) || lstat(path_.c_str(), &now) == -1) return;
        if (is_same_file(ours_, now)) remove(ours_);
    }

  private:
    /// `status` is what lstat(2) says of it.
    [[nodiscard]] bool stands_dead(struct stat& status) const {
        const char* const path = path_.c_str();
        if (lstat(path, &status) == -1 || !S_ISSOCK(status.st_mode)) return false;
        if (is_dead(address_of(path_))) return true;
        // EACCES: its mode does not let us ask. If it is ours, we change that, and change it back.
        // A stranger could put a link to one of our files in the place of his.
        if (errno != EACCES || status.st_uid != geteuid()) return false;
        if (chmod(path, status.st_mode | S_IWUSR) == -1) return false;
        if (is_dead(address_of(path_))) return true;
        chmod(path, status.st_mode);
        return false;
    }

    /// Removes the file that was `seen` at our path, and no other. It has another name first, and
    /// is looked at again; who is somebody else has his name back.
    void remove(const struct stat& seen) const {
        const char* const aside = aside_.c_str();
        struct stat now {};
        if (rename(path_.c_str(), aside) == -1) {
            // ENOSPC: the directory may have no room for a longer name.
            if (lstat(path_.c_str(), &now) == 0 && is_same_file(seen, now)) unlink(path_.c_str());
            return;
        }
        lstat(aside, &now);
        const bool is_it = S_ISSOCK(now.st_mode) && is_same_file(seen, now);
        // Unlike a rename, a link does not replace who has come there meanwhile. A directory cannot
        // be linked (EPERM), but its rename replaces nothing that is no empty directory.
        if (is_it || linkat(AT_FDCWD, aside, AT_FDCWD, path_.c_str(), 0) == 0) {
            unlink(aside);
        } else if (S_ISDIR(now.st_mode)) {
            rename(aside, path_.c_str());
        }
    }

    /// Whether a file may be the lock of a server of ours: empty, and closed to all others.
    static bool is_a_lock(const struct stat& file) {
        return file.st_uid == geteuid() && (file.st_mode & 077) == 0 && S_ISREG(file.st_mode) &&
               file.st_size == 0;
    }

    /// Waits for the lock, which another server of ours may have; five seconds at most. Whoever had
    /// it removes the file, so what we have locked may have no name any more: then once again. Ends
    /// the program itself at a signal.
    void take_turn() {
        const char* const name = turn_.path.c_str();
        const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;
        for (int tries = 50; tries > 0; --tries) {
            Fd lock{open(name, flags | O_CREAT | O_EXCL, 0600)};
            const bool is_new = lock.get() != -1;
            if (!is_new && errno == EEXIST) lock = Fd{open(name, flags)};
            if (!lock && errno == ENOENT) continue;  // it was there, and is removed by now
            struct stat locked {};
            if (!lock || fstat(lock.get(), &locked) == -1) return;
            // What we have made is ours, though a disk of Windows shows it as open to all.
            if (!is_new && !is_a_lock(locked)) return;
            struct stat named {};
            // Where the file system has no locks (ENOLCK), nobody holds one.
            const bool held =
                lockf(lock.get(), F_TLOCK, 0) == -1 && (later(errno) || errno == EACCES);
            if (!held && lstat(name, &named) == 0 && is_same_file(locked, named)) {
                turn_.lock = std::move(lock);
                return;
            }
            // A signal came. The stop pipe has it, but nothing is ours yet that is to be removed.
            if (told_to_end || !sleep_a_little()) std::exit(0);
        }
        errno = EAGAIN;
        check("lockf " + turn_.path, -1);
    }

    /// From take_turn to the bind. Its file goes with it, whatever goes wrong between.
    struct Turn {
        std::string path;
        Fd lock{};
        ~Turn() { end(); }
        void end() {
            if (lock) unlink(path.c_str());
            lock = Fd{};
        }
    };

    std::string path_;
    Turn turn_{path_ + ".lock"};
    /// A name that nobody guesses, for a moment. mkstemp(3) would want room for a file: a disk may
    /// be full.
    std::string aside_ = path_ + '.' + std::to_string(std::random_device{}());
    struct stat ours_ {};  ///< all zero until bound
};

/// A path for the socket of a client, in a new directory that nobody else can enter (mkdtemp(3):
/// mode 0700), in $TMPDIR or /tmp. At its end the socket and the directory are removed. The
/// constructor throws std::system_error.
class PrivatePath {
  public:
    PrivatePath() {
        const char* const parent = std::getenv("TMPDIR");
        directory_ = parent == nullptr || *parent == '\0' ? "/tmp" : parent;
        directory_ += "/socklab-XXXXXX";
        socket_.reserve(directory_.size() + name.size());  // once it is there, no memory is wanted
        if (mkdtemp(directory_.data()) == nullptr) check("mkdtemp " + directory_, -1);
        (socket_ = directory_) += name;
    }
    PrivatePath(const PrivatePath&) = delete;
    PrivatePath& operator=(const PrivatePath&) = delete;
    ~PrivatePath() {
        unlink(socket_.c_str());
        rmdir(directory_.c_str());
    }

    [[nodiscard]] const std::string& socket() const { return socket_; }

  private:
    static constexpr std::string_view name = "/socket";
    std::string directory_;
    std::string socket_;
};

}  // namespace unix_domain
