"""The fault table: when CALL fails with ERRNO, PROGRAMS do this, and this is the line for it
(test_errors.py)."""

from typing import NamedTuple

from fault_words import (
    AGAIN,
    ENDS,
    EXIT,
    IGNORED,
    LATER,
    LOST,
    NEXT,
    NOBODY,
    NOT_LOGGED,
    NOT_PARKED,
    NO_FILE,
    NO_FILE_500,
    NO_FILE_NOW,
    NO_ROOM,
    QUIET,
    RESTS,
    SECOND,
    SHORT_READ,
    SHORT_WRITE,
    SLEEPS,
)

PLAIN = "tcp/server"
ONE_EACH = ["echo/iterative", "echo/fork", "echo/thread"]  # they block, each on one client
ECHO_LOOPS = ["echo/poll", "echo/select", "echo/generations"]
STREAM_LOOPS = [
    *ECHO_LOOPS,
    "broadcast/server",
    "tcp/commands",
    "tcp/web",
    "tcp/forward",
    "tcp/netcat",
    "unix_domain/stream_server",
    "unix_domain/fd_server",
]
DATAGRAMS = ["echo/datagram", "unix_domain/datagram_server"]
LOOPS = [*STREAM_LOOPS, *DATAGRAMS]
STREAMS = [PLAIN, *ONE_EACH, *STREAM_LOOPS]
SERVERS = [PLAIN, *ONE_EACH, *LOOPS]
WITH_PORT = [program for program in SERVERS if not program.startswith("unix_domain")]
FILES = ["tcp/commands", "tcp/web", "unix_domain/fd_server"]


def but(programs, *others):
    return [program for program in programs if program not in others]


# How a table of programs is called in the note, where it would be long; small groups first.
GROUPS = {
    ("all loops that accept", "toutes les boucles qui appellent `accept`"): STREAM_LOOPS,
    ("all loops", "toutes les boucles"): LOOPS,
    ("all that accept", "tous les serveurs qui appellent `accept`"): STREAMS,
    ("all servers with a port", "tous les serveurs qui ont un port"): WITH_PORT,
    ("all servers", "tous les serveurs"): SERVERS,
}

# The call: what strace may see of it. A "?" is for the spellings that a machine lacks.
CALLS = {
    "accept": "accept",
    "recv": "recvfrom",
    "send": "sendto",
    "poll, select": "?poll,?ppoll,?select,?pselect6",
    "fork": "?fork,clone,?clone3",
    "pthread_create": "clone,?clone3",
    "open": "openat",
    "stat": "newfstatat,?statx,?stat,?lstat",
    "pread": "pread64",
    "write": "write,?writev",
    "dup": "dup",
    "pipe": "?pipe,pipe2",
}

ALL_SERVED = {AGAIN, LATER, NEXT, NOBODY, RESTS, SECOND, SLEEPS, IGNORED, NOT_LOGGED}

FIRST_THIRD_EVERY_SECOND = ("1", "3", "2+2")
WITH_RESTS = ("1", "3", "2..4+2")  # as well, but each costs a tenth of a second


class Row(NamedTuple):
    call: str
    errors: str
    programs: list
    outcome: tuple  # in English, in French
    file: str  # where the code for it stands (the first program's)
    code: str  # what stands on that line; in the other programs' sources, too
    when: tuple = FIRST_THIRD_EVERY_SECOND


SHORTAGE = "EMFILE ENFILE ENOBUFS ENOMEM"
PASSING = "EINTR EAGAIN"
GONE = "ECONNRESET ETIMEDOUT EHOSTUNREACH ENOBUFS ENOMEM"

RECEIVED_LATER = "if (received == -1) return later(errno);"
OUTGOING = ["tcp/commands", "tcp/web"]
BROADCAST = "broadcast/server"
NETCAT = "tcp/netcat"

