"""The fault table: every system call of every server fails, for every reason that its manual page gives.

    python3 tests/blackbox/test_errors.py        writes the tables of notes/errors.md and notes/fr/errors.md again

A row of ROWS says: when CALL fails with ERRNO, PROGRAMS do this, and this is the line for it. strace joins a server that
runs, and makes the first, the third, or every second call fail. Under each of these a few clients come, one after the
other; what becomes of them is what the row says, and no more of them are lost than calls have failed. All the while:

    a bystander, connected before, notices nothing
    the number of calls is bounded: nothing spins
    the next client after the faults is served rightly
    no descriptor and no zombie stays behind

A server lives through all its rows. Where a program is set up there is one outcome: one line on stderr, exit 1.
"""

import ctypes
import errno
import functools
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

if __name__ != "__main__":
    import pytest
    from harness import PATIENCE, Program, eventually, peer, receive, receive_all, receive_until, strace
    from unix_sockets import bound, dial

ROOT = Path(__file__).resolve().parents[2]
NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0"}  # it does not work under ptrace

# ---- The data ----------------------------------------------------------------------------------------------

# What the note says is a pair: in English, and in French.
ENGLISH, FRENCH = 0, 1

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
LOOPS = [*STREAM_LOOPS, "unix_domain/datagram_server"]
STREAMS = [*ONE_EACH, *STREAM_LOOPS]
SERVERS = [*ONE_EACH, *LOOPS]
OVER_TCP = [program for program in SERVERS if not program.startswith("unix_domain")]
FILES = ["tcp/commands", "tcp/web", "unix_domain/fd_server"]


def but(programs, *others):
    return [program for program in programs if program not in others]


# How a table of programs is called in the note, where it would be long.
GROUPS = {
    ("all servers", "tous les serveurs"): SERVERS,
    ("all servers over TCP", "tous les serveurs sur TCP"): OVER_TCP,
    ("all that accept", "tous ceux qui acceptent"): STREAMS,
    ("all loops", "toutes les boucles"): LOOPS,
    ("all loops that accept", "toutes les boucles qui acceptent"): STREAM_LOOPS,
}

# The call: what strace may see of it. A "?" is for the spellings that a machine lacks.
CALLS = {
    "accept": "?accept,accept4",
    "recv": "recvfrom",
    "send": "sendto",
    "poll, select": "?poll,?ppoll,?select,?pselect6",
    "fork": "?fork,clone,?clone3",
    "pthread_create": "clone,?clone3",
    "open": "openat",
    "stat": "newfstatat,?statx,?stat,?lstat",
    "pread": "pread64",
    "fcntl": "fcntl",
    "pipe": "?pipe,pipe2",
}

# errno: what it means, and who says so.
MEANING = {
    "EACCES": (
        "You have not the right to: a file's permissions, or a port below 1024 (open(2), bind(2)).",
        "Vous n'en avez pas le droit : permissions d'un fichier, ou port inférieur à 1024 (open(2), bind(2)).",
    ),
    "EADDRINUSE": (
        "Somebody else has this address (bind(2), listen(2)).",
        "Quelqu'un d'autre a déjà cette adresse (bind(2), listen(2)).",
    ),
    "EADDRNOTAVAIL": (
        "No interface of this machine has this address; or no port is left to connect from (bind(2), connect(2)).",
        "Aucune interface de cette machine n'a cette adresse ; ou il ne reste aucun port d'où se connecter (bind(2), connect(2)).",
    ),
    "EAFNOSUPPORT": (
        "The system does not know this family of addresses: IPv6, say (socket(2)).",
        "Le système ne connaît pas cette famille d'adresses : IPv6, par exemple (socket(2)).",
    ),
    "EAGAIN": (
        "There is nothing to be had without waiting; of `fork`: there are as many processes as there may be (recv(2), fork(2)).",
        "Il n'y a rien à obtenir sans attendre ; pour `fork` : il y a déjà autant de processus que permis (recv(2), fork(2)).",
    ),
    "ECONNABORTED": (
        "The client went away before it was accepted (accept(2)).",
        "Le client est parti avant d'être accepté (accept(2)).",
    ),
    "ECONNREFUSED": (
        "Nobody listens there (connect(2), unix(7)).",
        "Personne n'écoute à cette adresse (connect(2), unix(7)).",
    ),
    "ECONNRESET": (
        "The peer has thrown the connection away: a RST came (send(2)).",
        "L'autre bout a abandonné la connexion : un RST est arrivé (send(2)).",
    ),
    "EHOSTUNREACH": (
        "A router says that it knows no way to the peer (ip(7), icmp(7)).",
        "Un routeur dit qu'il ne connaît pas de chemin vers l'autre bout (ip(7), icmp(7)).",
    ),
    "EINTR": (
        "A signal came before the call had done anything (signal(7)).",
        "Un signal est arrivé avant que l'appel ait fait quoi que ce soit (signal(7)).",
    ),
    "EINVAL": (
        "More descriptors than the limit, RLIMIT_NOFILE, which may be lowered while a program runs (poll(2)).",
        "Plus de descripteurs que la limite, RLIMIT_NOFILE, qui peut être abaissée pendant qu'un programme tourne (poll(2)).",
    ),
    "EIO": (
        "The disk, or the terminal, fails (read(2)).",
        "Le disque, ou le terminal, est en panne (read(2)).",
    ),
    "ELOOP": (
        "The name is a symbolic link, and we follow none (open(2), O_NOFOLLOW).",
        "Le nom est un lien symbolique, et nous n'en suivons aucun (open(2), O_NOFOLLOW).",
    ),
    "EMFILE": (
        "This process has as many descriptors as it may have (accept(2)).",
        "Ce processus a autant de descripteurs qu'il peut en avoir (accept(2)).",
    ),
    "ENETUNREACH": (
        "No route leads there (connect(2)).",
        "Aucune route ne mène à cette adresse (connect(2)).",
    ),
    "ENFILE": (
        "The whole system has as many open files as it may have (accept(2)).",
        "Le système entier a autant de fichiers ouverts qu'il peut en avoir (accept(2)).",
    ),
    "ENOBUFS": (
        "The kernel has no room to queue the bytes, or the connection (send(2), accept(2)).",
        "Le noyau n'a plus de place pour mettre en file les octets, ou la connexion (send(2), accept(2)).",
    ),
    "ENOENT": (
        "There is no such name (open(2), unix(7)).",
        "Ce nom n'existe pas (open(2), unix(7)).",
    ),
    "ENOMEM": (
        "The kernel has no memory left for this (accept(2), poll(2)).",
        "Le noyau n'a plus de mémoire pour cela (accept(2), poll(2)).",
    ),
    "ENOSPC": (
        "The disk is full (write(2)).",
        "Le disque est plein (write(2)).",
    ),
    "ENOTCONN": (
        "The connection is gone already (shutdown(2)).",
        "La connexion n'existe déjà plus (shutdown(2)).",
    ),
    "EPERM": (
        "A firewall rule forbids it (accept(2)).",
        "Une règle du firewall l'interdit (accept(2)).",
    ),
    "EPIPE": (
        "Nobody can read this any more: the connection, or the pipe, is closed at the other end (send(2), pipe(7)).",
        "Plus personne ne peut lire ce qu'on envoie : la connexion, ou le tube, est fermé à l'autre bout (send(2), pipe(7)).",
    ),
    "EPROTO": (
        "The protocol went wrong while the connection was made (accept(2)).",
        "Le protocole a échoué pendant l'établissement de la connexion (accept(2)).",
    ),
    "ETIMEDOUT": (
        "The peer has not acknowledged anything for minutes (tcp(7)).",
        "L'autre bout n'a rien acquitté depuis plusieurs minutes (tcp(7)).",
    ),
    "ETOOMANYREFS": (
        "Too many descriptors are on their way that nobody has received (unix(7)).",
        "Trop de descripteurs sont en route, et personne ne les a encore reçus (unix(7)).",
    ),
}

