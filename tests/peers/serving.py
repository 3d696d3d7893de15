"""What the servers in Python share: their words, a file in a directory, and for those that have a
thread for each client, the server itself."""

import argparse
import os
import re
import signal
import socketserver
import stat
import sys


def words(port=9090, directory=None):
    """The command line [-d DIR] [PORT], with its defaults: .port, .directory."""
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # Control-C ends it as SIGTERM does, without a traceback
    parser = argparse.ArgumentParser()
    if directory:
        parser.add_argument("-d", dest="directory", metavar="DIR", default=directory)
    parser.add_argument("port", metavar="PORT", nargs="?", type=port_number, default=port)
    return parser.parse_args()


def port_number(text):
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError
    return int(text)


def listening(address):
    print("listening on {}:{}".format(*address), file=sys.stderr, flush=True)


def open_inside(directory, name):
    """The regular file `name` (bytes) of a directory, open; None when there is none to be had. No
    part of the name may start with a dot, and no link is followed: each directory is opened from
    the one before it, as open_inside() in C++ does it.
    """
    *steps, last = name.split(b"/")
    if (
        not last
        or name.startswith(b"/")
        or b"\0" in name
        or any(part.startswith(b".") for part in [*steps, last])
    ):
        return None
    at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for step in filter(None, steps):
            beneath = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = beneath
        # O_NONBLOCK: to open a FIFO does not wait for who writes into it.
        file = open(os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at), "rb")
    except OSError:
        return None
    finally:
        os.close(at)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


def is_inside(directory, name):
    """Whether open_inside() would open it: for a framework that opens files itself.
    `name`: text."""
    file = open_inside(directory, os.fsencode(name))
    if file:
        file.close()
    return file is not None


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 1024  # the backlog

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a reset is no news
            super().handle_error(request, client_address)


def serve(handler, port):
    with Server(("127.0.0.1", port), handler) as server:
        listening(server.server_address)
        server.serve_forever()
