// echo/thread: a thread for each client. As echo/fork, but all in one process: cheaper to start, one memory.
//
//     build/echo/thread                serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it, from as many terminals as you like
//
//     passive open                     tcp/tcp.hpp
//     accept <-------------+
//     new thread ----------+           it takes the connection over: there is one descriptor, no copy
//       recv -> send ... close         a silent or slow client holds up its own thread only
//
// SIGINT and SIGTERM end it as they end any program, the conversations with it.
// One process has one table of descriptors, and one mistake in a thread is everybody's: see start_thread.
// Before this: echo/fork. After it: echo/select, where one thread is enough. TLPI 29 and 60.3.
#include <poll.h>

#include <thread>

#include "../fd.hpp"
#include "../tcp/tcp.hpp"
#include "reply.hpp"

namespace {

/// One client's whole conversation.
void converse(const Fd& client) {
    Reply reply;
    std::string out{greeting};
    char in[16 * 1024];
    while (tcp::send_all(client, out)) {
        ssize_t received = -1;
        do received = recv(client.get(), in, sizeof in, 0);
        while (received == -1 && errno == EINTR);
        if (received <= 0) return;  // 0: the client's half-close, and all it was owed is sent; -1: a reset
        out.clear();
        reply.answer({in, static_cast<std::size_t>(received)}, out);
    }
}

/// Gives the connection a thread of its own. Throws std::system_error when there can be no more threads
/// (EAGAIN: pthread_create(3)); `client` is then still the caller's, to say so.
void start_thread(Fd& client) {
    std::thread{[number = client.get()] {
        const Fd mine{number};
        try {
            converse(mine);
        } catch (const std::bad_alloc&) {  // uncaught, it would end the process
        }
    }}.detach();             // nobody waits for its end
    (void)client.release();  // it may be closed by now: this touches our int only
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/thread", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // a send to a client that has gone is an errno, EPIPE, and not our death
    const Fd listener = tcp::passive_open(where);
    tcp::log("listening on " + tcp::local_address(listener));
    for (tcp::Rest rest;;) {
        Fd client{accept(listener.get(), nullptr, nullptr)};
        if (!client) {
            rest.accept_failed(errno);
            poll(nullptr, 0, std::max(0, rest.timeout()));  // looks at nothing: it only lets the time pass
            continue;
        }
        try {
            start_thread(client);
        } catch (const std::exception& error) {
            tcp::log(std::string{"thread: "} + error.what());
            tcp::refuse(std::move(client), full);
        }
    }
} catch (const std::exception& error) {
    tcp::log(std::string{"echo/thread: "} + error.what());
    return 1;
}