# Outcomes. What the clients see is one of: all are served rightly; some connections end; some are told something else.
AGAIN = ("The call is made again at once.", "L'appel est refait aussitôt.")
LATER = (
    "Nothing is lost: it is tried again in the loop's next turn.",
    "Rien n'est perdu : nouvel essai au prochain tour de boucle.",
)
NEXT = (
    "At most that client is lost. The next one is accepted.",
    "Au pire, ce client-là est perdu. Le suivant est accepté.",
)
NOBODY = ("It was the last one for now. The loop goes on.", "C'était le dernier pour l'instant. La boucle continue.")
RESTS = (
    "Said once. The listener rests for a tenth of a second, or until a client goes: meanwhile the newcomer waits in the "
    "backlog.",
    "Le serveur le dit une fois. La socket d'écoute se repose un dixième de seconde, ou jusqu'au départ d'un client : d'ici là, le "
    "nouveau venu attend dans la file d'attente (backlog).",
)
SLEEPS = (
    "The loop sleeps for a tenth of a second, or until a signal, and asks again.",
    "La boucle dort un dixième de seconde, ou jusqu'à un signal, puis refait l'appel.",
)
ENDS = ("That connection ends, and no other.", "Cette connexion se termine, et aucune autre.")
IGNORED = ("The client is served all the same.", "Le client est servi quand même.")
LOST = ("That answer is lost, and no other.", "Cette réponse est perdue, et aucune autre.")
NO_ROOM = (
    "That client is told `serveur complet`, and closed.",
    "Ce client reçoit `serveur complet`, et sa connexion est fermée.",
)
NO_FILE = (
    "The answer is that there is no such file: `introuvable`, 404.",
    "La réponse est que ce fichier n'existe pas : `introuvable`, 404.",
)
NO_FILE_NOW = (
    "The answer is that it cannot be had now: `serveur complet`, 503.",
    "La réponse est que ce fichier ne peut pas être donné maintenant : `serveur complet`, 503.",
)
NO_FILE_500 = ("The answer is 500.", "La réponse est 500.")
NOT_LOGGED = ("That line of the log is lost, and no other.", "Cette ligne du journal est perdue, et aucune autre.")
QUIET = (
    "Nobody reads our standard output: the program ends, quietly, with status 0.",
    "Plus personne ne lit stdout : le programme se termine en silence, avec le code de retour 0.",
)
EXIT = (
    "One line on stderr, `PROGRAM: CALL: REASON`; exit 1.",
    "Une ligne sur stderr, `PROGRAM: CALL: REASON` (programme, appel, raison) ; code de retour 1.",
)

ALL_SERVED = {AGAIN, LATER, NEXT, NOBODY, RESTS, SLEEPS, IGNORED, NOT_LOGGED}

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
PASSING = "EINTR EAGAIN ENOBUFS ENOMEM"
GONE = "ECONNRESET ETIMEDOUT EHOSTUNREACH"

RECEIVED_LATER = "if (received == -1) return tcp::later(errno);"
OUTGOING = ["tcp/commands", "tcp/web"]
BROADCAST = "broadcast/server"
NETCAT = "tcp/netcat"

