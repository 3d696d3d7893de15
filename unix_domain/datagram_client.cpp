// unix_domain/datagram_client: sends each line of its input as a datagram, and prints the answer to
// each.
//
//     build/unix_domain/datagram_client /tmp/dgram     asks build/unix_domain/datagram_server
//     /tmp/dgram
//
//     socket -> bind -> connect          bind: an address of our own, to be answered at
//     poll, read <----------------+      the next line
//       poll, send                |      a line is a datagram, without its newline; the server's
//       queue may be full poll, recv                |      its answer, or the end of our patience
//       poll, write --------------+
//
// A UDP client is given a port when it first sends. Here the address is a file, which we make in a
// directory that nobody else can enter, and remove, whatever ends us: so this client has a stop
// pipe, and looks at it in each poll.
//
// Before this: unix_domain/datagram_server, the other end. After it: unix_domain/fd_client.
#include <poll.h>

#include <climits>
#include <optional>

#include "../fd.hpp"
#include "../tcp/tcp.hpp"
#include "path.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Deadline = std::optional<Clock::time_point>;  ///< none: for ever

constexpr std::chrono::seconds patience{5};  ///< from the question to the answer

/// Thrown at SIGINT and SIGTERM, and when nobody reads our output any more: an end, and no failure.
struct Stopped {};

/// A directory in $TMPDIR or /tmp that only we can enter (mkdtemp(3): mode 0700), removed at the
/// end of its scope.
class PrivateDirectory {
  public:
    PrivateDirectory() {
        const char* const parent = std::getenv("TMPDIR");
        path = (parent == nullptr || *parent == '\0' ? "/tmp" : parent) +
               std::string{"/socklab-XXXXXX"};
        if (mkdtemp(path.data()) == nullptr) check("mkdtemp " + path, -1);
    }
    PrivateDirectory(const PrivateDirectory&) = delete;
    PrivateDirectory& operator=(const PrivateDirectory&) = delete;
    ~PrivateDirectory() { rmdir(path.c_str()); }

    std::string path;
};

/// Waits until poll says something of `fd`. Throws Stopped, or std::runtime_error at the deadline.
void wait(const Fd& stop, int fd, short events, const Deadline& deadline = {}) {
    for (;;) {
        int timeout = -1;
        if (deadline) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
            if (left <= 0)
                throw std::runtime_error{"no answer in " + std::to_string(patience.count()) + " s"};
            timeout = static_cast<int>(left);
        }
        pollfd polled[] = {{stop.get(), POLLIN, 0}, {fd, events, 0}};
        const int ready = poll(polled, 2, timeout);
        if (ready == -1 && !tcp::later(errno)) check("poll", ready);
        if (ready <= 0) continue;
        if (polled[0].revents != 0) throw Stopped{};
        return;
    }
}

/// Standard input, line by line.
struct Input {
    std::string unread{};
    bool ended = false;

    /// The next line, without its newline, which the last one may lack; nothing at the end. Throws
    /// what wait() does, and std::system_error (EMSGSIZE) when a line has over `most` bytes: we do
    /// not collect what cannot be sent.
    std::optional<std::string> next_line(const Fd& stop, std::size_t most) {
        auto newline = unread.find('\n');
        while (newline == unread.npos && !ended) {
            if (unread.size() > most)
                throw std::system_error{EMSGSIZE, std::generic_category(), "a line"};
            char buffer[16 * 1024];
            wait(stop, STDIN_FILENO, POLLIN);
            const ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
            if (n == -1 && !tcp::later(errno)) check("read", n);
            if (n == 0) ended = true;
            if (n > 0) unread.append(buffer, static_cast<std::size_t>(n));
            newline = unread.find('\n');
        }
        if (unread.empty()) return {};
        std::string line = unread.substr(0, newline);
        unread.erase(0, newline == unread.npos ? newline : newline + 1);
        return line;
    }
};

/// One datagram there, one back. Throws what wait() does, and std::system_error: EMSGSIZE for a
/// datagram too large, ECONNREFUSED when the server has gone.
std::string ask(const Fd& server, const Fd& stop, const std::string& question) {
    const Deadline deadline = Clock::now() + patience;
    const auto failed = [](const std::string& call, ssize_t result) {
        if (result == -1 && !tcp::later(errno)) check(call, result);
        return result == -1;
    };
    const std::string send_call = "send " + std::to_string(question.size()) + " bytes";
    do {
        wait(stop, server.get(), POLLOUT,
             deadline);  // a connected socket is writable when its peer's queue has room
    } while (failed(send_call, send(server.get(), question.data(), question.size(), MSG_DONTWAIT)));

    // First its length, left in the queue: what a buffer does not hold of a datagram is lost.
    // MSG_TRUNC is Linux; the BSDs and macOS have ioctl(FIONREAD).
    std::string answer;
    ssize_t length = -1;
    do {
        wait(stop, server.get(), POLLIN, deadline);
        length = recv(server.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
        if (!failed("recv", length)) answer.resize(static_cast<std::size_t>(length));
    } while (length == -1 ||
             failed("recv", recv(server.get(), answer.data(), answer.size(), MSG_DONTWAIT)));
    return answer;
}

/// Writes `text`, at most the PIPE_BUF bytes at a time that poll has promised not to block. Throws
/// what wait() does.
void print(const Fd& stop, std::string_view text) {
    while (!text.empty()) {
        wait(stop, STDOUT_FILENO, POLLOUT);
        const ssize_t n =
            write(STDOUT_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
        if (n == -1 && (errno == EPIPE || errno == EBADF)) throw Stopped{};
        if (n == -1 && !tcp::later(errno)) check("write", n);
        if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
    }
}

}  // namespace

constexpr auto usage = "PATH\n  PATH        the server's socket";

int main(int argc, char* argv[]) try {
    const std::string path =
        unix_domain::operands("unix_domain/datagram_client", 1, usage, argc, argv)[0];
    const sockaddr_un theirs = unix_domain::address_of(path);
    std::signal(SIGPIPE, SIG_IGN);
    const Fd stop = tcp::stop_pipe();

    const PrivateDirectory directory;
    const std::string own_path = directory.path + "/socket";
    const sockaddr_un ours = unix_domain::address_of(own_path);
    const Fd server{check("socket", socket(AF_UNIX, SOCK_DGRAM, 0))};
    unix_domain::SocketFile file{own_path};
    check("bind " + own_path, bind(server.get(), unix_domain::generic(ours), sizeof ours));
    file.bound();
    // No connection is made: connect says where send sends, and that nobody else may answer.
    check("connect " + path, connect(server.get(), unix_domain::generic(theirs), sizeof theirs));

    int most = 0;  // no datagram is larger than the send buffer
    socklen_t size = sizeof most;
    check("getsockopt", getsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &most, &size));
    Input input;
    while (const auto line = input.next_line(stop, static_cast<std::size_t>(most)))
        print(stop, ask(server, stop, *line) + '\n');
} catch (const Stopped&) {
    return 0;
} catch (const std::exception& error) {
    tcp::log(std::string{"unix_domain/datagram_client: "} + error.what());
    return 1;
}