ROWS = [
    # accept
    Row("accept", f"EINTR ECONNABORTED EPROTO EPERM {SHORTAGE}", [PLAIN], SECOND,
        "tcp/server.cpp", "if (!client) sleep(1);", ("1",)),
    Row("accept", "EINTR ECONNABORTED EPROTO EPERM", but(STREAMS, PLAIN), NEXT,
        "server.hpp", "if (!is_shortage(error)) return;"),
    Row("accept", "EAGAIN", STREAM_LOOPS, NOBODY,
        "server.hpp", "if (error == EAGAIN && said_of_ == listener) said_of_.reset();"),
    Row("accept", "ENFILE ENOBUFS ENOMEM", but(STREAMS, PLAIN), RESTS,
        "server.hpp", "until_ = clock_ms() + 100;", WITH_RESTS),
    Row("accept", "EMFILE", but(STREAMS, PLAIN, BROADCAST), RESTS,
        "server.hpp", "until_ = clock_ms() + 100;", WITH_RESTS),
    Row("accept", "EMFILE", [BROADCAST], NEXT,
        "broadcast/server.cpp", "if (number == -1 && errno == EMFILE && spare) {"),
    Row("dup", "EMFILE", ["tcp/forward"], RESTS,
        "tcp/forward.cpp", "Fd second{dup(listener.get())};", WITH_RESTS),
    # poll and select
    Row("poll, select", "EINTR", but(LOOPS, BROADCAST, "tcp/web", "tcp/forward", "echo/generations"),
        AGAIN,
        "echo/poll.cpp", "if (ready <= 0) continue;"),
    Row("poll, select", "EINTR", [BROADCAST, "tcp/web", "tcp/forward"], AGAIN,
        "broadcast/server.cpp", "if (ready == -1) continue;"),
    Row("poll, select", "EINTR", ["echo/generations"], AGAIN,
        "echo/generations.cpp", "if (ready > 0) serve_the_ready();"),
    Row("poll, select", "ENOMEM EAGAIN EINVAL", LOOPS, SLEEPS,
        "echo/poll.cpp", "if (ready == -1 && errno != EINTR && rest_or_stop(stop", WITH_RESTS),
    # recv
    Row("recv", "EINTR", [PLAIN], AGAIN,
        "tcp/server.cpp", "if (received == -1 && errno != EINTR) return;"),
    Row("recv", "EINTR", ONE_EACH, AGAIN,
        "echo/converse.hpp", "if (received == -1 && errno == EINTR) continue;"),
    Row("recv", PASSING, but(STREAM_LOOPS, BROADCAST, NETCAT), LATER,
        "echo/turn.hpp", RECEIVED_LATER),
    Row("recv", PASSING, [BROADCAST], LATER,
        "broadcast/server.cpp", "if (received == -1 && later(errno)) return;"),
    Row("recv", PASSING, DATAGRAMS, LATER,
        "echo/datagram.cpp", "if (received == -1) {"),
    Row("recv", "ECONNREFUSED", ["echo/datagram"], LATER,
        "echo/datagram.cpp", "if (received == -1) {"),
    Row("recv", "ENOBUFS ENOMEM", DATAGRAMS, SLEEPS,
        "echo/datagram.cpp", "if (is_shortage(errno)) sleep_a_little();", WITH_RESTS),
    Row("recv", GONE, [PLAIN], ENDS,
        "tcp/server.cpp", "if (received == -1 && errno != EINTR) return;"),
    Row("recv", GONE, ONE_EACH, ENDS,
        "echo/converse.hpp", "if (received <= 0) return;"),
    Row("recv", GONE, but(STREAM_LOOPS, BROADCAST, NETCAT, "unix_domain/fd_server"), ENDS,
        "echo/turn.hpp", RECEIVED_LATER),
    Row("recv", "ECONNRESET ENOBUFS ENOMEM", ["unix_domain/fd_server"], ENDS,
        "unix_domain/fd_server.cpp", RECEIVED_LATER,
        ("1", "3", "1+2")),  # every second recv only reads what is left before a close
    Row("recv", GONE, [BROADCAST], ENDS,
        "broadcast/server.cpp", "if (received == -1) return room.lose(client);"),
    # send
    Row("send", "EINTR", [PLAIN], AGAIN,
        "tcp/server.cpp", "if (sent == -1 && errno != EINTR) return;"),
    Row("send", f"EPIPE {GONE}", [PLAIN], ENDS,
        "tcp/server.cpp", "if (sent == -1 && errno != EINTR) return;"),
    Row("send", "EINTR", ONE_EACH, AGAIN,
        "server.hpp", "if (sent == -1 && errno == EINTR) continue;"),
    Row("send", PASSING, [*ECHO_LOOPS, "unix_domain/stream_server", "tcp/forward"], LATER,
        "echo/turn.hpp", "if (sent == -1 && !later(errno)) return false;"),
    Row("send", PASSING, OUTGOING, LATER,
        "tcp/outgoing.hpp", "if (sent == -1) return later(errno);"),
    Row("send", PASSING, [BROADCAST], LATER,
        "broadcast/server.cpp", "if (sent == -1 && !later(errno)) {"),
    Row("send", f"EPIPE {GONE}", ONE_EACH, ENDS,
        "server.hpp", "if (sent == -1) return false;"),
    Row("send", f"EPIPE {GONE}", [*ECHO_LOOPS, "unix_domain/stream_server", "tcp/forward"], ENDS,
        "echo/turn.hpp", "if (sent == -1 && !later(errno)) return false;"),
    Row("send", f"EPIPE {GONE}", OUTGOING, ENDS,
        "tcp/outgoing.hpp", "if (sent == -1) return later(errno);"),
    Row("send", f"EPIPE {GONE}", [BROADCAST], ENDS,
        "broadcast/server.cpp", "shutdown(client.fd.get(), SHUT_RD);"),
    Row("sendto", "EINTR", ["echo/datagram"], AGAIN,
        "echo/datagram.cpp", "if (errno == EINTR) continue;"),
    Row("sendto", "EAGAIN ECONNREFUSED EHOSTUNREACH EMSGSIZE ENETUNREACH ENOBUFS ENOMEM EPERM",
        ["echo/datagram"], LOST,
        "echo/datagram.cpp", "return;  // as UDP does: what cannot be delivered is lost"),
    Row("sendto", "EINTR", ["unix_domain/datagram_server"], AGAIN,
        "unix_domain/datagram_server.cpp", "if (errno == EINTR) continue;"),
    Row("sendto", "EAGAIN", ["unix_domain/datagram_server"], AGAIN,
        "unix_domain/datagram_server.cpp", "if (errno != EAGAIN || !buffer.waits_for_its_queue()) break;"),
    Row("sendto", "ECONNREFUSED ENOENT ENOBUFS ENOMEM EACCES",
        ["unix_domain/datagram_server"], LOST,
        "unix_domain/datagram_server.cpp", "if (errno != EAGAIN || !buffer.waits_for_its_queue()) break;"),
    Row("sendmsg", PASSING, ["unix_domain/fd_server"], LATER,
        "unix_domain/fd_server.cpp", "if (sent == -1) return later(errno);"),
    Row("sendmsg", "EPIPE ECONNRESET ENOBUFS ENOMEM", ["unix_domain/fd_server"], ENDS,
        "unix_domain/fd_server.cpp", "if (sent == -1) return later(errno);"),
    Row("sendmsg", "ETOOMANYREFS", ["unix_domain/fd_server"], NO_FILE_NOW,
        "unix_domain/fd_server.cpp", "if (sent == -1 && errno == ETOOMANYREFS) {"),
    # read and write, on sockets and beside them
    Row("read", f"{PASSING} ENOBUFS ENOMEM", [NETCAT], LATER,
        "tcp/netcat.cpp", "if (!passes(errno)) fail(errno);"),
    Row("write", f"{PASSING} ENOBUFS ENOMEM", [NETCAT], LATER,
        "tcp/netcat.cpp", "if (!passes(errno)) fail(errno);"),
    Row("read", "EIO ECONNRESET ETIMEDOUT EHOSTUNREACH", [NETCAT], ENDS,
        "tcp/netcat.cpp", "if (!passes(errno)) fail(errno);"),
    Row("write", "ENOSPC ECONNRESET ETIMEDOUT EHOSTUNREACH", [NETCAT], ENDS,
        "tcp/netcat.cpp", "if (!passes(errno)) fail(errno);"),
    Row("write", "EPIPE", [NETCAT], ENDS,
        "tcp/netcat.cpp", "if (!passes(errno)) fail(errno);", ("2",)),
    Row("write", "EPIPE", [NETCAT], QUIET,
        "tcp/netcat.cpp", "if (down.error == EPIPE || down.error == EBADF)", ("1",)),
    Row("write", "EINTR EAGAIN", ["tcp/web", "unix_domain/stream_server"], LATER,
        "output.hpp", "if (written == -1 && later(errno)) break;"),
    Row("write", "EPIPE EIO ENOSPC", ["tcp/web", "unix_domain/stream_server"], NOT_LOGGED,
        "output.hpp", "// After any other error nobody can ever read it."),
    # One process or thread more
    Row("fork", "EAGAIN ENOMEM", ["echo/fork"], NO_ROOM,
        "echo/fork.cpp", "refuse(std::move(client), full);"),
    Row("pthread_create", "EAGAIN ENOMEM", ["echo/thread"], NO_ROOM,
        "echo/thread.cpp", "refuse(std::move(client), full);"),
    # Files
    Row("open", "ENOENT EACCES ELOOP", FILES, NO_FILE,
        "inside.hpp", "if (!file || fstat(file.get(), &found.status) == -1) return Fd{};"),
    Row("open", SHORTAGE, ["tcp/commands"], NO_FILE,
        "tcp/commands.cpp", "Commands::missing(name)"),
    Row("open", SHORTAGE, ["tcp/web"], NO_FILE_NOW,
        "tcp/web/site.hpp", "is_shortage(errno) ? 503"),
    Row("open", SHORTAGE, ["unix_domain/fd_server"], NO_FILE_NOW,
        "unix_domain/fd_server.cpp", "is_shortage(error)"),
    Row("open", "EIO", ["tcp/commands", "unix_domain/fd_server"], NO_FILE,
        "inside.hpp", "if (!file || fstat(file.get(), &found.status) == -1) return Fd{};"),
    Row("open", "EIO", ["tcp/web"], NO_FILE_500,
        "tcp/web/site.hpp", "errno == EIO ? 500"),
    Row("stat", "ENOENT EACCES", FILES, NO_FILE,
        "inside.hpp",
        "if (fstatat(found.parent, found.name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW) == -1)"),
    Row("pread", "EINTR EAGAIN", OUTGOING, LATER,
        "tcp/outgoing.hpp", "if (got == -1) return later(errno);"),
    Row("pread", "EIO ENOMEM", OUTGOING, ENDS,
        "tcp/outgoing.hpp", "if (got == -1) return later(errno);"),
    # Only in tcp/forward: the way on to the target. And what is asked of a socket.
    Row("connect", "EINTR", ["tcp/forward"], AGAIN,
        "tcp/connecting.hpp", "if (errno == EINTR) continue;"),
    Row("connect", "ECONNREFUSED ENETUNREACH EHOSTUNREACH ETIMEDOUT EADDRNOTAVAIL EAGAIN EPERM",
        ["tcp/forward"], ENDS,
        "tcp/relay.hpp", "return give_up(\"connect \""),
    Row("socket", f"{SHORTAGE} EAFNOSUPPORT", ["tcp/forward"], ENDS,
        "tcp/relay.hpp", "check(\"socket\", socket(trying_->ai_family"),
    Row("setsockopt", "ENOBUFS", ["tcp/forward"], ENDS,
        "tcp/relay.hpp", "tcp::set_options(target_.fd);"),
    Row("getsockopt", "ENOBUFS", ["tcp/forward"], ENDS,
        "tcp/connecting.hpp", "SO_ERROR, &error, &length) == 0 ? error : errno;"),
    Row("shutdown", "ENOTCONN", ["tcp/forward"], ENDS,
        "tcp/relay.hpp", "return shutdown(to.fd.get(), SHUT_WR) == 0 || has_closed(to, from);"),
    Row("setsockopt", "ENOBUFS", ["unix_domain/stream_server"], IGNORED,
        "unix_domain/system.hpp",
        "setsockopt(fd.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);"),
    Row("getsockopt", "ENOBUFS", ["unix_domain/stream_server"], IGNORED,
        "unix_domain/system.hpp", "== -1) return \"unknown\";"),
]  # fmt: skip

