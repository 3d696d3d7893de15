import socket

import pytest
from harness import Program


@pytest.fixture
def start():
    """start("echo/poll", ...) runs a server on a free port, ready; at the end of the test it is
    stopped, and how it ended asserted. Arguments that follow replace the port: start("echo/poll",
    "-b", "::1", 0).
    """
    running = []

    def start(program, *args, ready="listening on ", **options):
        server = Program(program, *(args or (0,)), **options)
        running.append(server)
        server.logged(ready)
        return server

    yield start
    failures = []
    for server in running:
        try:
            server.stop()
        except (AssertionError, pytest.fail.Exception) as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def deaf():
    """The address of a listener that answers no SYN, as behind a firewall: its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()
        for filler in fillers:
            filler.close()
