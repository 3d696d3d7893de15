// unix_domain/fd_client: asks for a file by its name, is handed its descriptor, and reads what it
// could not open.
//
//     build/unix_domain/fd_client /tmp/files NAME      asks fd_server /tmp/files DIR
//
//     socket -> connect
//     send                  NAME and a newline
//     recvmsg               a byte and a descriptor; or a line that says why not
//     read -> write         from that descriptor, to its end
//
// Before this: unix_domain/fd_server, the other end. See also: unix_domain/rights.hpp; UNP 15.7,
// TLPI 61.13.3, cmsg(3).
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <climits>
#include <csignal>

#include "../server.hpp"
#include "options.hpp"
#include "path.hpp"
#include "system.hpp"

namespace {

/// What one recvmsg brought.
struct Answer {
    std::string bytes{};
    Fd file{};
};

/// Throws std::system_error; std::runtime_error when a descriptor came and we had no number left
/// for it.
Answer receive(const Fd& server) {
    char bytes[PATH_MAX];
    iovec data{bytes, sizeof bytes};
    // Room for the one descriptor that we want. Of more (a message has up to 253, unix(7)) the
    // kernel closes those without room; yet two may fit. What is delivered is ours to close. So all
    // of it is taken, and the first is kept.
    unix_domain::Control control;
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    unix_domain::set_control(message, control);
    ssize_t received = -1;
    do {
        received = unix_domain::receive_message(server, message);
    } while (received == -1 && errno == EINTR);
    Answer answer{{bytes, static_cast<std::size_t>(check("recvmsg", received))}};
    for (const int number : unix_domain::descriptors_in(message)) {
        Fd file{number};
        if (!answer.file) answer.file = std::move(file);
    }
    // Nothing but MSG_CTRUNC says that a descriptor came and that we had no number free for it
    // (RLIMIT_NOFILE).
    if ((message.msg_flags & MSG_CTRUNC) != 0 && !answer.file)
        throw std::runtime_error{"recvmsg: no descriptor left to receive the file"};
    return answer;
}

/// Waits where a read or a write said EAGAIN: another program has the file open, too, and has set
/// O_NONBLOCK.
void wait_for(int fd, short events) {
    pollfd polled{fd, events, 0};
    poll(&polled, 1, -1);
}

/// Copies all of `file` to standard output. Throws std::system_error.
void print(const Fd& file) {
    char bytes[64 * 1024];
    for (;;) {
        const ssize_t got = read(file.get(), bytes, sizeof bytes);
        if (got == -1 && later(errno)) {
            wait_for(file.get(), POLLIN);
            continue;
        }
        if (check("read", got) == 0) return;
        for (std::string_view rest{bytes, static_cast<std::size_t>(got)}; !rest.empty();) {
            const ssize_t written = write(STDOUT_FILENO, rest.data(), rest.size());
            if (written == -1 && later(errno)) {
                wait_for(STDOUT_FILENO, POLLOUT);
                continue;
            }
            if (written == -1 && (errno == EPIPE || errno == EBADF)) return;  // nobody reads us
            rest.remove_prefix(static_cast<std::size_t>(check("write", written)));
        }
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to whoever has gone fails (EPIPE)
    const std::string usage =
        "PATH NAME\n"
        "  PATH        the server's socket\n"
        "  NAME        a file in its directory";
    const auto words = unix_domain::operands("unix_domain/fd_client", 2, usage, argc, argv);
    const std::string& path = words[0];
    const std::string& name = words[1];
    if (name.find('\n') != name.npos)
        throw std::runtime_error{"a name with a newline in it cannot be asked for"};
    const sockaddr_un address = unix_domain::address_of(path);

    const Fd server{check("socket", socket(AF_UNIX, SOCK_STREAM, 0))};
    check("connect " + path, connect(server.get(), unix_domain::generic(address), sizeof address));
    if (!send_all(server, name + '\n')) check("send", -1);
    Answer answer = receive(server);
    if (answer.file) {
        print(answer.file);
        return 0;
    }
    std::string no = answer.bytes;
    while (!answer.bytes.empty() && no.find('\n') == no.npos &&
           no.size() < std::size_t{3} * PATH_MAX) {
        answer = receive(server);
        no += answer.bytes;
    }
    no.resize(std::min(no.find('\n'), no.size()));
    throw std::runtime_error{no.empty() ? path + ": neither a file nor a reason came" : no};
} catch (const std::exception& error) {
    log_line("unix_domain/fd_client: ", error.what());
    return 1;
}