# Before the server is ready, or of a program that is none: the first such call fails.
SETUP = [
    Row("socket", f"{SHORTAGE} EAFNOSUPPORT", SERVERS, EXIT, "tcp/tcp.hpp", "check(\"socket"),
    Row("setsockopt", "ENOBUFS",
        but(SERVERS, "echo/datagram", "unix_domain/stream_server", "unix_domain/fd_server"), EXIT,
        "tcp/keepalive.hpp", "check(\"setsockopt"),
    Row("bind", "EADDRINUSE EACCES EADDRNOTAVAIL", SERVERS, EXIT, "tcp/tcp.hpp", "check(\"bind "),
    Row("listen", "EADDRINUSE", STREAMS, EXIT, "tcp/tcp.hpp", "check(\"listen"),
    Row("getsockname", "ENOBUFS", WITH_PORT, EXIT, "tcp/tcp.hpp", "check(\"getsockname\""),
    Row("pipe", "EMFILE ENFILE", LOOPS, EXIT, "server.hpp", "check(\"pipe\", pipe(ends));"),
    Row("write", "EIO ENOSPC EPIPE", ["tcp/lookup"], EXIT,
        "tcp/lookup.cpp", "check(\"write\", std::fflush(stdout));"),
]  # fmt: skip

# Where echo/generations parks the silent.
PARKED = [
    Row("pipe", "EMFILE", ["echo/generations"], NOT_PARKED,
        "echo/parking.hpp", "} catch (const std::exception&) {", ("1..2",)),
    Row("pthread_create", "EAGAIN", ["echo/generations"], NOT_PARKED,
        "echo/parking.hpp", "} catch (const std::exception&) {", ("1..2",)),
    Row("write", "EINTR", ["echo/generations"], NOT_PARKED,
        "echo/parking.hpp",
        "if (write(lots_[i].inbox.get(), &record, sizeof record) == -1) return false;", ("1",)),
    Row("write", "EAGAIN", ["echo/generations"], LATER,
        "echo/parking.hpp",
        "if (write(ready_in, &parked[i], sizeof parked[i]) == -1) continue;", ("1",)),
    Row("read", "EINTR", ["echo/generations"], LATER,
        "echo/parking.hpp", "const ssize_t size = read(inbox.get(), more, sizeof more);", ("1",)),
    Row("poll, select", "ENOMEM", ["echo/generations"], SLEEPS,
        "echo/parking.hpp", "if (ready == -1 && errno != EINTR) sleep_a_little();", ("1..3",)),
]  # fmt: skip


