// echo/fork: a process for each client. All conversations go on at once.
//
//     build/echo/fork                  serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it, from as many terminals as you like
//
//     passive open                     tcp/tcp.hpp
//     accept <-------------+
//     fork                 |
//       parent: close -----+           its copy of the connection; the child has one too
//       child:  converse, exit         a silent or slow client holds up its own child only
//
// SIGINT and SIGTERM end it as they end any program. The children go on to the end of their
// conversations, unless the signal came from Ctrl-C, which goes to them too.
// Before this: echo/iterative. After it: echo/thread, the same for less memory. TLPI 60.3.
#include "../fd.hpp"

#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "converse.hpp"

namespace {

/// Gives the connection a process of its own. Throws std::system_error when there can be no more
/// processes (EAGAIN, ENOMEM: fork(2)); the caller then still has `client`, and can tell it.
void start_conversation(Fd& client, Fd& listener) {
    if (check("fork", fork()) == 0) {
        listener = Fd{};  // or the port would be taken for as long as this client stays
        converse(client);
        _exit(0);  // not exit(3): what that does at the end (atexit, stdio) is the parent's to do
    }
    client = Fd{};  // the parent's copy: the connection ends when both are closed
}

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/fork", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    std::signal(SIGCHLD, SIG_IGN);  // nobody waits for the children: the kernel keeps no zombies
    Fd listener = tcp::passive_open(where);
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
            start_conversation(client, listener);
        } catch (const std::exception& error) {
            log_line(error.what());
            refuse(std::move(client), full);
        }
    }
} catch (const std::exception& error) {
    log_line("echo/fork: ", error.what());
    return 1;
}