ROWS = [
    # accept
    Row("accept", "EINTR ECONNABORTED EPROTO EPERM", but(STREAMS, "echo/iterative"), NEXT, "tcp/tcp.hpp",
        "if (!is_shortage(error)) return;"),
    Row("accept", "EINTR ECONNABORTED EPROTO EPERM", ["echo/iterative"], NEXT, "echo/iterative.cpp",
        "// Else EINTR: again; or ECONNABORTED ...: that client is gone, the next one is not."),
    Row("accept", "EAGAIN", STREAM_LOOPS, NOBODY, "tcp/tcp.hpp", "if (error == EAGAIN) said_ = false;"),
    Row("accept", "ENFILE ENOBUFS ENOMEM", but(STREAMS, "echo/iterative"), RESTS, "tcp/tcp.hpp",
        "until_ = Clock::now() + std::chrono::milliseconds{100};", WITH_RESTS),
    Row("accept", "EMFILE", but(STREAMS, "echo/iterative", BROADCAST), RESTS, "tcp/tcp.hpp",
        "until_ = Clock::now() + std::chrono::milliseconds{100};", WITH_RESTS),
    Row("accept", "EMFILE", [BROADCAST], NEXT, "broadcast/server.cpp", "if (!fd && errno == EMFILE && spare) {"),
    Row("accept", SHORTAGE, ["echo/iterative"], RESTS, "echo/iterative.cpp", "poll(nullptr, 0, 100);", WITH_RESTS),
    Row("fcntl", SHORTAGE[:6], ["tcp/forward"], RESTS, "tcp/forward.cpp",
        "Fd second{fcntl(listener.fd.get(), F_DUPFD_CLOEXEC, 0)};", WITH_RESTS),
    # poll and select
    Row("poll, select", "EINTR", but(LOOPS, BROADCAST, "tcp/web", "echo/generations"), AGAIN, "echo/poll.cpp",
        "if (ready <= 0) continue;"),
    Row("poll, select", "EINTR", [BROADCAST, "tcp/web"], AGAIN, "broadcast/server.cpp", "if (ready == -1) continue;"),
    Row("poll, select", "EINTR", ["echo/generations"], AGAIN, "echo/generations.cpp", "if (ready > 0) {"),
    Row("poll, select", "ENOMEM EINVAL", LOOPS, SLEEPS, "echo/poll.cpp",
        "if (ready == -1 && errno != EINTR && tcp::rest_or_stop(stop", WITH_RESTS),
    # recv
    Row("recv", "EINTR", ONE_EACH, AGAIN, "echo/iterative.cpp", "while (received == -1 && errno == EINTR);"),
    Row("recv", PASSING, but(STREAM_LOOPS, BROADCAST, NETCAT), LATER, "echo/poll.cpp", RECEIVED_LATER),
    Row("recv", PASSING, [BROADCAST], LATER, "broadcast/server.cpp",
        "if (received == -1 && tcp::later(errno)) return;"),
    Row("recv", PASSING, ["unix_domain/datagram_server"], LATER, "unix_domain/datagram_server.cpp",
        "if (received == -1 ||"),
    Row("recv", f"ENOMEM {GONE}", ONE_EACH, ENDS, "echo/iterative.cpp", "if (received <= 0) return;"),
    Row("recv", GONE, but(STREAM_LOOPS, BROADCAST, NETCAT, "unix_domain/fd_server"), ENDS, "echo/poll.cpp",
        RECEIVED_LATER),
    Row("recv", "ECONNRESET", ["unix_domain/fd_server"], ENDS, "unix_domain/fd_server.cpp", RECEIVED_LATER,
        ("1", "3", "1+2")),  # every second recv only reads what is left before a close
    Row("recv", GONE, [BROADCAST], ENDS, "broadcast/server.cpp", "lose(client, log);"),
    # send
    Row("send", "EINTR", ONE_EACH, AGAIN, "tcp/tcp.hpp", "if (sent == -1 && errno == EINTR) continue;"),
    Row("send", PASSING, [*ECHO_LOOPS, "unix_domain/stream_server", "tcp/forward"], LATER, "echo/poll.cpp",
        "if (sent == -1 && !tcp::later(errno)) return false;"),
    Row("send", PASSING, OUTGOING, LATER, "tcp/outgoing.hpp", "if (sent == -1) return tcp::later(errno);"),
    Row("send", PASSING, [BROADCAST], LATER, "broadcast/server.cpp", "if (sent == -1 && !tcp::later(errno))"),
    Row("send", f"ENOBUFS EPIPE {GONE}", ONE_EACH, ENDS, "tcp/tcp.hpp", "if (sent == -1) return false;"),
    Row("send", f"EPIPE {GONE}", [*ECHO_LOOPS, "unix_domain/stream_server", "tcp/forward"], ENDS, "echo/poll.cpp",
        "if (sent == -1 && !tcp::later(errno)) return false;"),
    Row("send", f"EPIPE {GONE}", OUTGOING, ENDS, "tcp/outgoing.hpp", "if (sent == -1) return tcp::later(errno);"),
    Row("send", f"EPIPE {GONE}", [BROADCAST], ENDS, "broadcast/server.cpp", "return hang_up(client, SHUT_RD);"),
    Row("sendto", "EINTR", ["unix_domain/datagram_server"], AGAIN, "unix_domain/datagram_server.cpp",
        "== -1 && errno == EINTR) {"),
    Row("sendto", "EAGAIN ECONNREFUSED ENOENT ENOBUFS ENOMEM EACCES", ["unix_domain/datagram_server"], LOST,
        "unix_domain/datagram_server.cpp", "== -1 && errno == EINTR) {"),
    Row("sendmsg", PASSING, ["unix_domain/fd_server"], LATER, "unix_domain/fd_server.cpp",
        "if (sent == -1) return tcp::later(errno);"),
    Row("sendmsg", "EPIPE ECONNRESET", ["unix_domain/fd_server"], ENDS, "unix_domain/fd_server.cpp",
        "if (sent == -1) return tcp::later(errno);"),
    Row("sendmsg", "ETOOMANYREFS", ["unix_domain/fd_server"], NO_FILE_NOW, "unix_domain/fd_server.cpp",
        "if (sent == -1 && errno == ETOOMANYREFS) {"),
    # read and write, on sockets and beside them
    Row("read", PASSING, [NETCAT], LATER, "tcp/netcat.cpp", "if (!tcp::later(errno)) fail(errno);"),
    Row("write", PASSING, [NETCAT], LATER, "tcp/netcat.cpp", "if (!tcp::later(errno)) fail(errno);"),
    Row("read", f"EIO {GONE}", [NETCAT], ENDS, "tcp/netcat.cpp", "if (!tcp::later(errno)) fail(errno);"),
    Row("write", f"ENOSPC {GONE}", [NETCAT], ENDS, "tcp/netcat.cpp", "if (!tcp::later(errno)) fail(errno);"),
    Row("write", "EPIPE", [NETCAT], ENDS, "tcp/netcat.cpp", "if (!tcp::later(errno)) fail(errno);", ("2",)),
    Row("write", "EPIPE", [NETCAT], QUIET, "tcp/netcat.cpp", "if (down.error == EPIPE || down.error == EBADF)", ("1",)),
    Row("write", "EINTR EAGAIN", ["tcp/web"], LATER, "tcp/access_log.hpp", "if (written == -1) return;"),
    Row("write", "EPIPE EIO ENOSPC", ["tcp/web"], NOT_LOGGED, "tcp/access_log.hpp",
        "if (written == -1 && !tcp::later(errno)) waiting_.clear();"),
    Row("write", "EINTR EAGAIN EPIPE EIO ENOSPC", ["unix_domain/stream_server"], NOT_LOGGED, "tcp/tcp.hpp",
        "std::cerr.clear();"),
    # One process or thread more
    Row("fork", "EAGAIN ENOMEM", ["echo/fork"], NO_ROOM, "echo/fork.cpp", "tcp::refuse(std::move(client), full);"),
    Row("pthread_create", "EAGAIN ENOMEM", ["echo/thread"], NO_ROOM, "echo/thread.cpp",
        "tcp::refuse(std::move(client), full);"),
    # Files
    Row("open", "ENOENT EACCES ELOOP", FILES, NO_FILE, "tcp/inside.hpp",
        "if (!file || fstat(file.get(), &status) == -1) return {};"),
    Row("open", SHORTAGE, ["tcp/commands"], NO_FILE, "tcp/commands.cpp", "Commands::missing(name)"),
    Row("open", SHORTAGE, ["tcp/web"], NO_FILE_NOW, "tcp/site.hpp", "tcp::is_shortage(errno) ? 503"),
    Row("open", SHORTAGE, ["unix_domain/fd_server"], NO_FILE_NOW, "unix_domain/fd_server.cpp",
        "const bool ours = tcp::is_shortage(error)"),
    Row("open", "EIO", ["tcp/commands", "unix_domain/fd_server"], NO_FILE, "tcp/inside.hpp",
        "if (!file || fstat(file.get(), &status) == -1) return {};"),
    Row("open", "EIO", ["tcp/web"], NO_FILE_500, "tcp/site.hpp", "errno == EIO ? 500"),
    Row("stat", "ENOENT EACCES", FILES, NO_FILE, "tcp/inside.hpp",
        "if (fstatat(at, last.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1) return {};"),
    Row("pread", "EINTR EAGAIN", OUTGOING, LATER, "tcp/outgoing.hpp", "if (got == -1) return tcp::later(errno);"),
    Row("pread", "EIO", OUTGOING, ENDS, "tcp/outgoing.hpp", "if (got == -1) return tcp::later(errno);"),
    # Only in tcp/forward: the way on to the target. And what is asked of a socket.
    Row("connect", "EINTR", ["tcp/forward"], AGAIN, "tcp/relay.hpp", "while (result == -1 && errno == EINTR);"),
    Row("connect", "ECONNREFUSED ENETUNREACH EHOSTUNREACH ETIMEDOUT EADDRNOTAVAIL EAGAIN EPERM", ["tcp/forward"], ENDS,
        "tcp/relay.hpp", "return give_up(\"connect \""),
    Row("socket", f"{SHORTAGE} EAFNOSUPPORT", ["tcp/forward"], ENDS, "tcp/relay.hpp", "if (!target_.fd) return errno;"),
    Row("setsockopt", "ENOBUFS", ["tcp/forward"], IGNORED, "tcp/relay.hpp", "setsockopt(target_.fd.get(), IPPROTO_TCP,"),
    Row("getsockopt", "ENOBUFS", ["tcp/forward"], ENDS, "tcp/tcp.hpp", "SO_ERROR, &error, &length) == 0 ? error : errno;"),
    Row("shutdown", "ENOTCONN", ["tcp/forward"], ENDS, "tcp/relay.hpp", "return shutdown(to.fd.get(), SHUT_WR) == 0;"),
    Row("setsockopt", "ENOBUFS", ["unix_domain/stream_server"], IGNORED, "unix_domain/stream_server.cpp",
        "setsockopt(fd.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);"),
    Row("getsockopt", "ENOBUFS", ["unix_domain/stream_server"], IGNORED, "unix_domain/stream_server.cpp",
        "== -1) return \"unknown\";"),
]  # fmt: skip

