// tcp/resolver.hpp: names are looked up while the loop goes on.
//
//     start        a thread: getaddrinfo, and then a number is written into a pipe
//     poll         the pipe is readable
//     read         the number says whose look-up is over
//
// getaddrinfo(3) waits for a name server, for many seconds if that says nothing, and poll cannot
// wait for getaddrinfo. A thread can. It is detached: who ends the program does not wait for it.
#pragma once

#include "../fd.hpp"

#include <memory>
#include <mutex>
#include <thread>

#include "../server.hpp"
#include "spec.hpp"
#include "tcp.hpp"

/// The addresses of a target. All connections that came before they were asked for share them.
struct LookUp {
    explicit LookUp(Spec::End end) : target{std::move(end)} {}

    /// `flags`: AI_NUMERICHOST for an address in digits, which takes no time; 0 for a name.
    void ask(int flags) { error = tcp::look_up(target.host, target.port, flags, addresses); }

    Spec::End target;
    std::mutex starting;     ///< locked while the thread is started, as in echo/thread
    bool in_thread = false;  ///< then nobody else looks at what follows until the thread is done
    tcp::Addresses addresses{nullptr, freeaddrinfo};
    int error = 0;  ///< of getaddrinfo; for gai_strerror(3)
};

/// Whether it takes a name server, or a file like /etc/hosts, to find the address of `target`; or a
/// socket, to ask the kernel for the number of an interface (fe80::1%eth0).
inline bool is_name(const Spec::End& target) {
    LookUp digits{target};
    digits.ask(AI_NUMERICHOST);
    return digits.error != 0 || target.host.find('%') != target.host.npos;
}

class Resolver {
  public:
    /// Opens the pipe, unless all targets are in digits. Throws std::system_error.
    explicit Resolver(bool has_names) {
        if (!has_names) return;
        int ends[2];
        check("pipe", pipe(ends));
        done_ = Fd{ends[0]};
        done_in_ = ends[1];
        // The C library reads now whom to ask for names (nsswitch.conf), and not in a thread when
        // memory may be short: glibc would end the program then (nss_database_get in 2.36).
        sethostent(0);
        endhostent();
        keep_spare();
    }

    /// From here the number of a look-up that is over is read, a std::size_t. Empty without names.
    [[nodiscard]] const Fd& done() const { return done_; }

    /// Looks up a target: digits at once, a name in a thread, which writes `number` into the pipe
    /// when it is done. Nothing, and that is said, when there can be no thread, or no memory.
    std::shared_ptr<LookUp> start(const Spec::End& target, std::size_t number) try {
        auto look_up = std::make_shared<LookUp>(target);
        look_up->ask(AI_NUMERICHOST);
        if (look_up->error == 0 || !done_) return look_up;
        look_up->in_thread = true;
        spare_ = Fd{};
        const std::lock_guard lock{look_up->starting};
        std::thread{[look_up, number, done_in = done_in_] {
            // Another look-up may have the only descriptor that is left, for a moment: glibc says
            // so by errno for a file, and for a socket by EAI_SYSTEM alone.
            for (int tries = 50; tries > 0; --tries) {
                errno = 0;
                look_up->ask(0);
                const bool is_short = errno == EMFILE || errno == ENFILE;
                if (look_up->error == 0 || (look_up->error != EAI_SYSTEM && !is_short)) break;
                sleep_a_little();
            }
            // A pipe takes it in one piece, or has no memory for it now.
            while (write(done_in, &number, sizeof number) == -1 && passes(errno)) {
            }
            const std::lock_guard until_started{look_up->starting};
        }}.detach();
        ++under_way_;
        return look_up;
    } catch (const std::exception& error) {  // of a thread: EAGAIN
        log_line(target.host, ": ", error.what());
        keep_spare();
        return nullptr;
    }

    /// To be called when a number has been read: that look-up is over.
    void ended() {
        --under_way_;
        keep_spare();
    }

    /// Whether the spare one has been given up: a look-up has it, or is yet to find it.
    [[nodiscard]] bool looks_up() const { return done_ && !spare_; }

  private:
    /// A look-up takes a descriptor, for a file or a socket, one after the other. So that there is
    /// one though connections have all the others, one is kept while nothing is looked up.
    void keep_spare() {
        if (under_way_ == 0) spare_ = Fd{dup(done_.get())};
    }

    Fd done_{};
    int done_in_ = -1;   ///< never closed: at the end of the program a thread may still write to it
    int under_way_ = 0;  ///< how many threads look up a name
    Fd spare_{};
};
