"""tcp/web keeps small files in memory: no answer is older than the file was when it was asked for.

A file is kept only seconds after its last change: a test of what is kept waits until a request
costs no openat any more."""

import mmap
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from harness import PATIENCE, eventually
from unix_sockets import copy_for_all
from wants import AS_NOBODY, SHARED_MEMORY, is_root, lacking, needs_namespace, needs_root, proc
from web_client import Connection, get

PROGRAM = "tcp/web"


class Traced:
    """A server of `root` whose system calls are seen."""

    def __init__(self, server, trace):
        # There has to be something to inject: a call that is never made.
        calls = "recvfrom,sendto,openat,newfstatat,pread64,close,fsync"
        server.inject(calls, "fsync:error=EIO", trace)
        self.trace = trace
        self.connection = Connection(server.address)

    def calls_of_get(self, name):
        """The response, and the system calls that it took, in order."""
        before = len(self.trace.read_text().splitlines())
        response = self.connection.get(f"/static/{name}")
        lines = self.trace.read_text().splitlines()[before:]
        return response, re.findall(r"^(?:\d+ +)?(\w+)\(", "\n".join(lines), re.MULTILINE)

    def wait_until_kept(self, name):
        """Asks for a file until it comes from memory. Returns the response."""
        kept = ["recvfrom", "newfstatat", "sendto"]
        return eventually(
            lambda: (got := self.calls_of_get(name))[1][-3:] == kept and len(got[1]) <= 4 and got
        )[0]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "page.html").write_text("une page")
    (root / "sub" / "b").write_text("en bas")
    return root


@pytest.fixture
def traced(start, root, tmp_path):
    server = start(PROGRAM, "-d", root, 0, env={"ASAN_OPTIONS": "detect_leaks=0"})
    return Traced(server, tmp_path / "trace")


def test_a_small_file_takes_three_calls(traced):
    assert traced.wait_until_kept("page.html").body == b"une page"
    for _ in range(10):
        response, calls = traced.calls_of_get("page.html")
        assert (response.status, response.body) == (200, b"une page")
        assert calls == ["recvfrom", "newfstatat", "sendto"]


def test_what_is_kept_has_the_same_response_as_what_is_read(traced):
    first = traced.connection.get("/static/page.html")
    kept = traced.wait_until_kept("page.html")
    without_date = [re.sub(rb"Date: [^\r]*", b"", response.head) for response in (first, kept)]
    assert without_date[0] == without_date[1] and first.body == kept.body
    head = traced.connection.get("/static/page.html", method="HEAD")
    assert (head["Content-Length"], head.body) == ("8", b"")
    date = kept["Last-Modified"]
    again = traced.connection.get("/static/page.html", f"If-Modified-Since: {date}")
    assert (again.status, again.body) == (304, b"")


def rewritten(root):
    (root / "page.html").write_text("la page.")  # as long as before


def replaced(root):
    (root / "new").write_text("la page.")
    (root / "new").rename(root / "page.html")


def replaced_with_the_same_date(root):
    (root / "new").write_text("la page.")
    shutil.copystat(root / "page.html", root / "new")
    (root / "new").rename(root / "page.html")


def removed(root):
    (root / "page.html").unlink()


def linked(root):
    """The same file, by a link."""
    (root / "page.html").rename(root / "real")
    (root / "page.html").symlink_to("real")


def made_a_directory(root):
    (root / "page.html").unlink()
    (root / "page.html").mkdir()