# Before the server is ready: the first such call fails.
SETUP = [
    Row("socket", f"{SHORTAGE} EAFNOSUPPORT", SERVERS, EXIT, "echo/iterative.cpp", "check(\"socket"),
    Row("setsockopt", "ENOBUFS", but(SERVERS, "unix_domain/stream_server", "unix_domain/fd_server"), EXIT,
        "echo/iterative.cpp", "check(\"setsockopt"),
    Row("bind", "EADDRINUSE EACCES EADDRNOTAVAIL", SERVERS, EXIT, "echo/iterative.cpp", "check(\"bind "),
    Row("listen", "EADDRINUSE", STREAMS, EXIT, "echo/iterative.cpp", "check(\"listen "),
    Row("getsockname", "ENOBUFS", OVER_TCP, EXIT, "echo/iterative.cpp", "check(\"getsockname\""),
    Row("pipe", "EMFILE ENFILE", LOOPS, EXIT, "tcp/tcp.hpp", "check(\"pipe\", pipe(ends));"),
]  # fmt: skip

# Where echo/generations parks the silent.
NOT_PARKED = (
    "The client is not parked yet, and served all the same.",
    "Le client n'est pas encore garé, et il est servi quand même.",
)
PARKED = [
    Row("pipe", "EMFILE", ["echo/generations"], NOT_PARKED, "echo/parking.hpp",
        "} catch (const std::system_error&) {", ("1..2",)),
    Row("pthread_create", "EAGAIN", ["echo/generations"], NOT_PARKED, "echo/parking.hpp",
        "} catch (const std::system_error&) {", ("1..2",)),
    Row("write", "EINTR", ["echo/generations"], NOT_PARKED, "echo/parking.hpp",
        "if (write(lots_[i].inbox.get(), &record, sizeof record) == -1) return false;", ("1",)),
    Row("write", "EAGAIN", ["echo/generations"], LATER, "echo/parking.hpp",
        "if (write(ready_in, &parked[i], sizeof parked[i]) == -1) continue;", ("1",)),
    Row("read", "EINTR", ["echo/generations"], LATER, "echo/parking.hpp",
        "const ssize_t size = read(inbox.get(), more, sizeof more);", ("1",)),
    Row("poll, select", "ENOMEM", ["echo/generations"], SLEEPS, "echo/parking.hpp",
        "if (ready == -1 && errno != EINTR) usleep(100'000);", ("1..3",)),
]  # fmt: skip


# What is no error, and must not be taken for one: seen from a peer who sends byte by byte, or hardly reads.
SHORT_READ = (
    "What has come is dealt with; the rest of the line, or of the request, is waited for.",
    "Ce qui est arrivé est traité ; le reste de la ligne, ou de la requête, est attendu.",
)
SHORT_WRITE = (
    "The rest is kept, and sent when there is room.",
    "Le reste est gardé, et envoyé quand il y a de la place.",
)
SHORTS = [
    Row("recv", "(fewer bytes)", [*ONE_EACH, *ECHO_LOOPS, "unix_domain/stream_server"], SHORT_READ, "echo/reply.hpp",
        "if (at_line_start_) out += prefix;"),
    Row("recv", "(fewer bytes)", [BROADCAST], SHORT_READ, "broadcast/talk.hpp", "begun_ += piece;"),
    Row("recv", "(fewer bytes)", ["tcp/commands"], SHORT_READ, "tcp/commands.hpp",
        "if (!quit_) received_ += bytes;"),
    Row("recv", "(fewer bytes)", ["tcp/web"], SHORT_READ, "tcp/web.cpp", "if (!client.parser.read(client.received)) break;"),
    Row("recv", "(fewer bytes)", ["unix_domain/fd_server"], SHORT_READ, "unix_domain/fd_server.cpp",
        "client.name += piece.substr(0, newline);"),
    Row("send", "(fewer bytes)", [*ECHO_LOOPS, "unix_domain/stream_server"], SHORT_WRITE, "echo/poll.cpp",
        "if (sent > 0) owed.remove_prefix(static_cast<std::size_t>(sent));"),
    Row("send", "(fewer bytes)", [BROADCAST], SHORT_WRITE, "broadcast/server.cpp", "client.cursor.advance("),
    Row("send", "(fewer bytes)", OUTGOING, SHORT_WRITE, "tcp/outgoing.hpp", "at_ += sent;"),
    Row("send", "(fewer bytes)", ["tcp/forward"], SHORT_WRITE, "tcp/relay.hpp", "to.unsent.assign("),
    Row("write", "(fewer bytes)", [NETCAT], SHORT_WRITE, "tcp/netcat.cpp", "unsent.remove_prefix("),
]  # fmt: skip


