// unix_domain/stream_client: ties standard input and output to the server at a path, as tcp/netcat
// does to one at a port.
//
//     build/unix_domain/stream_client /tmp/echo   talks to stream_server /tmp/echo
//
//     socket -> connect                AF_UNIX: the path, and no address of our own
//     poll <--------------------+      both directions at once, each at its own pace
//       up:   read -> send -----+      at the end of standard input a half-close: shutdown(SHUT_WR)
//       down: recv -> write ----+      until the server closes; the program ends when both have
//
// Before this: unix_domain/stream_server, the other end. After it: unix_domain/datagram_client.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "options.hpp"
#include "path.hpp"

namespace {

enum Named { input_entry, server_entry, output_entry, entries };

/// One direction of the conversation.
struct Flow {
    bool open = true;
    std::string bytes{};  ///< taken, and to be passed on before we take more (backpressure)

    [[nodiscard]] bool takes() const { return open && bytes.empty(); }
    [[nodiscard]] bool gives() const { return open && !bytes.empty(); }

    /// After the read or recv that returned `n`: 0 is the end of this direction.
    void took(const char* call, const char* buffer, ssize_t n) {
        if (n == -1 && !passes(errno)) check(call, n);
        if (n == 0) open = false;
        if (n > 0) bytes.assign(buffer, static_cast<std::size_t>(n));
    }

    /// After the send or write that returned `n`. False when nobody is there to take any.
    [[nodiscard]] bool passed(const char* call, ssize_t n) {
        if (n == -1 && (errno == EPIPE || errno == ECONNRESET || errno == EBADF)) return false;
        if (n == -1 && !passes(errno)) check(call, n);
        if (n > 0) bytes.erase(0, static_cast<std::size_t>(n));
        return true;
    }
};

/// Talks until both directions have ended; or nobody reads standard output any more, and standard
/// input has had no word for half a second. False when the server closed before it had taken all
/// that we had for it. The standard descriptors stay blocking: they are the shell's too, and would
/// keep the flag after us. We ask of them only what poll has promised: to read what is there, and
/// to write PIPE_BUF bytes (most_at_once; a terminal promises less).
bool converse(const Fd& server) {
    Flow up;
    Flow down;
    const std::size_t most = most_at_once(STDOUT_FILENO);
    char buffer[16 * 1024];
    bool unread = false;  // standard output: what comes is dropped, or the server would wait for us
    std::int64_t typed_at = clock_ms();
    while (up.open || (down.open && !unread)) {
        if (unread && !up.gives() && clock_ms() - typed_at >= 500) return true;
        const auto wanted =
            static_cast<short>((down.takes() ? POLLIN : 0) | (up.gives() ? POLLOUT : 0));
        const short output = down.gives() ? POLLOUT : 0;
        // poll skips a negative descriptor. It reports POLLHUP even to those who want nothing.
        pollfd polled[entries] = {{up.takes() ? STDIN_FILENO : -1, POLLIN, 0},
                                  {up.open || wanted != 0 ? server.get() : -1, wanted, 0},
                                  {down.open && !unread ? pollable_output() : -1, output, 0}};
        const int ready = poll(polled, entries, unread ? 100 : -1);
        if (ready == -1 && !passes(errno)) check("poll", ready);
        if (ready <= 0) continue;
        const short from_server = polled[server_entry].revents;
        const short from_output = polled[output_entry].revents;

        if (polled[input_entry].revents != 0) {
            typed_at = clock_ms();
            up.took("read", buffer, read(STDIN_FILENO, buffer, sizeof buffer));
            if (!up.open) shutdown(server.get(), SHUT_WR);
        }
        if (up.gives()) {
            const ssize_t sent = send(server.get(), up.bytes.data(), up.bytes.size(), MSG_DONTWAIT);
            up.open = up.passed("send", sent);
        }
        // The server has closed altogether: nobody is there for what the user may still type.
        if ((from_server & POLLHUP) != 0 && up.bytes.empty()) up.open = false;

        if ((from_server & ~POLLOUT) != 0 && down.takes()) {
            down.took("recv", buffer, recv(server.get(), buffer, sizeof buffer, MSG_DONTWAIT));
            if (!down.open) end_output();  // whoever reads us sees the end, too
        }
        if ((from_output & ~POLLOUT) != 0) unread = true;  // no harm
        if ((from_output & POLLOUT) != 0 && !unread) {
            const std::size_t size = std::min(down.bytes.size(), most);
            unread = !down.passed("write", write(STDOUT_FILENO, down.bytes.data(), size));
        }
        if (unread) down.bytes.clear();
    }
    return up.bytes.empty();
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to whoever has gone fails (EPIPE)
    const std::string usage = "PATH\n  PATH        the server's socket";
    const std::string path =
        unix_domain::operands("unix_domain/stream_client", 1, usage, argc, argv)[0];
    const sockaddr_un address = unix_domain::address_of(path);
    const Fd server{check("socket", socket(AF_UNIX, SOCK_STREAM, 0))};
    check("connect " + path, connect(server.get(), unix_domain::generic(address), sizeof address));
    if (!converse(server))
        throw std::runtime_error{path + ": closed before it had read everything"};
} catch (const std::exception& error) {
    log_line("unix_domain/stream_client: ", error.what());
    return 1;
}
