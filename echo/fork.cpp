// echo/fork: a process for each client. What was one conversation after the other becomes all at once.
//
//     build/echo/fork                  serves on 127.0.0.1:9090
//     nc 127.0.0.1 9090                talks to it, from as many terminals as you like
//
//     passive open                     tcp/tcp.hpp
//     accept <-------------+
//     fork                 |
//       parent: close -----+           its copy of the connection; the child has one too
//       child:  recv -> send ... exit  a silent or slow client holds up its own child only
//
// SIGINT and SIGTERM end it as they end any program; the children go on to the end of their conversations,
// unless the signal came from Ctrl-C, which goes to them too.
// Before this: echo/iterative. After it: echo/thread, the same for less memory. TLPI 60.3.
#include <poll.h>

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

}  // namespace

int main(int argc, char* argv[]) try {
    const tcp::Where where = tcp::server_arguments("echo/fork", argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // a send to a client that has gone is an errno, EPIPE, and not our death
    std::signal(SIGCHLD, SIG_IGN);  // nobody waits for the children: the kernel keeps no zombies (wait(2), NOTES)
    Fd listener = tcp::passive_open(where);
    tcp::log("listening on " + tcp::local_address(listener));
    for (tcp::Rest rest;;) {
        Fd client{accept(listener.get(), nullptr, nullptr)};
        if (!client) {
            rest.accept_failed(errno);
            poll(nullptr, 0, std::max(0, rest.timeout()));  // looks at nothing: it only lets the time pass
            continue;
        }
        switch (fork()) {
            case 0:
                listener = Fd{};  // or the port would be taken for as long as this client stays
                converse(client);
                _exit(0);  // not exit: what atexit(3) and stdio hold is the parent's
            case -1:
                tcp::log("fork: " + std::generic_category().message(errno));
                tcp::refuse(std::move(client), full);
        }
    }  // the parent's copy of the connection is closed here, by ~Fd
} catch (const std::exception& error) {
    tcp::log(std::string{"echo/fork: "} + error.what());
    return 1;
}