# ---- The table in the note -----------------------------------------------------------------------------------

NOTES = {ENGLISH: "notes/errors.md", FRENCH: "notes/fr/errors.md"}
HEAD = (
    "| errno | the call | of | what happens | the line for it |",
    "| errno | l'appel | programmes | ce qui se passe | la ligne qui y répond |",
)
FEWER = (
    "**fewer bytes** than asked for: no error (recv(2), send(2)).",
    "**moins d'octets** que demandé : pas une erreur (recv(2), send(2)).",
)
EXCEPT = ("but", "sauf")


def line_link(row, language):
    """`the code on that line`, as a link to it."""
    for number, line in enumerate((ROOT / row.file).read_text().splitlines(), 1):
        if row.code in line:
            return f"[`{row.code}`]({os.path.relpath(row.file, os.path.dirname(NOTES[language]))}#L{number})"
    raise AssertionError(f"{row.file} has no line with {row.code}")


def names(programs, language):
    for name, group in GROUPS.items():
        if sorted(programs) == sorted(group):
            return name[language]
        missing = but(group, *programs)
        if len(missing) <= 3 and set(programs) < set(group) and len(group) > 5:
            return f"{name[language]} {EXCEPT[language]} " + ", ".join(f"`{program}`" for program in missing)
    return ", ".join(f"`{program}`" for program in programs)


def table(language):
    """The table of the note, line by line: a row for each errno, call and outcome."""
    lines = [HEAD[language], "| --- | --- | --- | --- | --- |"]
    for error in [*MEANING, "(fewer bytes)"]:
        rows = [row for row in [*ROWS, *PARKED, *SETUP, *SHORTS] if error in row.errors.split() or row.errors == error]
        assert rows, f"{error} is nobody's"
        head = f"**{error}** {MEANING[error][language]}" if error in MEANING else FEWER[language]
        for row in rows:
            call = f"`{row.call}`" if "," not in row.call else "`poll`, `select`"
            cells = [head, call, names(row.programs, language), row.outcome[language], line_link(row, language)]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            head = ""
    return lines


MARKS = "<!-- table: written by tests/blackbox/test_errors.py -->", "<!-- end of the table -->"


def with_table(text, language):
    """The note's text, with the table of now between the marks."""
    before, rest = text.split(MARKS[0])
    return "\n".join([before + MARKS[0], "", *table(language), "", MARKS[1]]) + rest.split(MARKS[1])[1]


if __name__ == "__main__":
    for in_use, note in NOTES.items():
        (ROOT / note).write_text(with_table((ROOT / note).read_text(), in_use))
    sys.exit()


@pytest.mark.parametrize("language", NOTES, ids=NOTES.values())
def test_the_table_in_the_note_is_that_of_the_tests(language):
    text = (ROOT / NOTES[language]).read_text()
    assert with_table(text, language) == text, "run python3 tests/blackbox/test_errors.py"


@functools.cache
def sources(file):
    """The text of a source and of the headers that it includes."""
    text = (ROOT / file).read_text()
    included = re.findall(r'^#include "(.*)"', text, re.MULTILINE)
    return text + "".join(sources(os.path.relpath((ROOT / file).parent / name, ROOT)) for name in included)


@pytest.mark.parametrize("row", [*ROWS, *SETUP, *PARKED, *SHORTS], ids=lambda row: f"{row.call}-{row.errors}")
def test_each_program_of_a_row_has_the_code_that_it_names(row):
    for program in row.programs:
        assert row.code in sources(program + ".cpp"), program


# ---- What a client does ----------------------------------------------------------------------------------------

GREETING = "Le serveur écoute.\n".encode()
PREFIX = "le serveur répond : ".encode()
FULL = b"serveur complet\n"
LINES = [b"un\n", b"deux\n", b"trois\n"]
CONTENT = bytes(range(256)) * 400  # of the file; more than one pread
NOT_FOUND = "erreur : fichier : fichier introuvable\n".encode()
FULL_FOR_FILES = "erreur : fichier : serveur complet\n".encode()


class Cut(Exception):
    """The connection has ended before the conversation had."""


class Heard:
    """A connection, and all that came of it."""

    def __init__(self, client, said=None):
        self.client = client
        self.said = said  # what it does after each byte that it sends; None: it sends all at once
        self.got = bytearray()

    def say(self, text):
        try:
            if not self.said:
                self.client.sendall(text)
            for i in range(len(text) if self.said else 0):
                self.client.sendall(text[i : i + 1])
                self.said()
        except OSError as error:
            raise Cut from error

    def take(self, count):
        piece = bytearray()
        while len(piece) < count:
            try:
                more = self.client.recv(count - len(piece))
            except ConnectionError as error:
                raise Cut from error
            if not more:
                raise Cut
            piece += more
            self.got += more
        return bytes(piece)

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.take(1)
        return line

    def end(self):
        """Half-closes, and hears the rest."""
        try:
            self.client.shutdown(socket.SHUT_WR)
            self.got += receive_all(self.client)
        except OSError as error:
            raise Cut from error


def echo(heard, _):
    heard.line()
    for line in LINES:
        heard.say(line)
        heard.line()
    heard.end()


def broadcast(heard, _):
    name = heard.line()[-4:-1]
    try:
        for line in LINES:
            heard.say(line)
            heard.line()
        heard.end()
    finally:
        heard.got = bytearray(bytes(heard.got).replace(name, b"MOI"))


def commands(heard, _):
    for line in (b"hello\n", b"fichier fichier\n", b"hello\n"):
        heard.say(line)
        answer = heard.line()
        if answer.startswith(b"fichier "):
            heard.take(int(answer.split()[1]))
    heard.end()


