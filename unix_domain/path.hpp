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
// Two servers may find the same dead socket at once. If both called unlink, the second would remove
// what the first has just bound. A lock on the directory would let them take turns; but whoever may
// open a directory may lock it, and everybody may open /tmp. So there is no lock. A server moves
// the dead socket away, to a new name that nobody else knows: of two, one gets it. If what it got
// is something else, the new socket of the other, it puts that back where it stood. In a sticky
// directory such as /tmp, only their owner can move our files, so no stranger can take part.
//
// socket, bind, listen and connect are not here: they stand in the programs.
// Sources: unix(7), rename(2); Stevens, UNP, chapter 15; Kerrisk, TLPI, chapter 57.
#pragma once

#include "../fd.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

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

/// Whether two looks at a name, by lstat(2), saw one file. A number of an inode is given again once
/// its file is gone; so who compares keeps one of the two from going.
inline bool is_same_file(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// The file of a server's socket: made room for, then owned. Declare it after the socket, to be
/// destroyed before it: an open socket keeps its inode.
class SocketFile {
  public:
    /// Makes room at `path` if a dead socket stands there. Anything else stays, a symbolic link too
    /// (lstat does not follow it): bind will say EADDRINUSE. Throws std::system_error.
    explicit SocketFile(std::string path) : path_{std::move(path)} {
        struct stat seen {};
        if (lstat(path_.c_str(), &seen) == -1 || !S_ISSOCK(seen.st_mode)) return;
        if (is_dead(address_of(path_))) move_away(seen);
    }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;

    /// To be called once bind has succeeded: the file that stands there is ours. Another server may
    /// have taken it away, and is about to put it back. Throws std::system_error.
    void bound() {
        int tries = 10;
        while (lstat(path_.c_str(), &ours_) == -1 && --tries > 0) sleep_a_little();
        check("stat " + path_, tries > 0 ? 0 : -1);
        remove_dead();
    }

    /// Not by the name alone: somebody may have removed our file and bound another.
    ~SocketFile() {
        remove_dead();
        struct stat now {};
        if (!S_ISSOCK(ours_.st_mode) || lstat(path_.c_str(), &now) == -1) return;
        if (is_same_file(ours_, now)) unlink(path_.c_str());
    }

  private:
    /// Moves the dead socket that was `seen` at the path to a name of ours. Had another server been
    /// faster, it puts back what it took; link(2), unlike rename, does so only where nothing
    /// stands.
    void move_away(const struct stat& seen) {
        std::string name = path_ + ".XXXXXX";
        const Fd reserved{check("mkstemp " + name, mkstemp(name.data()))};
        struct stat taken {};
        const bool moved = std::rename(path_.c_str(), name.c_str()) == 0;
        if (!moved || (lstat(name.c_str(), &taken) == 0 && is_same_file(seen, taken))) {
            dead_ = name;
            return;
        }
        check("link " + name + ' ' + path_, link(name.c_str(), path_.c_str()));
        unlink(name.c_str());
    }

    /// Only once ours is bound: until then the dead socket keeps the number of its inode, by which
    /// another server tells it from ours.
    void remove_dead() {
        if (!dead_.empty()) unlink(dead_.c_str());
        dead_.clear();
    }

    std::string path_;
    std::string dead_{};   ///< where the dead socket is now
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
        if (mkdtemp(directory_.data()) == nullptr) check("mkdtemp " + directory_, -1);
    }
    PrivatePath(const PrivatePath&) = delete;
    PrivatePath& operator=(const PrivatePath&) = delete;
    ~PrivatePath() {
        unlink(socket().c_str());
        rmdir(directory_.c_str());
    }

    [[nodiscard]] std::string socket() const { return directory_ + "/socket"; }

  private:
    std::string directory_;
};

}  // namespace unix_domain
