// tcp/netcat: your terminal at one end of a TCP connection: what you type goes out, what comes in
// is shown.
//
//     build/tcp/netcat -l -p 9090 127.0.0.1        waits for a client
//     build/tcp/netcat 127.0.0.1 9090              is that client (nc and socat are others)
//
//     passive open, accept                         -l; without it: active open      tcp/tcp.hpp
//     poll <---------------------------------+     who is ready?
//       up: read stdin, write socket --------+     its end: shutdown(SHUT_WR), the half-close
//       down: read socket, write stdout -----+     its end: close(stdout)
//     close                                        when both have ended; -k: accept the next client
//
// A socket is a descriptor like any other: read and write do here what recv and send do without
// flags. After it: tcp/forward, the same two directions between two sockets, for many clients.
#include "../fd.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <climits>
#include <csignal>

#include "../server.hpp"
#include "netcat_options.hpp"
#include "tcp.hpp"

namespace {

/// One direction. It reads only when it holds nothing, so it waits for one event at a time, and
/// whoever writes faster than the other end reads has to wait (backpressure). Neither direction
/// waits for the other.
struct Direction {
    using Buffer = char[64 * 1024];

    const char* name;
    int from;
    int to;
    int polled;                 ///< what poll is asked of, for `to`
    std::size_t most;           ///< bytes that one write is given
    Buffer& bytes;              ///< what was read last
    bool ended = false;         ///< all has been read and written; or it failed
    int error = 0;              ///< why it failed, an errno
    std::string_view unsent{};  ///< what of `bytes` is still to be written

    /// What poll is to look at: a negative descriptor is skipped.
    [[nodiscard]] pollfd wanted() const {
        if (ended) return {-1, 0, 0};
        return unsent.empty() ? pollfd{from, POLLIN, 0} : pollfd{polled, POLLOUT, 0};
    }

    /// One read or one write, when poll has said that it will not block.
    void take_turn() {
        const bool reading = unsent.empty();
        const ssize_t done = reading ? read(from, bytes, sizeof bytes)
                                     : write(to, unsent.data(), std::min(unsent.size(), most));
        if (done == -1) {
            if (!passes(errno)) fail(errno);
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

enum Named { stop_entry, up_entry, down_entry, reader_entry, peer_entry, next_entry, entries };

/// Talks through `socket` until both directions have ended, and the peer has all. False when that
/// was the last conversation: a signal came (`stop` is readable), or nobody reads standard output
/// any more, and standard input has had no word for half a second. `next`: the listener of -k, else
/// -1. Throws std::system_error when the connection, standard input or standard output fails.
bool talk(const Fd& socket, const Fd& stop, int next) {
    // Standard input and output go on blocking: the shell has that open file, too (O_NONBLOCK). One
    // read of what poll calls readable returns at once; so does a write of at most `most` bytes.
    static const std::size_t most = most_at_once(STDOUT_FILENO);
    // Not on the stack: that would have to grow, and without memory for it the program would end.
    static Direction::Buffer typed, heard;
    Direction up{"sending", STDIN_FILENO, socket.get(), socket.get(), SSIZE_MAX, typed};
    Direction down{"receiving", socket.get(), STDOUT_FILENO, pollable_output(), most, heard};
    tcp::Rounds rounds;
    bool unread = false;  // standard output: what comes is dropped, or the peer would wait for us
    std::int64_t typed_at = clock_ms();
    while (down.error == 0) {
        const bool silent = up.unsent.empty() && clock_ms() - typed_at >= 500;
        const bool last = up.ended ? down.ended || unread : unread && silent;
        // Else we wait for the peer to take all: see tcp::Rounds::see_off().
        if (last && (up.error != 0 || on_its_way(socket) == 0)) break;
        pollfd polled[entries] = {
            {stop.get(), POLLIN, 0},
            up.wanted(),
            down.wanted(),
            // Asked for no event, poll still tells of errors: nobody reads our output any more; or,
            // when the peer has half-closed, it has reset the connection.
            {down.ended || unread ? -1 : down.polled, 0, 0},
            {down.ended && !up.ended ? socket.get() : -1, 0, 0},
            {down.ended && up.unsent.empty() && on_its_way(socket) == 0 ? next : -1, POLLIN, 0},
        };
        const int ready = poll(polled, entries, unread || down.ended ? 100 : tcp::Rounds::period);
        if (ready == -1 && errno == EINVAL && !stop) check("poll", ready);  // fewer descriptors
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return false;
        if (ready == -1) continue;
        if (up.ended && down.ended) up.error = tcp::error_at_the_end(socket);
        const bool all_shown = down.unsent.empty() && polled[down_entry].revents == 0;
        if (rounds.are_due() && rounds.has_vanished(socket) && all_shown)
            (down.ended ? up : down).fail(ETIMEDOUT);
        if (polled[stop_entry].revents != 0) return false;
        unread = unread || polled[reader_entry].revents != 0;
        if (polled[peer_entry].revents != 0) {
            up.fail(tcp::was_forgotten(socket) ? 0 : ECONNRESET);
        } else if (polled[up_entry].revents != 0) {
            typed_at = clock_ms();
            up.take_turn();  // should it fail, what the peer has sent before is still to be read
            if (up.ended) shutdown(socket.get(), SHUT_WR);
        } else if (polled[next_entry].revents != 0) {
            return true;  // the peer has said all it had to say, and we have nothing to say
        }
        if (polled[down_entry].revents != 0) {
            if (unread) down.unsent = {};
            down.take_turn();
            if (down.error == EPIPE || down.error == EBADF) {  // closed: no reason to complain
                unread = true;
                down.ended = false;
                down.error = 0;
            }
            // The half-close is passed on to who reads our output; -k has more to come.
            if (down.ended && next == -1) end_output();
        }
    }
    for (const Direction* d : {&down, &up})
        if (d->error != 0) throw std::system_error{d->error, std::generic_category(), d->name};
    return !unread;
}

/// The next client. Empty when SIGINT or SIGTERM came first.
Fd wait_for_client(const Fd& listener, const Fd& stop) {
    for (Rest rest;;) {
        pollfd polled[] = {{stop.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
        const int ready = poll(polled, std::size(polled), -1);
        if (ready == -1 && errno != EINTR && rest_or_stop(stop)) return {};
        if (ready <= 0) continue;
        if (polled[stop_entry].revents != 0) return {};
        if (Fd client = rest.accepted(accept(listener.get(), nullptr, nullptr))) return client;
        rest.sleep();
    }
}

}  // namespace

int main(int argc, char* argv[]) try {
    const NetcatArguments arguments = read_netcat_arguments(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to whoever has gone fails (EPIPE)
    if (!arguments.listen) {
        // Control-C ends it as it ends any command: there is no stop pipe.
        talk(tcp::active_open(arguments.where, arguments.limit), Fd{}, -1);
        return 0;
    }
    const Fd listener = tcp::passive_open(arguments.where);  // open to the end: a second one waits
    check("fcntl", set_nonblocking(listener));
    const Fd stop = stop_pipe();
    log_line("listening on ", tcp::local_address(listener));
    for (bool more = true; more;) {
        const Fd client = wait_for_client(listener, stop);
        if (!client) return 0;
        try {
            more = talk(client, stop, arguments.keep ? listener.get() : -1) && arguments.keep;
        } catch (const std::exception& error) {  // or there was no memory to say what failed
            if (!arguments.keep) throw;
            log_line("tcp/netcat: ", error.what());
        }
    }
} catch (const std::exception& error) {
    log_line("tcp/netcat: ", error.what());
    return 1;
}
