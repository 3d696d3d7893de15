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
// Before this: ntp/packet.hpp, what the bytes mean. Beside it: unix_domain/datagram_client,
// datagrams on one machine.
#include <netdb.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cstring>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "../fd.hpp"
#include "options.hpp"
#include "packet.hpp"

namespace {

using Clock =
    std::chrono::steady_clock;  // to wait by; what we ask about is std::chrono::system_clock
using Seconds = std::chrono::duration<double>;

/// "127.0.0.1:123", "[::1]:123".
std::string text(const addrinfo& address) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    const int error = getnameinfo(address.ai_addr, address.ai_addrlen, host, sizeof host, port,
                                  sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) return gai_strerror(error);
    return (address.ai_family == AF_INET6 ? '[' + std::string{host} + ']' : host) + ':' + port;
}

/// A UDP socket that hears one server only. Throws std::system_error.
Fd open_socket(const addrinfo& address) {
    Fd fd{check("socket", socket(address.ai_family, address.ai_socktype, address.ai_protocol))};
#ifdef SO_TIMESTAMPNS  // Linux. The BSDs and macOS have SO_TIMESTAMP, in microseconds.
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on,
               sizeof on);  // if it fails, our own clock will do
#endif
    // No bind: the kernel picks a random port, and a forger has one more thing to guess (RFC 9109).
    check("connect", connect(fd.get(), address.ai_addr, address.ai_addrlen));
    return fd;
}

using Bytes = std::array<char, ntp::Packet::size>;

/// As recv(2) does it, of a datagram that came in after `sent`. `received` says when, by our clock.
ssize_t receive(const Fd& fd, Bytes& bytes, ntp::Time sent, ntp::Time& received) {
    alignas(cmsghdr) char control[128];
    iovec where{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &where;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    // MSG_DONTWAIT: what poll saw may turn out to have a wrong checksum (select(2), BUGS), and
    // nothing is there.
    const ssize_t size = recvmsg(fd.get(), &message, MSG_DONTWAIT);
    if (size == -1) return size;
    received = std::chrono::system_clock::now();
#ifdef SO_TIMESTAMPNS
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
        const ntp::Time kernel{std::chrono::seconds{stamp.tv_sec} +
                               std::chrono::nanoseconds{stamp.tv_nsec}};
        // The kernel's stamp has not waited for us to wake up. But a faked clock (libfaketime)
        // fakes ours and not its own, and clocks are set: a stamp from before the question, or from
        // the future, is of another clock.
        if (sent <= kernel && kernel <= received) received = kernel;
    }
#endif
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
    const auto deadline =
        Clock::now() + std::chrono::ceil<std::chrono::milliseconds>(Seconds{wait});

    ntp::Time sent;
    ssize_t result = -1;
    do {
        sent = std::chrono::system_clock::now();  // T1: nothing may come between it and the send
        result = send(fd.get(), request.data(), request.size(), 0);
    } while (result == -1 && errno == EINTR);
    check("send", result);

    std::ostringstream trouble;
    trouble << "no answer in " << wait << " s";
    auto verdict = ntp::Verdict::accepted;
    for (bool in_time = true; in_time;) {
        // A wrong packet does not move the deadline, so a flood of them ends. One last look comes
        // after it: we may have been kept from running while the answer was there.
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        in_time = left > 0;
        pollfd polled{fd.get(), POLLIN, 0};
        const int ready = poll(&polled, 1, in_time ? static_cast<int>(left) : 0);
        if (ready == 0) break;
        if (ready == -1) continue;  // EINTR, ENOMEM: look again

        Bytes bytes;
        ntp::Time received;
        const ssize_t size = receive(fd, bytes, sent, received);
        if (size == -1 && (errno == EAGAIN || errno == EINTR || errno == ENOMEM)) continue;
        check("recvmsg", size);  // ECONNREFUSED: an ICMP packet says that nobody listens there

        ntp::Sample sample{ntp::timestamp(sent), ntp::timestamp(received)};
        verdict = ntp::judge({bytes.data(), static_cast<std::size_t>(size)}, cookie, sample);
        if (verdict == ntp::Verdict::accepted) return sample;
        trouble.str(ntp::reason(verdict, sample.answer));
    }
    if (verdict == ntp::Verdict::kiss_of_death) throw KissOfDeath{trouble.str()};
    throw std::runtime_error{trouble.str()};
}

/// What one server had to say.
struct Report {
    int answers = 0;
    ntp::Sample best{};  ///< that of least delay
};

/// Asks one address as often as wanted. Throws std::runtime_error, as ask() does, when not one
/// answer came.
Report ask_all(const addrinfo& address, const Options& options) {
    const Fd fd = open_socket(address);
    Report report;
    auto next = Clock::now();
    for (int left = options.samples; left > 0; --left) {
        std::this_thread::sleep_for(next - Clock::now());
        next =
            Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds{options.interval});
        try {
            const ntp::Sample sample = ask(fd, options.wait);
            if (report.answers++ == 0 || sample.error() < report.best.error()) report.best = sample;
        } catch (const KissOfDeath&) {
            if (report.answers == 0) throw;
            break;  // ask no more (RFC 5905, section 7.4)
        } catch (const std::runtime_error&) {
            // One lost packet is no matter; but where there is another address, try that before
            // waiting for this one.
            if (report.answers == 0 && (left == 1 || address.ai_next != nullptr)) throw;
        }
    }
    return report;
}

void print(const addrinfo& address, const Report& report, int samples) {
    const ntp::Packet& answer = report.best.answer;
    const ntp::Difference offset = report.best.offset();
    const ntp::Time ours = std::chrono::system_clock::now();
    const ntp::Time theirs =
        ntp::date(ntp::timestamp(ours) + static_cast<ntp::Timestamp>(offset), ours);
    std::cout << "server " << text(address) << "\nstratum " << +answer.stratum << "\nleap "
              << +answer.leap << "\nrefid " << ntp::refid(answer) << "\ntime " << ntp::utc(theirs)
              << "\noffset " << ntp::seconds(offset) << "\ndelay "
              << ntp::seconds(report.best.delay()) << "\nsamples " << report.answers << " of "
              << samples << '\n';
    if (!std::cout.flush()) check("write", -1);
}

}  // namespace

int main(int argc, char* argv[]) try {
    const Options options = arguments(argc, argv);
    addrinfo hints{};
    hints.ai_family = options.family;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    const int error =
        getaddrinfo(options.host, std::to_string(options.port).c_str(), &hints, &found);
    if (error != 0)
        throw std::runtime_error{std::string{options.host} + ": " + gai_strerror(error)};
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses{found, freeaddrinfo};

    for (const addrinfo* address = found;; address = address->ai_next) {
        Report report;
        try {
            report = ask_all(*address, options);
        } catch (const std::runtime_error& trouble) {
            if (address->ai_next == nullptr)
                throw std::runtime_error{text(*address) + ": " + trouble.what()};
            continue;
        }
        print(*address, report, options.samples);
        return 0;
    }
} catch (const std::exception& error) {
    std::cerr << std::string{"ntp/client: "} + error.what() + '\n';
    return 1;
}
