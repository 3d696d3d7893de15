// tcp/netcat: your terminal at one end of a TCP connection: what you type goes out, what comes in
// is shown.
//
//     build/tcp/netcat -l -p 9090 127.0.0.1      waits for a client
//     build/tcp/netcat 127.0.0.1 9090            is that client (nc and socat are others)
//
//     -l: passive open, accept     or: active open        tcp/tcp.hpp
//     poll <---------------------------------------+      who is ready?
//       standard input -> socket: read, write -----+      its end: shutdown(SHUT_WR), the
//       half-close socket -> standard output: read, write ----+      its end: close(standard
//       output)
//     close                                               when both have ended; -k: accept the next
//     client
//
// A socket is a descriptor like any other: read and write do here what recv and send do without
// flags. After it: tcp/forward, the same two directions between two sockets, for any number of
// clients.
#include <poll.h>

#include <climits>
#include <optional>
#include <vector>

#include "../fd.hpp"
#include "tcp.hpp"

namespace {

/// One direction. It reads only when it holds nothing: so it waits for one event at a time, and who
/// writes faster than the other end reads is made to wait (backpressure). Neither direction waits
/// for the other.
struct Direction {
    const char* name;
    int from;
    int to;
    std::size_t piece;          ///< the most bytes that one write may be given
    bool ended = false;         ///< nothing more to read and all of it written; or it failed
    int error = 0;              ///< why it failed, an errno
    std::string_view unsent{};  ///< what of `bytes` is still to be written
    char bytes[64 * 1024] = {};

    /// What poll is to look at; a negative descriptor is skipped.
    [[nodiscard]] pollfd wanted() const {
        if (ended) return {-1, 0, 0};
        return unsent.empty() ? pollfd{from, POLLIN, 0} : pollfd{to, POLLOUT, 0};
    }

    /// One read or one write, when poll has said that it will not block.
    void take_turn() {
        const bool reading = unsent.empty();
        const ssize_t done = reading ? read(from, bytes, sizeof bytes)
                                     : write(to, unsent.data(), std::min(unsent.size(), piece));
        if (done == -1) {
            if (!tcp::later(errno)) fail(errno);
        } else if (reading) {
            ended = done == 0;
            unsent = {bytes, static_cast<std::size_t>(done)};
        } else {
            unsent.remove_prefix(static_cast<std::size_t>(done));
        }
    }

    void fail(int why) {
        ended = true;
        error = why;
    }
};

/// Talks through `socket` until both directions have ended. False when there is nobody to go on
/// for: SIGINT or SIGTERM came (`stop` is readable), or standard output is closed. `next`: with -k
/// the listener, else -1. Throws std::system_error when the connection, standard input or standard
/// output fails.
bool talk(const Fd& socket, const Fd& stop, int next) {
    // Standard input and output go on blocking: O_NONBLOCK belongs to the open file, and the shell
    // has that open too. One read of what poll calls readable returns at once; so does a write to a
    // pipe, up to PIPE_BUF bytes.
    Direction up{"sending", STDIN_FILENO, socket.get(), SSIZE_MAX};
    Direction down{"receiving", socket.get(), STDOUT_FILENO, PIPE_BUF};
    while (down.error == 0 && !(up.ended && down.ended)) {
        pollfd polled[] = {
            {stop.get(), POLLIN, 0},
            up.wanted(),
            down.wanted(),
            // Asked for nothing, poll still tells of errors: a pipe that nobody reads any more,
            // then a reset.
            {down.ended ? socket.get() : STDOUT_FILENO, 0, 0},
            {down.ended && up.unsent.empty() ? next : -1, POLLIN, 0},
        };
        const int ready = poll(polled, std::size(polled), -1);
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return false;
        if (ready <= 0) continue;
        if (polled[0].revents != 0) return false;
        if (polled[3].revents != 0) {
            if (!down.ended) return false;
            up.fail(ECONNRESET);
        } else if (polled[1].revents != 0) {
            up.take_turn();  // should it fail, what the peer has sent before is still to be read
            if (up.ended) shutdown(socket.get(), SHUT_WR);
        } else if (polled[4].revents != 0) {
            return true;  // a peer that has said all it had to say, while we have nothing to say,
                          // makes room
        }
        if (polled[2].revents != 0) {
            down.take_turn();
            if (down.ended && next == -1)
                close(STDOUT_FILENO);  // the half-close, passed on to who reads us
        }
    }
    if (down.error == EPIPE || down.error == EBADF)
        return false;  // standard output is closed: end quietly
    for (const Direction* d : {&down, &up})
        if (d->error != 0) throw std::system_error{d->error, std::generic_category(), d->name};
    return true;
}

/// The next client. Empty when SIGINT or SIGTERM came first.
Fd wait_for_client(const Fd& listener, const Fd& stop) {
    tcp::Rest rest;
    for (;;) {
        const int timeout = rest.timeout();
        pollfd polled[] = {{stop.get(), POLLIN, 0},
                           {timeout == -1 ? listener.get() : -1, POLLIN, 0}};
        const int ready = poll(polled, std::size(polled), timeout);
        if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop)) return {};
        if (ready <= 0) continue;  // EINTR; or a rest is over
        if (polled[0].revents != 0) return {};
        if (Fd client{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)}) return client;
        rest.accept_failed(errno);
    }
}

