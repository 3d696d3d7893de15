// broadcast/log.hpp: one log, many cursors. No socket in sight.
//
//     forgotten   .-------- still owed to somebody ----------.  not yet said
//     . . . . . . |Message de K3x : salut\nqQ2 est connecté\n|
//                 ^ the slowest's cursor   ^ another's       ^ end: the cursor of all the others
//
// What everyone must see is appended once, whole. Each client has a cursor, and is sent what lies
// between it and the end, in as large a piece as its socket takes: a thousand messages may go in
// one system call. As there is one log, all see the same order, and no two messages mix. The log is
// as long as the slowest client is behind, and Patience bounds that.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

/// The bytes that everyone must see, from the slowest cursor on.
class Log {
  public:
    /// Counted in bytes from the first ever appended: forgetting moves nobody's cursor.
    using Position = std::uint64_t;

    [[nodiscard]] Position end() const { return erased_ + bytes_.size(); }

    /// How far the slowest is behind, in bytes.
    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(end() - start_); }

    /// Appends all the pieces. Throws std::bad_alloc, and has then appended none of them.
    template <typename... Piece>
    void append(const Piece&... pieces) {
        const std::size_t wanted =
            bytes_.size() + (std::string_view{pieces}.size() + ...) + for_news;
        if (wanted > bytes_.capacity()) bytes_.reserve(2 * wanted);
        (bytes_.append(pieces), ...);
    }

    /// The same for the short news that a client has left. Even when memory is short, the others
    /// must hear of it: append() leaves room for the news of all the clients that there can be.
    template <typename... Piece>
    void append_news(const Piece&... pieces) {
        (bytes_.append(pieces), ...);
    }

    /// The bytes from `from` to `to`, or to the end, whichever comes first. `from` is not
    /// forgotten. Valid until the next append or forget.
    [[nodiscard]] std::string_view between(Position from, Position to) const {
        const auto length = static_cast<std::size_t>(std::min(to, end()) - from);
        return std::string_view{bytes_}.substr(static_cast<std::size_t>(from - erased_), length);
    }

    /// Nobody will ask for what lies before `position`. It is erased once it is half of what is
    /// there, or more: so no more bytes have to be moved than are erased.
    void forget(Position position) {
        start_ = position;
        const auto forgotten = static_cast<std::size_t>(start_ - erased_);
        if (forgotten < bytes_.size() - forgotten) return;
        bytes_.erase(0, forgotten);
        erased_ = start_;
    }

  private:
    static constexpr std::size_t for_news = std::size_t{32} * 1024;

    std::string bytes_;    ///< [erased_, end())
    Position erased_ = 0;  ///< how much was ever taken off the front of bytes_
    Position start_ = 0;   ///< what lies before is forgotten, erased or not
};

/// One client's place: its greeting, then the log from where it came to where it left, then a
/// farewell.
class Cursor {
  public:
    Cursor(Log::Position came, std::string greeting) : at_{came}, greeting_{std::move(greeting)} {}

    /// What to send next. Empty: nothing for now, or, once it has left, nothing any more.
    [[nodiscard]] std::string_view owed(const Log& log) const {
        if (!greeting_.empty()) return greeting_;
        return at_ < std::min(left_, log.end()) ? log.between(at_, left_) : farewell_;
    }

    /// The first `count` bytes of owed() are sent.
    void advance(std::size_t count) {
        if (!greeting_.empty()) {
            greeting_.erase(0, count);
        } else if (at_ < left_) {
            at_ += count;
        } else {
            farewell_.remove_prefix(count);
        }
    }

    /// Of what is said after `position` it is owed nothing; last of all, `farewell`, which must
    /// outlive it.
    void leave(Log::Position position, std::string_view farewell) {
        left_ = position;
        farewell_ = farewell;
    }

    /// What lies before this in the log is of no use to it.
    [[nodiscard]] Log::Position at() const { return at_; }

  private:
    Log::Position at_;
    Log::Position left_ = std::numeric_limits<Log::Position>::max();  ///< it has not
    std::string greeting_;
    std::string_view farewell_{};
};

/// The policy for those who do not keep up. All the others wait for the slowest (or the log would
/// grow without bound), so something is asked of it: as soon as it is more than `limit` bytes
/// behind, it has to accept `least` bytes in every `period`. All times are in milliseconds, by a
/// clock that nobody sets.
class Patience {
  public:
    static constexpr std::size_t limit = std::size_t{256} * 1024;
    static constexpr std::size_t least = std::size_t{64} * 1024;
    static constexpr std::int64_t period = 5000;

    /// Whether it has run out at `now`. The client's cursor is at `at`; `awaited`: others wait for
    /// it. Once it has begun, only `least` bytes stop it: a byte taken here and there, just enough
    /// not to be awaited, does not.
    bool is_lost(bool awaited, Log::Position at, std::int64_t now) {
        if (is_running() && at - mark_ >= least) since_ = never;
        if (!is_running() && awaited) {
            mark_ = at;
            since_ = now;
        }
        return is_running() && now - since_ >= period;
    }

    /// While it is, is_lost() must be asked again even when nothing happens.
    [[nodiscard]] bool is_running() const { return since_ != never; }

  private:
    static constexpr std::int64_t never = -1;
    std::int64_t since_ = never;
    Log::Position mark_ = 0;
};
