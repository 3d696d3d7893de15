// tcp/lookup: the addresses of a name, as a TCP client gets them.
//
//     build/tcp/lookup localhost           127.0.0.1, and ::1 where there is IPv6
//     build/tcp/lookup -6 localhost        its IPv6 addresses only
//
//     getaddrinfo                          a name -> a list of addresses, the best first (RFC 6724)
//     getnameinfo, for each                an address -> digits
//
// A client tries them in this order, until one takes the connection.
// Before this: notes/start.md. After it: tcp/client. Beej's showip (chapter 5) is like it.
#include "../fd.hpp"

#include <getopt.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "../output.hpp"
#include "tcp.hpp"

namespace {

struct Arguments {
    std::string name{};
    int family = AF_UNSPEC;  ///< IPv4 and IPv6
};

Arguments read_arguments(int argc, char* argv[]) {
    const std::string program = "tcp/lookup";
    const std::string usage =
        "usage: tcp/lookup [-4] [-6] NAME\n"
        "  -4, -6      IPv4 addresses only, IPv6 addresses only\n"
        "  -h, --help  this text";
    const option long_options[] = {{"help", no_argument, nullptr, 'h'}, {}};
    Arguments arguments;
    open_standard_descriptors();
    opterr = 0;  // the messages are ours
    for (int letter = 0; (letter = getopt_long(argc, argv, ":46h", long_options, nullptr)) != -1;) {
        tcp::common_option(letter, argv, program, usage);
        arguments.family = letter == '4' ? AF_INET : AF_INET6;
    }
    if (argc - optind != 1 || *argv[optind] == '\0')
        bad_usage(program, "one NAME is wanted", usage);
    arguments.name = argv[optind];
    return arguments;
}

/// The addresses of a name, as text, none twice. Throws std::runtime_error when it has none.
std::vector<std::string> look_up(const Arguments& arguments) {
    addrinfo hints{};
    hints.ai_family = arguments.family;
    hints.ai_socktype = SOCK_STREAM;  // TCP; else each address comes once for each protocol
    addrinfo* list = nullptr;
    const int error = getaddrinfo(arguments.name.c_str(), nullptr, &hints, &list);
    const char* const why = error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error);
    if (error != 0) throw std::runtime_error{arguments.name + ": " + why};
    const tcp::Addresses owner{list, freeaddrinfo};

    std::vector<std::string> found;
    for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
        char digits[NI_MAXHOST];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, digits, sizeof digits, nullptr, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        if (std::find(found.begin(), found.end(), digits) == found.end())
            found.emplace_back(digits);
    }
    return found;
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to nobody fails (EPIPE)
    for (const std::string& address : look_up(read_arguments(argc, argv)))
        if (std::puts(address.c_str()) == EOF) check("write", -1);
    check("write", std::fflush(stdout));
} catch (const std::exception& error) {
    log_line("tcp/lookup: ", error.what());
    return 1;
}