@pytest.mark.parametrize(
    "change, status",
    [
        (rewritten, 200),
        (replaced, 200),
        (replaced_with_the_same_date, 200),
        (removed, 404),
        (linked, 404),
        (made_a_directory, 404),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_is_kept_is_forgotten_when_the_file_changes(traced, root, change, status):
    traced.wait_until_kept("page.html")
    change(root)
    response = traced.connection.get("/static/page.html")
    assert response.status == status
    assert response.body == b"la page." if status == 200 else b"page" not in response.body


@pytest.mark.waits
def test_what_the_times_of_a_file_do_not_show_is_seen_ten_seconds_later(start):
    """A tmpfs does not date what is written through a mapping, but for the first time."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as directory:
        page = Path(directory) / "page.html"
        page.write_text("un  ")
        address = start(PROGRAM, "-d", directory, 0).address

        def served():
            return get(address, "/static/page.html").body

        with open(page, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
            mapping[:] = b"deux"
            dated = page.stat().st_mtime_ns
            eventually(lambda: time.time_ns() - dated > 4 * 10**9)
            assert served() == b"deux"
            mapping[:] = b"last"
            mapping.flush()
            eventually(lambda: served() == b"last", 20)


def test_a_link_on_the_way_to_what_is_kept_is_not_followed(traced, root):
    """The file is the same to its last bit; only its directory has another name now."""
    kept = ["recvfrom", "openat", "newfstatat", "close", "sendto"]
    assert eventually(lambda: sorted(traced.calls_of_get("sub/b")[1]) == sorted(kept))
    (root / "sub").rename(root / "real")
    (root / "sub").symlink_to("real")
    assert traced.connection.get("/static/sub/b").status == 404
    assert traced.connection.get("/static/real/b").body == b"en bas"


def test_who_may_not_read_it_any_more_does_not_get_what_is_kept(place, start, tmp_path):
    """Root may read everything: the server is somebody else then."""
    (place / "page.html").write_text("une page")
    if os.geteuid() == 0:
        needs_root()
    nobody = AS_NOBODY if is_root() else {}
    nobody = {"env": {"ASAN_OPTIONS": "detect_leaks=0"}, **nobody}
    server = start(copy_for_all(PROGRAM, place), "-d", place, 0, **nobody)
    traced = Traced(server, tmp_path / "trace")
    traced.wait_until_kept("page.html")
    (place / "page.html").chmod(0)
    assert traced.connection.get("/static/page.html").status == 404


def test_one_look_serves_only_those_whose_requests_it_came_after(start, root):
    """Two clients are ready when poll returns. One look at the file is enough for both; but not for
    a second request, which came after it."""
    page = root / "page.html"
    server = start(PROGRAM, "-d", root, 0, env={"ASAN_OPTIONS": "detect_leaks=0"})
    first, last = Connection(server.address), Connection(server.address)
    time.sleep(3.2)  # a file that has changed since is not kept
    for connection in (first, last, first, last):
        connection.get("/static/page.html")
    server.inject("recvfrom", "recvfrom:delay_enter=2000000:when=2")  # microseconds
    request = b"GET /static/page.html HTTP/1.1\r\nHost: a\r\n\r\n"
    os.kill(server.pid, signal.SIGSTOP)
    first.send(request)
    last.send(request)
    os.kill(server.pid, signal.SIGCONT)
    assert last.response().body == b"une page"  # the last to connect has its turn first
    page.write_text("la page.")
    first.send(request)
    assert first.response().body in (b"une page", b"la page.")
    assert first.response().body == b"la page."


# ---- While a file is rewritten


def rewrite_by_name(path, content):
    """As editors and deployments do: a new file takes the old one's name. Inodes are used again."""
    (path.parent / "new").write_bytes(content)
    (path.parent / "new").rename(path)


def rewrite_in_place(path, content):
    """Eight bytes at once: a reader sees all of them or none."""
    with open(path, "r+b", buffering=0) as file:
        file.write(content)


def write_all(rewrite, path, width, count, begun, done):
    """The numbers up to `count`, each in `width` bytes. Three times the writer rests, for longer
    than a file has to be left alone to be kept: when it goes on, what is kept is to be forgotten.
    """
    for number in range(1, count + 1):
        if number % (count // 4) == 1 and number > 1:
            time.sleep(3.2)
        begun.value = number
        rewrite(path, b"%08d" % number * (width // 8))
        done.value = number


def on_ramfs(start, root):
    """A server that sees in the place of `root` a disk in memory whose clock ticks: Linux since
    6.13 has none for the usual ones, where each look makes the next change's time another."""
    words = needs_namespace("--mount")
    mount = ["mount", "-t", "ramfs", "none"]
    if subprocess.run([*words, *mount, root], capture_output=True).returncode != 0:
        lacking("ramfs cannot be mounted here")
    words += ["sh", "-c", " ".join(mount) + ' "$0" && exec "$@"', str(root)]
    server = start(PROGRAM, "-d", root, 0, under=words)
    return server, proc(server.pid, "root", str(root).lstrip("/"), "page.html")


def on_disk(start, root):
    return start(PROGRAM, "-d", root, 0), root / "page.html"


# A new name has to be written to the disk before it replaces another: that takes milliseconds.
@pytest.mark.parametrize(
    "where, rewrite, width, count",
    [
        (on_disk, rewrite_by_name, 2048, 2500),
        (on_disk, rewrite_in_place, 8, 10_000),
        (on_ramfs, rewrite_in_place, 8, 10_000),
    ],
)
def test_no_answer_is_a_mix_or_older_than_the_last_rewrite(
    start, root, where, rewrite, width, count
):
    server, page = where(start, root)
    page.write_bytes(b"%08d" % 0 * (width // 8))
    fork = multiprocessing.get_context("fork")
    begun, done = fork.Value("q", 0, lock=False), fork.Value("q", 0, lock=False)
    writer = fork.Process(target=write_all, args=(rewrite, page, width, count, begun, done))
    asked, wrong = [], []

    def fetch():
        connection = Connection(server.address)
        while not wrong and done.value < count:
            least = done.value
            body = connection.get("/static/page.html").body
            most = begun.value
            asked.append(body)
            if body != body[:8] * (width // 8) or not least <= int(body[:8]) <= most:
                wrong.append((least, body[:80], most))
            if asked[-8:].count(body) == 8:  # the writer rests
                time.sleep(0.01)

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    writer.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10 * PATIENCE)
    writer.join(PATIENCE)
    assert not wrong
    assert writer.exitcode == 0 and len(asked) > 1000
