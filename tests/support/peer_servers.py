"""The servers in other languages and frameworks (tests/peers): how each is started, and what it
wants."""

import subprocess
import sys

from harness import ROOT, Program, peer
from wants import missing, needs_node_module

ECHO = ["tests/peers/echo.sh", "tests/peers/echo.py", "tests/peers/echo.mjs"]
COMMANDS = ["tests/peers/commands.sh", "tests/peers/commands.py", "tests/peers/commands.mjs"]
BROADCAST = ["tests/peers/broadcast.sh", "tests/peers/broadcast.py", "tests/peers/broadcast.mjs"]
FLASK, FASTAPI, EXPRESS = (
    "tests/peers/flask/web.py",
    "tests/peers/fastapi/web.py",
    "tests/peers/express/web.cjs",
)
WEB = [
    "tests/peers/web.sh",
    "tests/peers/web.py",
    FLASK,
    FASTAPI,
    "tests/peers/web_node.mjs",
    EXPRESS,
]
EVERY = [*ECHO, *COMMANDS, *BROADCAST, *WEB]

MODULES = {FLASK: ["flask"], FASTAPI: ["fastapi", "uvicorn"]}


def imports(python, module):
    words = [python, "-c", f"import {module}"]
    return subprocess.run(words, capture_output=True, cwd="/").returncode == 0


def python_with(modules):
    """The first of our own Python and the system's that has all of these modules."""
    lacking = []
    for python in dict.fromkeys([sys.executable, "/usr/bin/python3"]):
        lacking = [module for module in modules if not imports(python, module)]
        if not lacking:
            return python
    return missing(lacking[0])


def interpreter(server):
    """The words before the server's path, and the environment that it wants."""
    if server.endswith(".sh"):
        peer("socat")
        return [], {}
    if server.endswith(".py"):
        return [python_with(MODULES.get(server, []))], {}
    if server == EXPRESS and not (ROOT / "tests/peers/express/node_modules").exists():
        needs_node_module("express")
    return [peer("node")], {"NODE_PATH": "/usr/share/nodejs"}  # where Debian has Node's modules


def start(server, *args, under=(), env=None, **options):
    """Runs one of them, or one of our own programs, on a free port, ready."""
    words, environment = interpreter(server) if server.startswith("tests/peers/") else ([], {})
    program = Program(
        server, *args, 0, under=[*under, *words], env={**environment, **(env or {})}, **options
    )
    program.logged("listening on ")
    return program