def web(heard, _):
    for path in (b"/", b"/static/fichier", b"/"):
        heard.say(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        before, head = len(heard.got), b""
        try:
            while not head.endswith(b"\r\n\r\n"):
                head += heard.take(1)
        finally:  # of a head, the status is enough
            heard.got[before:] = head.split()[1] + b"\n" if head.endswith(b"\r\n\r\n") else b""
        body = heard.take(int(re.search(rb"Content-Length: (\d+)", head)[1]))
        if b" 200 " not in head:
            del heard.got[-len(body) :]
    heard.end()


def forward(heard, _):
    for line in LINES:
        heard.say(line)
        heard.line()
    heard.end()


def netcat(heard, server):
    """Each line is typed once: what the one before has left on its way is known by its number."""

    def passed(line, source, take):
        while True:
            ready, _, _ = select.select([source, heard.client], [], [], PATIENCE)
            assert ready, "nothing comes"
            if source in ready:
                if (got := take()) == line:
                    return
                assert got == b"" or got < line, f"{got!r} after {line!r}"
            elif heard.client.recv(1, socket.MSG_PEEK) == b"":
                raise Cut

    keyboard, screen = server.process.stdin, server.process.stdout
    try:
        for said in LINES:
            server.typed = getattr(server, "typed", 10000) + 1
            heard.say(b"%d\n" % server.typed)
            passed(b"%d\n" % server.typed, screen, screen.readline)
            keyboard.write(b"%d\n" % server.typed)
            passed(b"%d\n" % server.typed, heard.client, heard.line)
            heard.got[:] = heard.got[: heard.got.rfind(b"!") + 1] + said.replace(b"\n", b"!")
    except ConnectionError as error:
        raise Cut from error


def descriptor(heard, _):
    heard.say(b"fichier\n")
    try:
        said, descriptors, _, _ = socket.recv_fds(heard.client, 4096, 1)
    except ConnectionError as error:
        raise Cut from error
    heard.got += said
    for fd in descriptors:
        with open(fd, "rb") as file:
            heard.got[:] = file.read()
    if not said:
        raise Cut
    heard.end()


def datagrams(heard, server):
    """Four of them. An answer that does not come is known by the fault that was met in its place."""
    for i in range(4):
        before = server.faults()
        heard.client.send(b"%d" % i)
        eventually(lambda: select.select([heard.client], [], [], 0.001)[0] or server.faults() > before)
        if server.faults() == before or server.row.outcome != LOST:
            heard.got += heard.client.recv(100)
    if len(heard.got) < len(RIGHT["unix_domain/datagram_server"]):
        raise Cut


ECHOED = GREETING + b"".join(PREFIX + line for line in LINES)
TALK = {
    **dict.fromkeys([*ONE_EACH, *ECHO_LOOPS, "unix_domain/stream_server"], echo),
    "broadcast/server": broadcast,
    "tcp/commands": commands,
    "tcp/web": web,
    "tcp/forward": forward,
    "tcp/netcat": netcat,
    "unix_domain/fd_server": descriptor,
    "unix_domain/datagram_server": datagrams,
}
RIGHT = {
    **dict.fromkeys([*ONE_EACH, *ECHO_LOOPS, "unix_domain/stream_server"], ECHOED),
    "broadcast/server": b"je suis : MOI\n" + b"".join(b"Message de MOI : " + line for line in LINES),
    "tcp/commands": b"hello\nfichier %d\n" % len(CONTENT) + CONTENT + b"hello\n",
    "tcp/web": b"302\n200\n" + CONTENT + b"302\n",
    "tcp/forward": b"".join(LINES),
    "tcp/netcat": b"un!deux!trois!",
    "unix_domain/fd_server": CONTENT,
    "unix_domain/datagram_server": b"".join(PREFIX + b"%d" % i for i in range(4)),
}
# What a client hears instead, when it is told something.
TOLD = {
    ("echo/fork", NO_ROOM): FULL,
    ("echo/thread", NO_ROOM): FULL,
    ("tcp/commands", NO_FILE): b"hello\n" + NOT_FOUND + b"hello\n",
    ("tcp/web", NO_FILE): b"302\n404\n302\n",
    ("tcp/web", NO_FILE_NOW): b"302\n503\n302\n",
    ("tcp/web", NO_FILE_500): b"302\n500\n302\n",
    ("unix_domain/fd_server", NO_FILE): NOT_FOUND,
    ("unix_domain/fd_server", NO_FILE_NOW): FULL_FOR_FILES,
}


class Target:
    """Who tcp/forward connects to: it sends everything back."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.send_back, args=(client,), daemon=True).start()

    @staticmethod
    def send_back(client):
        with client:
            try:
                for piece in iter(lambda: client.recv(1 << 16), b""):
                    client.sendall(piece)
            except OSError:
                pass


TRACED = ",".join(
    ["%network", "read", "write", "openat", "newfstatat", "fcntl", "pipe2", "clone", *(set(CALLS.values()))]
)


COUNTER = itertools.count()


def words(program, path, target, address=None):
    """The command line of a server: at `path`, if it serves on one; else at a free port of `address`."""
    if program == "tcp/netcat":
        return ["-l", "-k", "-p", "0", *([address] if address else [])]
    if program == "tcp/forward":
        return [f"{address + ':' if address else ''}0:127.0.0.1:{target.port}"]
    if program.startswith("unix_domain"):
        return [path, path.parent] if program == "unix_domain/fd_server" else [path]
    return [*(["-b", address] if address else []), *(["-d", path.parent] if program in FILES else []), "0"]


class Server:
    """A program that runs, and what its clients and strace do with it."""

    made = []

    def __init__(self, program, place, target):
        self.program = program
        self.path = place / (Path(program).name + f".{next(COUNTER)}")
        self.trace = self.path.with_suffix(".trace")
        self.trace.write_text("")
        self.row = None  # under test
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0} if program == NETCAT else {}
        self.running = Program(program, *words(program, self.path, target), env=NO_LEAK_CHECK, **pipes)
        self.running.logged("listening on ")
        self.process, self.pid = self.running.process, self.running.pid
        self.made.append(self)
        eventually(lambda: ") S " in Path(f"/proc/{self.pid}/stat").read_text())  # it waits: all is open that will be
        self.at_first = self.running.descriptors()

    def connect(self, **options):
        if not self.program.startswith("unix_domain"):
            return self.running.connect(**options)
        if self.program != "unix_domain/datagram_server":
            return dial(self.path)
        client = bound("", socket.SOCK_DGRAM)
        client.connect(str(self.path))
        return client

    def talk(self, client=None, said=None):
        """A client's whole conversation: what it has heard, and whether it came to its end."""
        heard = Heard(client or self.connect(), said)
        with heard.client:
            try:
                TALK[self.program](heard, self)
            except Cut:
                return bytes(heard.got), False
        return bytes(heard.got), True

    def is_served(self, client=None):
        return self.talk(client) == (RIGHT[self.program], True)

    def join(self, *words):
        """strace joins it: from now on calls are counted, and fail."""
        self.trace.write_text("")
        command = [peer("strace"), "-f", "-o", self.trace, "-e", "trace=" + TRACED, *words, "-p", str(self.pid)]
        self.tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        said = self.tracer.stderr.readline()
        assert "attached" in said, said

    def leave(self):
        """strace goes. Returns what it saw."""
        self.tracer.terminate()
        self.tracer.communicate()
        return self.trace.read_text()

    def faults(self):
        return self.trace.read_text().count("INJECTED")

    def descriptors(self):
        return self.running.descriptors()

    def children(self):
        """Those that run, and the zombies."""
        pattern = re.compile(rb"\) . %d " % self.pid)
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                if pattern.search(stat.read_bytes()):
                    found.append(stat.parent.name)
            except OSError:
                pass  # it has ended meanwhile
        return found


@pytest.fixture(scope="module")
def servers():
    """servers(PROGRAM) -> a Server, the same for all the tests that end well."""
    running = {}
    target = Target()
    with tempfile.TemporaryDirectory(prefix="socklab-", dir="/tmp") as directory:
        place = Path(directory)
        (place / "fichier").write_bytes(CONTENT)

        def servers(program, anew=False):
            if anew and program in running:
                kill(running.pop(program))
            if program not in running:
                running[program] = Server(program, place, target)
            return running[program]

        def kill(server):
            server.process.kill()
            server.running.wait()

        servers.place, servers.target = place, target
        yield servers
        for server in running.values():
            server.running.stop()
        for server in Server.made:  # those of tests that failed
            if server.process.poll() is None:
                kill(server)
        target.listener.close()


@pytest.fixture
def serve(servers, request):
    """As servers(PROGRAM); but after a test that fails, the next one gets another."""
    used = []

    def serve(program):
        used.append(program)
        return servers(program)

    failures = request.session.testsfailed
    yield serve
    if request.session.testsfailed > failures:
        for program in used:
            servers(program, anew=True)


# ---- The faults ------------------------------------------------------------------------------------------------

CLIENTS = 4
# Twice what the busiest server makes of these clients, when all goes well and a half of its calls is made again.
MOST_CALLS = 600

# Those whose clients share no thread that strace joins, and no room: a bystander is to notice nothing.
WITH_BYSTANDER = but(STREAMS, "echo/iterative", "echo/thread", "broadcast/server", "tcp/netcat")

CASES = [
    pytest.param(row, program, error, id=f"{program}-{row.call}-{error}-{number}".replace(", ", "+"))
    for number, row in enumerate(ROWS)
    for error in row.errors.split()
    for program in row.programs
]


@pytest.mark.parametrize("row, program, error", CASES)
def test_a_fault_has_the_outcome_that_the_table_says(serve, servers, row, program, error):
    server = serve(program)
    server.row = row
    if row.outcome == QUIET:
        return ends_quietly(servers, row, error)
    bystander = server.connect() if program in WITH_BYSTANDER else None
    assert server.is_served()
    for when in row.when:
        calls = CALLS.get(row.call, row.call)
        server.join("-e", f"inject={calls}:error={error}:when={when}")
        results = [server.talk() for _ in range(CLIENTS)]
        trace = server.leave()
        check(row, program, results, trace.count("INJECTED"))
        assert trace.count("\n") < MOST_CALLS
        assert server.is_served()
    if row.outcome == RESTS:
        assert any(line.startswith("accept: ") for line in server.running.log)
    if bystander:
        assert server.is_served(bystander)
    # tcp/netcat keeps a client that has nothing more to say until the next one comes: it might still listen.
    eventually(lambda: server.descriptors() == server.at_first + (program == NETCAT))
    eventually(lambda: not server.children())


def check(row, program, results, faults):
    """That the clients were served, cut short or told what the row says, and no more of them than there were faults."""
    assert faults > 0, "the fault was not met"
    right = RIGHT[program]
    others = [said for said, whole in results if (said, whole) != (right, True)]
    if row.outcome in ALL_SERVED:
        assert others == []
    elif row.outcome == LOST:
        pieces = [PREFIX + b"%d" % i for i in range(4)]
        assert all(all(b"" == piece or PREFIX + piece in pieces for piece in said.split(PREFIX)) for said in others)
        assert sum(4 - said.count(PREFIX) for said in others) == faults
    else:
        assert 0 < len(others) <= faults
        told = TOLD.get((program, row.outcome))
        assert all(said == told if told else right.startswith(said) for said in others)


def ends_quietly(servers, row, error):
    server = Server(NETCAT, servers.place, servers.target)
    server.join("-e", f"inject={row.call}:error={error}:when={row.when[0]}")
    server.talk()
    assert server.running.wait() == 0
    assert len(server.running.log) == 1  # listening on


@pytest.mark.parametrize("program", LOOPS)
def test_a_wait_that_never_succeeds_is_not_a_spin_and_a_signal_ends_it(servers, program):
    server = Server(program, servers.place, servers.target)
    server.join("-e", f"inject={CALLS['poll, select']}:error=EINVAL")
    client = server.connect()
    if program == "unix_domain/datagram_server":
        client.send(b"")
    eventually(lambda: server.faults() >= 3)
    assert server.faults() < 20
    server.running.stop()


@pytest.mark.parametrize("program", but(OVER_TCP, *ONE_EACH))
def test_a_signal_while_it_looks_up_its_own_name_ends_it_at_once(servers, program):
    """A resolver may take half a minute. A handler that only notes the signal must not be there yet."""
    under = strace("openat", "openat:signal=SIGTERM") + ["-P", "/etc/hosts"]
    server = Program(program, *words(program, servers.place / "x", servers.target, "localhost."), under=under)
    assert server.wait() == -signal.SIGTERM
    assert server.log == []


@pytest.mark.parametrize("program", ["echo/poll", "tcp/commands", "tcp/web", "tcp/forward"])
def test_a_flood_of_clients_leaves_the_others_their_turn(servers, program):
    """As many as a backlog can hold are accepted, then those who are in have their turn."""
    server = Server(program, servers.place, servers.target)
    most = min(socket.SOMAXCONN, int(Path("/proc/sys/net/core/somaxconn").read_text()))
    server.join("-e", "trace=accept4," + CALLS["poll, select"])
    os.kill(server.pid, signal.SIGSTOP)
    clients = []
    for _ in range(most + 1):
        clients.append(socket.socket())
        clients[-1].setblocking(False)
        clients[-1].connect_ex(server.running.address)
    os.kill(server.pid, signal.SIGCONT)
    accepted = re.compile(r"accept4\(.* = \d+$", re.MULTILINE)
    eventually(lambda: len(accepted.findall(server.trace.read_text())) == most + 1)
    turns = re.split(r"(?m)^\d+ +p?poll\(", server.leave())
    assert max(len(accepted.findall(turn)) for turn in turns) <= socket.SOMAXCONN
    for client in clients:
        client.close()
    server.running.stop()


def test_a_line_that_the_log_does_not_take_is_not_the_last(serve):
    server = serve("unix_domain/stream_server")
    server.join("-e", "inject=write:error=EAGAIN:when=1")
    lines = len(server.running.log)
    assert server.is_served()
    assert server.is_served()
    eventually(lambda: len(server.running.log) == lines + 1)
    server.leave()


# ---- The set-up ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row, program, error",
    [
        pytest.param(row, program, error, id=f"{program}-{row.call}-{error}")
        for row in SETUP
        for error in row.errors.split()
        for program in row.programs
    ],
)
def test_what_fails_before_it_is_ready_is_one_line_and_status_1(servers, row, program, error):
    calls = CALLS.get(row.call, row.call)
    path = servers.place / "setup"
    under = strace(calls, f"{calls}:error={error}:when=1")
    server = Program(program, *words(program, path, servers.target), under=under)
    assert server.wait() == 1
    (line,) = server.log
    assert line.startswith(f"{program}: {row.call}") and line.endswith(": " + os.strerror(getattr(errno, error)))
    assert not path.exists()


