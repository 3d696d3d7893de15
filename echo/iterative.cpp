// echo/iterative: the smallest echo server, one client after the other.
//
//     build/echo/iterative             serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it; a second nc waits until the first has gone
//
//     passive open                     tcp/tcp.hpp: getaddrinfo, socket, bind, listen
//     accept <-------------+           the next client
//     converse ------------+           echo/converse.hpp: send, recv ... until recv returns 0
//
// SIGINT and SIGTERM end it as they end any program. Beej's Guide, chapters 5 and 6.
// Before this: tcp/server, which is plainer. After it: echo/fork, where no client has to wait.
#include "../fd.hpp"

#include <sys/socket.h>

#include <csignal>

#include "../server.hpp"
#include "../tcp/tcp.hpp"
#include "converse.hpp"

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/iterative", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // so that a send to a client that has gone fails (EPIPE)
    const Fd listener = tcp::passive_open(where);
    tcp::give_up_in_time(listener);
    log_line("listening on ", tcp::local_address(listener));
    Rest rest;
    for (;;) {
        const Fd client{accept(listener.get(), nullptr, nullptr)};
        if (!client) {
            rest.accept_failed(errno);
            rest.sleep();
            continue;
        }
        converse(client);
    }  // ~Fd closes the connection here
} catch (const std::exception& error) {
    log_line("echo/iterative: ", error.what());
    return 1;
}
