// tests/bench/chat_asio: the conventional chat server that broadcast/server is measured against.
//
//     build/tests/bench/chat_asio [PORT]                    (Debian: libasio-dev)
//
// It is what the Asio documentation's own chat example does, with the protocol of
// broadcast/talk.hpp: each client has a queue of messages (shared, not copied), and each message is
// one write to each client.
#define ASIO_STANDALONE
#include <asio.hpp>
#include <deque>
#include <iostream>
#include <memory>
#include <set>
#include <string>

namespace {

using asio::ip::tcp;
using Message = std::shared_ptr<const std::string>;

class Session;
using Room = std::set<std::shared_ptr<Session>>;

class Session : public std::enable_shared_from_this<Session> {
  public:
    Session(tcp::socket socket, Room& room, std::string name)
        : socket_{std::move(socket)}, room_{room}, name_{std::move(name)} {}

    void start() {
        socket_.set_option(tcp::no_delay{true});
        to_everyone(name_ + " est connecté\n");
        room_.insert(shared_from_this());
        deliver(std::make_shared<const std::string>("je suis : " + name_ + '\n'));
        read();
    }

    void deliver(const Message& message) {
        queue_.push_back(message);
        if (queue_.size() == 1) write();
    }

  private:
    void to_everyone(std::string text) {
        const auto message = std::make_shared<const std::string>(std::move(text));
        for (const auto& session : room_) session->deliver(message);
    }

    void read() {
        socket_.async_read_some(asio::buffer(input_), [this, self = shared_from_this()](
                                                          const asio::error_code& error,
                                                          std::size_t size) {
            if (error) return leave();
            begun_.append(input_, size);
            std::size_t start = 0;
            for (auto end = begun_.find('\n'); end != begun_.npos;
                 start = end + 1, end = begun_.find('\n', start))
                to_everyone("Message de " + name_ + " : " + begun_.substr(start, end + 1 - start));
            begun_.erase(0, start);
            read();
        });
    }

    void write() {
        asio::async_write(
            socket_, asio::buffer(*queue_.front()),
            [this, self = shared_from_this()](const asio::error_code& error, std::size_t) {
                if (error) return leave();
                queue_.pop_front();
                if (!queue_.empty()) write();
            });
    }

    void leave() {
        if (room_.erase(shared_from_this()) == 1) to_everyone(name_ + " est déconnecté\n");
    }

    tcp::socket socket_;
    Room& room_;
    std::string name_;
    char input_[16 * 1024];
    std::string begun_{};  ///< a line that has not ended
    std::deque<Message> queue_{};
};

void accept(tcp::acceptor& acceptor, Room& room, unsigned count) {
    acceptor.async_accept(
        [&acceptor, &room, count](const asio::error_code& error, tcp::socket socket) {
            const std::string number = std::to_string(count % 1000);
            if (!error)
                std::make_shared<Session>(std::move(socket), room,
                                          std::string(3 - number.size(), '0') + number)
                    ->start();
            accept(acceptor, room, count + 1);
        });
}

}  // namespace

int main(int argc, char* argv[]) try {
    asio::io_context context{1};  // one thread: no locks
    const auto port = static_cast<unsigned short>(argc > 1 ? std::stoi(argv[1]) : 9090);
    tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), port}};
    Room room;
    accept(acceptor, room, 0);
    std::cerr << "listening on " << acceptor.local_endpoint() << '\n';
    context.run();
} catch (const std::exception& error) {
    std::cerr << "chat_asio: " << error.what() << '\n';
    return 1;
}
