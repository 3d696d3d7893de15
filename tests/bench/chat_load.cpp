// tests/bench/chat_load: how many messages a second a chat server delivers, every byte of them
// checked.
//
//     build/tests/bench/chat_load PORT CLIENTS SENDERS LINES [LENGTH]
//
// CLIENTS come in, one after the other; when each has seen all who came after it, the clock starts.
// The first SENDERS send LINES lines of LENGTH (64) bytes each, as fast as the server takes them,
// while all receive. The clock stops when everyone has everything. Who is ahead writes down what it
// received; all others are compared with that, byte for byte, as it comes; at the end it is itself
// compared with what was sent. Prints one line of JSON, where a delivery is one message received by
// one client. Status 1, and why, when a byte is missing or wrong, or when nothing comes for ten
// seconds.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <vector>

#include "../../fd.hpp"

namespace {

struct Client {
    Fd fd;
    std::string name;
    std::size_t received = 0;  ///< bytes, since the clock started
    std::size_t sent = 0;      ///< likewise
};

[[noreturn]] void fail(const std::string& why) {
    throw std::runtime_error{why};
}

/// Line `number` of `sender`, with its newline: two numbers, then padding.
std::string line(std::size_t sender, std::size_t number, std::size_t length) {
    char numbers[32];
    const int digits = std::snprintf(numbers, sizeof numbers, "%05zu %08zu", sender, number);
    return std::string(numbers, static_cast<std::size_t>(digits)) +
           std::string(length - static_cast<std::size_t>(digits),
                       static_cast<char>('a' + number % 26)) +
           '\n';
}

constexpr std::size_t shortest_line = 14;
constexpr std::string_view before_name = "Message de ";
constexpr std::string_view after_name = " : ";

/// Reads until `count` lines have come: `je suis : ME`, and one for each client who came later.
std::string read_lines(const Fd& fd, std::size_t count) {
    std::string text;
    char bytes[64 * 1024];
    while (static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) < count) {
        const ssize_t n = check("recv", recv(fd.get(), bytes, sizeof bytes, 0));
        if (n == 0) fail("closed by the server");
        text.append(bytes, static_cast<std::size_t>(n));
    }
    return text;
}

