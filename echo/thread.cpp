// echo/thread: a thread for each client. As echo/fork, but with one process and one memory.
//
//     build/echo/thread                serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it, from as many terminals as you like
//
//     passive open                     tcp/tcp.hpp
//     accept <-------------+
//     new thread ----------+           it takes the connection over: one descriptor, no copy
//       converse, close                a silent or slow client holds up its own thread only
//
// SIGINT and SIGTERM end it as they end any program, the conversations with it.
// All threads share one table of descriptors and one memory: a mistake in one harms them all.
// Before this: echo/fork. After it: echo/select, where one thread is enough. TLPI 29 and 60.3.
#include "../fd.hpp"

#include <sys/socket.h>

#include <csignal>
#include <mutex>
#include <thread>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "converse.hpp"

namespace {

/// Locked while a thread is started; no thread ends meanwhile. glibc's pthread_detach looks at the
/// thread once more after it has let it go: then its memory must still be there.
std::mutex starting;

/// Gives the connection a thread of its own. Throws std::system_error when there can be no more
/// threads (EAGAIN: pthread_create(3)); the caller then still has `client`, and can tell it.
void start_conversation(Fd& client) {
    const std::lock_guard lock{starting};
    std::thread thread{[number = client.get()] {
        converse(Fd{number});  // and then it is closed
        const std::lock_guard until_started{starting};
    }};
    thread.detach();         // nobody waits for its end
    (void)client.release();  // only forgets the number: the thread closes it, or has done so
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/thread", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    const Fd listener = tcp::passive_open(where);
    tcp::give_up_in_time(listener);
    log_line("listening on ", tcp::local_address(listener));
    Rest rest;
    for (;;) {
        Fd client{accept(listener.get(), nullptr, nullptr)};
        if (!client) {
            rest.accept_failed(errno);
            rest.sleep();
            continue;
        }
        try {
            start_conversation(client);
        } catch (const std::exception& error) {
            log_line("thread: ", error.what());
            refuse(std::move(client), full);
        }
    }
} catch (const std::exception& error) {
    log_line("echo/thread: ", error.what());
    return 1;
}