# ---- The silent clients of echo/generations ------------------------------------------------------------------------


PARKING = [(row, error) for row in PARKED for error in row.errors.split()]


@pytest.fixture(scope="module")
def parking(servers):
    """All of them at once: each waits for seconds, until its clients have been silent long enough."""
    with ThreadPoolExecutor(len(PARKING)) as pool:
        made = [Server("echo/generations", servers.place, servers.target) for _ in PARKING]
        yield [pool.submit(park, server, *case) for case, server in zip(PARKING, made)]


@pytest.mark.parametrize("number", range(len(PARKING)), ids=[f"{row.call}-{error}" for row, error in PARKING])
def test_a_fault_among_the_parked(parking, number):
    """More clients than the loop keeps for itself (64) say nothing, until the fault was met, and then all speak."""
    parking[number].result()


def park(server, row, error):
    server.join("-e", f"inject={CALLS.get(row.call, row.call)}:error={error}:when={row.when[0]}")
    clients = [server.connect() for _ in range(70)]
    for client in clients:
        receive(client, len(GREETING))
    if row.outcome != NOT_PARKED:
        eventually(lambda: len(re.findall(r"write\(.*, 8\b", server.trace.read_text())) > 1)  # the second is made
    eventually(lambda: server.faults() > 0)
    for client in clients:
        client.sendall(b"un\n")
        assert receive(client, len(PREFIX) + 3) == PREFIX + b"un\n"
        client.close()
    assert server.leave().count("\n") < 2000
    assert server.is_served()
    server.running.stop()


