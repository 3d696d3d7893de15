// ntp/client: asks a time server how far our clock is off, and never touches it.
//
//     build/ntp/client                         asks pool.ntp.org, four times, once a second
//     build/ntp/client -n 8 -i 0 127.0.0.1     a server of your own, without a pause
//
//     getaddrinfo                    the server's addresses, each in turn until one answers
//     socket -> connect              UDP: only its packets come in, and an ICMP refusal is an errno
//       send    <-------+            T1; 48 bytes, a random cookie in them
//       poll -> recvmsg |            T4; until an answer is good or the time is up
//       sleep ----------+            the server has others to serve
//
// Before this: ntp/packet.hpp, what the bytes mean; ntp/clock.hpp, how late it is. Beside it:
// unix_domain/datagram_client, datagrams on one machine.
#include "../fd.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include "../server.hpp"
#include "clock.hpp"
#include "options.hpp"
#include "packet.hpp"
#include "report.hpp"

namespace {

/// A UDP socket that hears one server only. Throws std::system_error.
Fd open_socket(const addrinfo& address) {
    Fd fd{check("socket", socket(address.ai_family, address.ai_socktype, address.ai_protocol))};
    ntp::ask_for_stamps(fd);
    // No bind: the kernel picks a random port, and a forger has one more thing to guess (RFC 9109).
    check("connect", connect(fd.get(), address.ai_addr, address.ai_addrlen));
    return fd;
}

using Bytes = std::array<char, ntp::Packet::size>;

/// As recv(2) does it, of a datagram that came in after `sent`. `received` says when, by our clock.
ssize_t receive(const Fd& fd, Bytes& bytes, ntp::Time sent, ntp::Time& received) {
    iovec where{bytes.data(), bytes.size()};
    ntp::StampControl control;
    msghdr message{};
    message.msg_iov = &where;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    // MSG_DONTWAIT: what poll saw may turn out to have a wrong checksum (select(2), BUGS), and
    // nothing is there.
    const ssize_t size = recvmsg(fd.get(), &message, MSG_DONTWAIT);
    if (size == -1) return size;
    received = ntp::now();
    // The kernel's stamp has not waited for us to wake up. But a faked clock (libfaketime) fakes
    // ours and not the kernel's, and clocks are set: a stamp from before the question, or from the
    // future, is of another clock.
    const std::optional<ntp::Time> stamp = ntp::stamp_in(message);
    if (stamp && sent <= *stamp && *stamp <= received) received = *stamp;
    return size;
}

/// The server told us to go away.
struct KissOfDeath : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// One question and its answer. Throws std::runtime_error with the reason when there is none: that
/// of the last refusal, `no answer in 2 s`, or what the system said.
ntp::Sample ask(const Fd& fd, double wait) {
    ntp::Timestamp cookie = 0;
    check("getentropy", getentropy(&cookie, sizeof cookie));
    const Bytes request =
        ntp::encode({.version = 4, .mode = 3, .transmit = cookie});  // the rest tells nothing of us
    const std::int64_t deadline = clock_ms() + ntp::milliseconds(wait);

    ntp::Time sent;
    ssize_t result = -1;
    do {
        sent = ntp::now();  // T1: nothing may come between it and the send
        result = send(fd.get(), request.data(), request.size(), 0);
    } while (result == -1 && errno == EINTR);
    check("send", result);

    std::string trouble = "no answer in " + ntp::decimal(wait) + " s";
    auto verdict = ntp::Verdict::accepted;
    for (bool in_time = true; in_time;) {
        // A wrong packet does not move the deadline, so a flood of them ends. One last look comes
        // after it: we may have been kept from running while the answer was there.
        const std::int64_t left = deadline - clock_ms();
        in_time = left > 0;
        pollfd polled{fd.get(), POLLIN, 0};
        const int ready = poll(&polled, 1, in_time ? static_cast<int>(left) : 0);
        if (ready == 0) break;
        if (ready == -1 && passes(errno)) continue;
        check("poll", ready);

        Bytes bytes;
        ntp::Time received;
        const ssize_t size = receive(fd, bytes, sent, received);
        if (size == -1 && passes(errno)) continue;
        check("recvmsg", size);  // ECONNREFUSED: an ICMP packet says that nobody listens there

        ntp::Sample sample{ntp::timestamp(sent), ntp::timestamp(received)};
        const auto one = ntp::judge({bytes.data(), static_cast<std::size_t>(size)}, cookie, sample);
        if (one == ntp::Verdict::accepted) return sample;
        if (verdict == ntp::Verdict::kiss_of_death) continue;  // it stands, whatever follows
        verdict = one;
        trouble = ntp::reason(verdict, sample.answer);
    }
    if (verdict == ntp::Verdict::kiss_of_death) throw KissOfDeath{trouble};
    throw std::runtime_error{trouble};
}

/// Asks `address` as often as wanted; or one of those after it, while this one cannot be asked or
/// has never answered. Throws std::runtime_error, as ask() does, when not one answer came.
ntp::Report ask_all(const addrinfo& address, const ntp::Options& options) {
    ntp::Report report{.server = ntp::text_of(address)};
    const addrinfo* others = address.ai_next;  // until they are asked
    Fd fd;
    std::int64_t next = 0;
    for (int left = options.samples; left > 0; --left) {
        ntp::sleep_until(next);
        next = clock_ms() + ntp::milliseconds(options.interval);
        try {
            fd = open_socket(address);  // a new one: what comes late for the last question is lost
            const ntp::Sample sample = ask(fd, options.wait);
            if (report.answers++ == 0 || sample.error() < report.best.error()) report.best = sample;
        } catch (const std::runtime_error& trouble) {
            const bool told_to_go = dynamic_cast<const KissOfDeath*>(&trouble) != nullptr;
            if (report.answers > 0 && told_to_go) break;  // ask no more (RFC 5905, section 7.4)
            if (report.answers > 0) continue;             // one lost packet is no matter
            const bool over = !fd || told_to_go || left == 1;
            if (others != nullptr) {
                try {  // the others, before we wait for this one again
                    return ask_all(*std::exchange(others, nullptr), options);
                } catch (const std::runtime_error&) {
                    if (over) throw;
                }
            } else if (over) {
                throw std::runtime_error{report.server + ": " + trouble.what()};
            }
        }
    }
    return report;
}

}  // namespace

int main(int argc, char* argv[]) try {
    std::signal(SIGPIPE, SIG_IGN);  // so that a write to nobody fails (EPIPE)
    const ntp::Options options = ntp::arguments(argc, argv);
    addrinfo hints{};
    hints.ai_family = options.family;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(options.port);
    const int error = getaddrinfo(options.host.c_str(), port.c_str(), &hints, &found);
    if (error != 0) throw std::runtime_error{options.host + ": " + gai_strerror(error)};
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses{found, freeaddrinfo};

    const ntp::Report report = ask_all(*found, options);
    const std::string told = ntp::text_of(report, options.samples, ntp::now());
    const bool written = std::fputs(told.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    check("write", written ? 0 : -1);
} catch (const std::exception& error) {
    log_line("ntp/client: ", error.what());
    return 1;
}
