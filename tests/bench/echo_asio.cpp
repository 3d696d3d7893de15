// tests/bench/echo_asio: the echo protocol on Asio, as a server to measure ours against: one
// thread, one io_context, and for each connection a read, then a write, for ever.
//
//     c++ -std=c++20 -O2 tests/bench/echo_asio.cpp && ./a.out PORT        (Debian: libasio-dev)
#include <asio.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "../../echo/reply.hpp"

namespace {

using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
  public:
    explicit Session(tcp::socket socket) : socket_{std::move(socket)} {}

    void write() {
        asio::async_write(socket_, asio::buffer(out_),
                          [self = shared_from_this()](std::error_code error, std::size_t) {
                              if (!error) self->read();
                          });
    }

  private:
    void read() {
        socket_.async_read_some(asio::buffer(in_), [self = shared_from_this()](
                                                       std::error_code error, std::size_t size) {
            if (error) return;
            self->out_.clear();
            self->reply_.answer({self->in_, size}, self->out_);
            self->write();
        });
    }

    tcp::socket socket_;
    Reply reply_;
    std::string out_{greeting};
    char in_[16 * 1024];
};

void accept(tcp::acceptor& acceptor) {
    acceptor.async_accept([&](std::error_code error, tcp::socket socket) {
        if (!error) {
            socket.set_option(tcp::no_delay(true));
            std::make_shared<Session>(std::move(socket))->write();
        }
        accept(acceptor);
    });
}

}  // namespace

int main(int, char* argv[]) {
    asio::io_context context{1};  // 1: no locking
    tcp::acceptor acceptor{
        context,
        {asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1]))}};
    acceptor.listen(4096);
    std::cerr << "listening on 127.0.0.1:" << acceptor.local_endpoint().port() << '\n';
    accept(acceptor);
    context.run();
}