std::vector<Client> come_in(std::uint16_t port, std::size_t count) {
    std::vector<Client> clients;
    for (std::size_t i = 0; i < count; ++i) {
        Fd fd{check("socket", socket(AF_INET, SOCK_STREAM, 0))};
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        check("connect", connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
        const int on = 1;
        check("setsockopt", setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
        const timeval patience{10, 0};
        check("setsockopt",
              setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
        // Read byte by byte up to the newline: nothing after it may be taken.
        std::string greeting;
        for (char byte = 0; byte != '\n'; greeting += byte)
            if (check("recv", recv(fd.get(), &byte, 1, 0)) == 0) fail("closed by the server");
        if (!greeting.starts_with("je suis : ") || greeting.size() != 14)
            fail("greeted with " + greeting);
        clients.push_back({std::move(fd), greeting.substr(10, 3)});
    }
    for (std::size_t i = 0; i < count; ++i) {
        std::string expected;
        for (std::size_t j = i + 1; j < count; ++j) expected += clients[j].name + " est connecté\n";
        if (read_lines(clients[i].fd, count - 1 - i) != expected)
            fail("client " + clients[i].name + " saw others come");
    }
    return clients;
}

/// Sends as much as the socket takes of the sender's lines, from where it is. False when all is
/// sent.
bool send_some(Client& client, std::size_t sender, std::size_t lines, std::size_t length) {
    const std::size_t total = lines * (length + 1);
    while (client.sent < total) {
        static std::string text;
        text.clear();
        for (std::size_t number = client.sent / (length + 1);
             text.size() < 64 * 1024 && number < lines; ++number)
            text += line(sender, number, length);
        const std::string_view rest = std::string_view{text}.substr(client.sent % (length + 1));
        const ssize_t n =
            send(client.fd.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == -1 && errno == EAGAIN) return true;
        client.sent += static_cast<std::size_t>(check("send", n));
    }
    return false;
}

/// What everyone must receive, as far as anybody has received it.
class Reference {
  public:
    explicit Reference(std::size_t size) : bytes_(size, '\0') {}

    void compare(const Client& client, const char* bytes, std::size_t count) {
        if (client.received + count > bytes_.size()) fail(client.name + " received too much");
        const std::size_t known = std::min(count, known_ - client.received);
        if (std::memcmp(&bytes_[client.received], bytes, known) != 0)
            fail(client.name + " received something else");
        std::memcpy(&bytes_[client.received + known], bytes + known, count - known);
        known_ = std::max(known_, client.received + count);
    }

    [[nodiscard]] const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
    std::size_t known_ = 0;
};

/// Each sender's lines, all, in order, whole.
void check_messages(std::string_view text, const std::vector<Client>& clients, std::size_t length) {
    std::map<std::string_view, std::size_t> sender;
    for (std::size_t i = 0; i < clients.size(); ++i) sender[clients[i].name] = i;
    std::vector<std::size_t> number(clients.size());
    while (!text.empty()) {
        const std::size_t head = before_name.size() + 3 + after_name.size();
        const auto name = text.substr(before_name.size(), 3);
        if (!text.starts_with(before_name) || !sender.contains(name)) fail("not a message");
        if (text.substr(before_name.size() + 3, after_name.size()) != after_name)
            fail("not a message");
        const std::size_t from = sender[name];
        if (text.substr(head, length + 1) != line(from, number[from]++, length))
            fail("not what was sent");
        text.remove_prefix(head + length + 1);
    }
}

void measure(std::uint16_t port, std::size_t count, std::size_t senders, std::size_t lines,
             std::size_t length) {
    std::vector<Client> clients = come_in(port, count);
    const std::size_t message = before_name.size() + 3 + after_name.size() + length + 1;
    const std::size_t total = senders * lines * message;
    Reference reference{total};
    const Fd epoll{check("epoll_create1", epoll_create1(0))};
    const auto watch = [&](int operation, std::size_t i, std::uint32_t events) {
        epoll_event event{events, {.u64 = i}};
        check("epoll_ctl", epoll_ctl(epoll.get(), operation, clients[i].fd.get(), &event));
    };
    for (std::size_t i = 0; i < count; ++i)
        watch(EPOLL_CTL_ADD, i, EPOLLIN | (i < senders ? EPOLLOUT : 0U));

    const auto start = std::chrono::steady_clock::now();
    static char bytes[256 * 1024];
    for (std::size_t complete = 0; complete < count;) {
        epoll_event events[256];
        const int ready = check("epoll_wait", epoll_wait(epoll.get(), events, 256, 10'000));
        if (ready == 0) fail("nothing comes any more");
        for (const epoll_event& event : std::vector<epoll_event>(events, events + ready)) {
            Client& client = clients[event.data.u64];
            if ((event.events & ~EPOLLOUT) != 0) {
                const ssize_t n =
                    check("recv", recv(client.fd.get(), bytes, sizeof bytes, MSG_DONTWAIT));
                if (n == 0) fail("closed by the server");
                reference.compare(client, bytes, static_cast<std::size_t>(n));
                client.received += static_cast<std::size_t>(n);
                if (client.received == total) ++complete;
            }
            if ((event.events & EPOLLOUT) != 0 && !send_some(client, event.data.u64, lines, length))
                watch(EPOLL_CTL_MOD, event.data.u64, EPOLLIN);
        }
    }
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    check_messages(reference.bytes(), clients, length);
    const auto deliveries = static_cast<double>(senders * lines * count);
    std::printf("{\"deliveries_per_second\": %.0f, \"deliveries\": %.0f, \"seconds\": %.3f}\n",
                deliveries / time.count(), deliveries, time.count());
}

}  // namespace

int main(int argc, char* argv[]) try {
    if (argc < 5 || argc > 6) fail("usage: chat_load PORT CLIENTS SENDERS LINES [LENGTH]");
    const auto number = [&](int i) { return static_cast<std::size_t>(std::stoul(argv[i])); };
    const std::size_t length = argc == 6 ? number(5) : 64;
    if (length < shortest_line) fail("LENGTH is at least 14");
    if (number(3) > number(2)) fail("more SENDERS than CLIENTS");
    measure(static_cast<std::uint16_t>(number(1)), number(2), number(3), number(4), length);
} catch (const std::exception& error) {
    std::cerr << "chat_load: " << error.what() << '\n';
    return 1;
}
