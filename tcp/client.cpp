// tcp/client: the plainest TCP client. What is typed goes out, what comes is shown.
//
//     build/tcp/client 127.0.0.1 9090  talks to build/tcp/server
//
//     socket, connect                  the kernel makes the connection, or says why there is none
//     read -> write, shutdown          in a thread: what is typed; its end is a half-close
//     read -> write                    in main: what the server says, until it closes (read: 0)
//
// A call that blocks stops its thread, so each direction has its own. Beside this: tcp/server.
#include "../fd.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <atomic>
#include <charconv>
#include <csignal>
#include <iostream>
#include <thread>

/// Writes to `to` all that can be read from `from`, up to its end. Throws std::system_error.
void pass_on(int from, int to) {
    char bytes[16 * 1024];
    while (const ssize_t came = read(from, bytes, sizeof bytes)) {
        if (came == -1 && errno == EINTR) continue;  // a signal came, and nothing else
        check("read", came);
        for (ssize_t done = 0; done < came;) {  // write may take only a part
            const ssize_t taken = write(to, bytes + done, size_t(came - done));
            if (taken == -1 && errno == EINTR) continue;
            done += check("write", taken);
        }
    }
}

int main(int argc, char* argv[]) try {
    const std::string usage = "usage: tcp/client ADDRESS PORT\n";
    const std::string host = argc > 1 ? argv[1] : "", word = argc > 2 ? argv[2] : "";
    if (host == "-h" || host == "--help") return std::cout << usage, 0;
    in_port_t port = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
    sockaddr_in address{};
    address.sin_family = AF_INET;    // IPv4
    address.sin_port = htons(port);  // two bytes, the high one first
    const bool valid = inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1;  // four bytes
    if (argc != 3 || !valid || error != std::errc{} || *end != '\0')
        return std::cerr << "tcp/client: ADDRESS is like 127.0.0.1, PORT like 9090\n" << usage, 2;
    open_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to a server that has gone fails (EPIPE)
    const Fd server{check("socket", socket(AF_INET, SOCK_STREAM, 0))};
    const auto* const generic = reinterpret_cast<sockaddr*>(&address);  // connect takes this type
    check("connect " + host + ':' + word, connect(server.get(), generic, sizeof address));
    static std::atomic<int> typing{-1};  // -1 while it goes on; then 0, or an errno
    std::thread{[to = server.get()] {
        try {
            pass_on(STDIN_FILENO, to);
            typing = 0;
        } catch (const std::system_error& why) {  // EPIPE: the server has closed; no failure
            typing = why.code() == std::errc::broken_pipe ? 0 : why.code().value();
        }
        typing.notify_one();
        shutdown(to, SHUT_WR);
    }}.detach();  // nobody waits for this thread: it may be waiting for a key
    pass_on(server.get(), STDOUT_FILENO);
    // Only one thread is told of a reset. If the other was, poll sees no error here: wait for it.
    pollfd dead{server.get(), 0, 0};
    if (poll(&dead, 1, 0) == 1 && dead.revents == POLLHUP) typing.wait(-1);
    if (errno = typing; errno > 0) check("standard input", -1);  // only now: all is shown
} catch (const std::exception& error) {
    return std::cerr << "tcp/client: " << error.what() << '\n', 1;
}
