// unix_domain/datagram_client: sends each line of its input as a datagram, and prints the answers.
//
//     build/unix_domain/datagram_client /tmp/dgram     asks build/unix_domain/datagram_server
//                                                      /tmp/dgram
//
//     socket -> bind -> connect          bind: an address of our own, to be answered at
//     poll, read <----------------+      the next line
//       poll, send                |      a line is a datagram, without its newline
//       poll, recv                |      its answer; after five seconds we give up
//       poll, write --------------+      and a newline
//
// A UDP client is given a port when it first sends. Here the address is a file. We make it in a
// directory that nobody else can enter, and remove both, whatever ends us. So this client has a
// stop pipe, and each poll looks at it.
//
// Before this: unix_domain/datagram_server, the other end. After it: unix_domain/fd_client.
#include "../fd.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <optional>

#include "../server.hpp"
#include "options.hpp"
#include "path.hpp"

namespace {

enum Named { stop_entry, other_entry, entries };

/// Thrown to end the program where nothing has failed: at a signal, and when nobody reads our
/// output any more.
struct Stopped {};

constexpr std::int64_t patience = 5000;       // milliseconds, from the question to the answer
constexpr std::int64_t for_ever = INT64_MAX;  // a deadline that never comes

/// Waits until poll says something of `fd`. Throws Stopped; std::runtime_error at the deadline, by
/// clock_ms(); std::system_error.
void wait(const Fd& stop, int fd, short events, std::int64_t deadline = for_ever) {
    for (;;) {
        // Who was stopped (Control-Z) until after the deadline looks once more.
        const std::int64_t left = std::max<std::int64_t>(0, deadline - clock_ms());
        pollfd polled[entries] = {{stop.get(), POLLIN, 0}, {fd, events, 0}};
        const int ready = poll(polled, entries, left > patience ? -1 : static_cast<int>(left));
        if (ready == -1 && !passes(errno)) check("poll", ready);
        if (ready == 0 && left == 0) throw std::runtime_error{"no answer in 5 s"};
        if (ready <= 0) continue;
        if (polled[stop_entry].revents != 0) throw Stopped{};
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
            if (n == -1 && !passes(errno)) check("read", n);
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
/// datagram that is too large, ECONNREFUSED when the server has gone.
std::string ask(const Fd& server, const Fd& stop, const std::string& question) {
    const std::int64_t deadline = clock_ms() + patience;
    const std::string send_call = "send " + std::to_string(question.size()) + " bytes";
    ssize_t done = -1;
    while (done == -1) {
        wait(stop, server.get(), POLLOUT, deadline);  // until there is room in the server's queue
        done = send(server.get(), question.data(), question.size(), MSG_DONTWAIT);
        if (done == -1 && !passes(errno)) check(send_call, done);
    }
    std::string answer;
    done = -1;
    while (done == -1) {
        wait(stop, server.get(), POLLIN, deadline);
        // What a buffer does not hold of a datagram is lost. So first: how many bytes wait?
        int size = 0;
        check("ioctl", ioctl(server.get(), FIONREAD, &size));
        answer.resize(static_cast<std::size_t>(size));
        done = recv(server.get(), answer.data(), answer.size(), MSG_DONTWAIT);
        if (done == -1 && !passes(errno)) check("recv", done);
    }
    answer.resize(static_cast<std::size_t>(done));
    return answer;
}

/// Writes `text`. poll has promised not to let PIPE_BUF bytes block, so no more at a time. Throws
/// what wait() does.
void print(const Fd& stop, std::string_view text) {
    while (!text.empty()) {
        wait(stop, pollable_output(), POLLOUT);
        const std::size_t size = std::min<std::size_t>(text.size(), PIPE_BUF);
        const ssize_t n = write(STDOUT_FILENO, text.data(), size);
        if (n == -1 && (errno == EPIPE || errno == EBADF)) throw Stopped{};
        if (n == -1 && !passes(errno)) check("write", n);
        if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to whoever has gone fails (EPIPE)
    const std::string usage = "PATH\n  PATH        the server's socket";
    const std::string path =
        unix_domain::operands("unix_domain/datagram_client", 1, usage, argc, argv)[0];
    const sockaddr_un theirs = unix_domain::address_of(path);
    const Fd stop = stop_pipe();  // before there is a file to remove

    const unix_domain::PrivatePath own;
    const sockaddr_un ours = unix_domain::address_of(own.socket());
    const Fd server{check("socket", socket(AF_UNIX, SOCK_DGRAM, 0))};
    check("bind " + own.socket(), bind(server.get(), unix_domain::generic(ours), sizeof ours));
    // No connection is made: connect says where send sends, and that nobody else may answer.
    check("connect " + path, connect(server.get(), unix_domain::generic(theirs), sizeof theirs));

    int most = 0;  // no datagram is larger than the send buffer
    socklen_t length = sizeof most;
    check("getsockopt", getsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &most, &length));
    Input input;
    while (const auto line = input.next_line(stop, static_cast<std::size_t>(most)))
        print(stop, ask(server, stop, *line) + '\n');
} catch (const Stopped&) {
    return 0;
} catch (const std::exception& error) {
    log_line("unix_domain/datagram_client: ", error.what());
    return 1;
}