# ---- Fewer bytes than asked for ----------------------------------------------------------------------------------------


ONE_BYTE = re.compile(r"recvfrom.*\) += 1\n")  # strace may show a call in two parts, "<... recvfrom resumed>"


@pytest.mark.parametrize("program", [program for row in SHORTS if row.call == "recv" for program in row.programs])
def test_what_comes_byte_by_byte_is_understood(serve, program):
    server = serve(program)
    server.join()
    count = itertools.count(1)

    def until_read():
        number = next(count)
        eventually(lambda: time.sleep(0.001) or len(ONE_BYTE.findall(server.trace.read_text())) >= number)

    assert server.talk(said=until_read) == (RIGHT[program], True)
    server.leave()


BIG = 2_000_000  # bytes
LINES_OF_BIG = BIG // 20
ASKED = {
    **dict.fromkeys(
        [*ECHO_LOOPS, "unix_domain/stream_server"],
        (b"x\n" * LINES_OF_BIG, GREETING + (PREFIX + b"x\n") * LINES_OF_BIG),
    ),
    "broadcast/server": (b"x\n" * LINES_OF_BIG, b"je suis : MOI\n" + b"Message de MOI : x\n" * LINES_OF_BIG),
    "tcp/commands": (b"fichier grand\n", b"grand %d\n" % BIG + bytes(BIG)),
    "tcp/web": (b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + bytes(BIG)),
    "tcp/forward": (bytes(BIG), bytes(BIG)),
    "tcp/netcat": (b"", bytes(BIG)),
}


@pytest.mark.parametrize("program", [program for row in SHORTS if row.call != "recv" for program in row.programs])
def test_what_the_socket_takes_a_part_of_arrives_whole(servers, program):
    """The server's socket has a small buffer, and the client reads nothing until a part only was taken."""
    (servers.place / "grand").write_bytes(bytes(BIG))
    said, expected = ASKED[program]
    server = Server(program, servers.place, servers.target)
    with server.connect() as client:
        eventually(lambda: server.descriptors() == server.at_first + (2 if program == "tcp/forward" else 1))
        give_small_buffers(server.pid)
        server.join()
        sender = threading.Thread(target=client.sendall, args=(said,))
        if program == NETCAT:
            sender = threading.Thread(target=server.process.stdin.write, args=(expected,))
        sender.start()
        eventually(lambda: has_a_short_write(server.trace.read_text()))
        got = receive_until(client, b"\n") if program not in (NETCAT, "tcp/forward") else b""
        if program == "tcp/web":
            receive_until(client, b"\r\n\r\n")
        got += receive(client, len(expected) - len(got))
        sender.join(PATIENCE)
        server.leave()
    if program == "broadcast/server":
        expected = expected.replace(b"MOI", got[10:13])
    assert got == expected
    assert server.is_served()
    server.running.stop()


def give_small_buffers(pid):
    """To each socket that a process has: through copies of its descriptors (pidfd_getfd(2))."""
    pidfd = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, int(name), 0)
            if fd == -1:
                pytest.skip(f"takes pidfd_getfd(2): {os.strerror(ctypes.get_errno())}")
            with socket.socket(fileno=fd) as copy:
                copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    os.close(pidfd)


def has_a_short_write(trace):
    sizes = re.findall(r"(?:sendto|write)\(\d+, \".*\"\S*, (\d+)\b.* = (\d+)$", trace, re.MULTILINE)
    return any(int(taken) < int(asked) for asked, taken in sizes)