# What is no error, and must not be taken for one: seen from a peer who sends byte by byte, or
# hardly reads.
SHORTS = [
    Row("recv", "(fewer bytes)", [*ONE_EACH, *ECHO_LOOPS, "unix_domain/stream_server"], SHORT_READ,
        "echo/reply.hpp", "if (at_line_start_) out += prefix;"),
    Row("recv", "(fewer bytes)", [BROADCAST], SHORT_READ,
        "broadcast/talk.hpp", "begun_ += piece;"),
    Row("recv", "(fewer bytes)", ["tcp/commands"], SHORT_READ,
        "tcp/commands/commands.hpp", "if (!quit_) received_ += bytes;"),
    Row("recv", "(fewer bytes)", ["tcp/web"], SHORT_READ,
        "tcp/web.cpp", "!client.parser.read(client.received)) return;"),
    Row("recv", "(fewer bytes)", ["unix_domain/fd_server"], SHORT_READ,
        "unix_domain/fd_server.cpp", "client.name += piece.substr(0, std::min(newline"),
    Row("send", "(fewer bytes)", [*ECHO_LOOPS, "unix_domain/stream_server"], SHORT_WRITE,
        "echo/turn.hpp", "if (sent > 0) owed.remove_prefix(static_cast<std::size_t>(sent));"),
    Row("send", "(fewer bytes)", [BROADCAST], SHORT_WRITE,
        "broadcast/server.cpp", "client.cursor.advance("),
    Row("send", "(fewer bytes)", OUTGOING, SHORT_WRITE,
        "tcp/outgoing.hpp", "at_ += sent;"),
    Row("send", "(fewer bytes)", ["tcp/forward"], SHORT_WRITE,
        "tcp/relay.hpp", "to.unsent.assign("),
    Row("write", "(fewer bytes)", [NETCAT], SHORT_WRITE,
        "tcp/netcat.cpp", "unsent.remove_prefix("),
]  # fmt: skip