struct Arguments {
    bool listen = false;
    bool keep = false;
    tcp::Where where{};
    std::chrono::milliseconds limit = std::chrono::hours{1};
};

Arguments read_arguments(int argc, char* argv[]) {
    const std::string program = "tcp/netcat";
    const std::string usage =
        "usage: tcp/netcat [-w SECONDS] HOST PORT\n"
        "       tcp/netcat -l [-k] -p PORT [HOST]\n"
        "       tcp/netcat -l [-k] [HOST] PORT\n"
        "  -l          listen on HOST (default 127.0.0.1), and talk with one client\n"
        "  -k          then with the next, and so on\n"
        "  -p PORT     the port to listen on; 0 takes a free one\n"
        "  -w SECONDS  how long to try to connect (2, 0.5)\n"
        "  -h, --help  this text";
    open_standard_descriptors();
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    Arguments arguments;
    std::optional<std::string> port;
    opterr = 0;  // the messages are ours
    for (int letter = 0;
         (letter = getopt_long(argc, argv, ":lkp:w:h", long_options, nullptr)) != -1;) {
        tcp::common_option(letter, argv, program, usage);
        if (letter == 'l') arguments.listen = true;
        if (letter == 'k') arguments.keep = true;
        if (letter == 'p') port = optarg;
        if (letter == 'w')
            arguments.limit =
                std::chrono::milliseconds{tcp::seconds_or_usage(optarg, program, usage)};
    }
    std::vector<std::string> words{argv + optind, argv + argc};
    if (!arguments.listen && (port || arguments.keep))
        tcp::bad_usage(program, "-p and -k go with -l", usage);
    if (!port && !words.empty()) {  // the last word is the port
        port = words.back();
        words.pop_back();
    }
    if (!port || (!arguments.listen && words.empty()))
        tcp::bad_usage(program, "HOST or PORT is missing", usage);
    if (words.size() > 1) tcp::bad_usage(program, "too many arguments", usage);
    if (!tcp::is_port(*port)) tcp::bad_usage(program, "bad port: " + *port, usage);
    if (!words.empty()) arguments.where.host = words.front();
    arguments.where.port = *port;
    return arguments;
}

}  // namespace

int main(int argc, char* argv[]) try {
    const Arguments arguments = read_arguments(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // a write to a peer, or to a pipe, that has gone is an errno,
                                    // EPIPE, and no death
    if (!arguments.listen) {
        talk(tcp::active_open(arguments.where, static_cast<int>(arguments.limit.count())), Fd{},
             -1);  // Ctrl-C ends it as it ends any command
        return 0;
    }
    const Fd listener =
        tcp::passive_open(arguments.where);  // open to the end: the second client waits
    check("fcntl", set_nonblocking(listener));
    const Fd stop = tcp::stop_pipe();
    tcp::log("listening on " + tcp::local_address(listener));
    for (bool more = true; more;) {
        const Fd client = wait_for_client(listener, stop);
        if (!client) return 0;
        try {
            more = talk(client, stop, arguments.keep ? listener.get() : -1) && arguments.keep;
        } catch (const std::system_error& error) {
            if (!arguments.keep) throw;
            tcp::log(std::string{"tcp/netcat: "} + error.what());
        }
    }
} catch (const std::exception& error) {
    tcp::log(std::string{"tcp/netcat: "} + error.what());
    return 1;
}
