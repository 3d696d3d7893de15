// tcp/access_log.hpp: one line a request on stderr, and nobody waits for whoever reads it.
#pragma once

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tcp.hpp"

/// Lines for stderr, which does not block us: it may be a pipe that nobody reads, or a terminal
/// after Ctrl-S.
class AccessLog {
  public:
    /// Adds a line, or loses it when a mebibyte of others is waiting.
    void add(const std::string& line) {
        if (waiting_.size() < 1 << 20) waiting_ += line + '\n';
    }

    [[nodiscard]] bool empty() const { return waiting_.empty(); }

    /// Writes what stderr takes now. When poll says that a pipe is writable, PIPE_BUF bytes fit it
    /// (pipe(7)).
    void write_some() {
        pollfd room{STDERR_FILENO, POLLOUT, 0};
        while (!waiting_.empty() && poll(&room, 1, 0) == 1) {
            const ssize_t written = write(STDERR_FILENO, waiting_.data(),
                                          std::min<std::size_t>(waiting_.size(), PIPE_BUF));
            if (written == -1 && !tcp::later(errno)) waiting_.clear();  // nobody can ever read it
            if (written == -1) return;
            waiting_.erase(0, static_cast<std::size_t>(written));
        }
    }

  private:
    std::string waiting_;
};
