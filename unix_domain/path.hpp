// unix_domain/path.hpp: an address that is a path, and the file that bind(2) makes of it.
//
// A port is free again when its server ends. A path is not: bind makes a file, of the type socket,
// which stays until somebody removes it, and bind never takes a path where something stands
// (EADDRINUSE). So a server
//
//     before bind     removes what a dead server left there, and nothing else SocketFile{path} bind
//     under umask 0177: the file has mode 0600 from its first moment after bind      remembers
//     which file is its own                                  SocketFile::bound() at its end removes
//     that file, if it is still the one that stands there      ~SocketFile()
//
// socket, bind, listen and connect are not here: they stand in the programs.
// Sources: unix(7), Stevens UNP ch. 15, Kerrisk TLPI ch. 57.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "../fd.hpp"
#include "../tcp/tcp.hpp"

namespace unix_domain {

/// The address that bind, connect and sendto take; its length is `sizeof`. Throws
/// std::runtime_error when the path and the NUL after it do not fit sun_path (108 bytes on Linux,
/// 104 on the BSDs and macOS): cut, it would name another file. Empty, it would be no path but an
/// autobind (unix(7)).
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

/// Whether the socket at `address` has nobody behind it any more. The one who asks is a datagram
/// socket, whatever stands there: a stream socket answers it EPROTOTYPE, even between its bind and
/// its listen, when it would refuse its own kind like a dead one; and no server sees a connection
/// come and go.
inline bool is_dead(const sockaddr_un& address) {
    const Fd asker{check("socket", socket(AF_UNIX, SOCK_DGRAM, 0))};
    return connect(asker.get(), generic(address), sizeof address) == -1 && errno == ECONNREFUSED;
}

/// The file of a server's socket: made room for, then owned. Declare it after the socket, to be
/// destroyed before.
class SocketFile {
  public:
    /// Removes a dead socket from `path`. Anything else stays, symbolic links among it: bind will
    /// say EADDRINUSE. Throws std::system_error when the directory cannot be locked (see turn_).
    explicit SocketFile(std::string path) : path_{std::move(path)} {
        if (!stands_dead()) return;
        const auto slash = path_.rfind('/');
        const std::string directory = slash == path_.npos ? "." : path_.substr(0, slash + 1);
        turn_ = Fd{check("open " + directory,
                         open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))};
        for (int tries = 100; flock(turn_.get(), LOCK_EX | LOCK_NB) == -1; --tries) {
            if (tries == 0 || (errno != EWOULDBLOCK && errno != EINTR))
                check("flock " + directory, -1);
            usleep(10'000);
        }
        if (stands_dead()) unlink(path_.c_str());  // still: it may be another's by now
    }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;

    /// To be called once bind has succeeded: the file that stands there is ours. Throws
    /// std::system_error.
    void bound() {
        check("stat " + path_, lstat(path_.c_str(), &ours_));
        turn_ = Fd{};
    }

    /// Not by the name alone: somebody may have removed our file and bound another. The inode's
    /// number tells them apart as long as our socket is open, which keeps it from being given
    /// again.
    ~SocketFile() {
        struct stat now {};
        if (!S_ISSOCK(ours_.st_mode) || lstat(path_.c_str(), &now) == -1) return;
        if (now.st_dev == ours_.st_dev && now.st_ino == ours_.st_ino) unlink(path_.c_str());
    }

  private:
    [[nodiscard]] bool stands_dead() const {
        struct stat status {};
        return lstat(path_.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) &&
               is_dead(address_of(path_));
    }

    std::string path_;
    /// The directory, locked from the last look at a dead socket until we have bound: of two
    /// servers that find the same dead socket, the second would else remove what the first has just
    /// bound. flock(2) leaves no file behind.
    Fd turn_{};
    struct stat ours_ {};  ///< all zero until bound
};

// ---- The command line: PROGRAM PATH ...
// -------------------------------------------------------------------

/// Reads `PROGRAM OPERAND...`, `count` of them, none empty, and sees to the standard descriptors
/// first. `usage` is what follows "usage: PROGRAM". Ends the program itself on -h (status 0) and on
/// bad usage (status 2).
inline std::vector<std::string> operands(const std::string& program, std::size_t count,
                                         const std::string& usage, int argc, char* argv[]) {
    const std::string text = "usage: " + program + ' ' + usage + "\n  -h, --help  this text";
    open_standard_descriptors();
    std::vector<std::string> found;
    bool options = true;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (options && (word == "-h" || word == "--help")) {
            std::cout << text << '\n';
            std::exit(0);
        }
        if (options && word == "--") {
            options = false;  // what follows may start with a dash
        } else if (options && word.size() > 1 && word.front() == '-') {
            tcp::bad_usage(program, "unknown option " + std::string{word}, text);
        } else {
            if (word.empty()) tcp::bad_usage(program, "empty argument", text);
            found.emplace_back(word);
        }
    }
    if (found.size() < count) tcp::bad_usage(program, "too few arguments", text);
    if (found.size() > count) tcp::bad_usage(program, "too many arguments", text);
    return found;
}

}  // namespace unix_domain
