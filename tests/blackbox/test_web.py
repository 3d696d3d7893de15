"""tcp/web: what is its own, beside the contract that test_web_contract holds it to."""

import email.utils
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from harness import (
    PATIENCE,
    binary,
    eventually,
    fill,
    needs_plain_build,
    peer,
    readable,
    receive,
    reset,
    run,
    sanitized,
    strace,
)
from unix_sockets import copy_for_all
from wants import (
    AS_NOBODY,
    SHARED_MEMORY,
    is_root,
    lacking,
    needs_descriptors,
    needs_ipv6,
    needs_root,
)
from web_client import Connection, get

PROGRAM = "tcp/web"
# Descriptors with no client: the standard three, the stop pipe, the directory, the listener.
BASE = 7
MIB = 1 << 20
GIB = 1 << 30
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture
def directory(tmp_path):
    """A directory to serve, with things planted in it and outside it."""
    (tmp_path / "secret").write_text("SECRET")
    root = tmp_path / "root"
    (root / "sous dossier" / "bas").mkdir(parents=True)
    (root / "page.html").write_text("<h1>salut</h1>\n")
    (root / "vide.txt").touch()
    (root / "été [1] 100%+#?&é.txt").write_text("un nom")
    (root / "sous dossier" / "bas" / "b").write_text("en bas")
    (root / "lien").symlink_to("page.html")
    (root / "dehors").symlink_to(tmp_path)
    (root / "secret").symlink_to(tmp_path / "secret")
    (root / "sous dossier" / "haut").symlink_to("..")
    os.mkfifo(root / "tube")
    for size in (16384, 16385):
        (root / str(size)).write_bytes(os.urandom(size))
    with open(root / "grand", "wb") as big:
        big.truncate(GIB)  # a hole: no disk is filled
    return root


@pytest.fixture
def server(start, directory):
    return start(PROGRAM, "-d", directory, 0)


def assert_serves(server):
    assert get(server.address, "/api/calcul?a=2&b=0.5").body == b'{"a":2,"b":0.5,"somme":2.5}'


def refused(server, request):
    """The status of the answer to `request`, after which the connection ends."""
    connection = Connection(server.address).send(request)
    response = connection.response("HEAD" if request.startswith(b"HEAD") else "GET")
    assert response["Connection"] == "close"
    assert connection.rest() == b""
    return response.status


# ---- Responses, byte by byte


def test_a_response_byte_by_byte(server, directory):
    os.utime(directory / "page.html", (784111777, 784111777))
    connection = Connection(server.address).send(
        b"GET /static/page.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    date = rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
    assert re.fullmatch(
        rb"HTTP/1\.1 200 OK\r\nDate: "
        + date
        + rb"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        rb"Content-Type: text/html; charset=utf-8\r\nContent-Length: 15\r\n"
        rb"Connection: close\r\n\r\n<h1>salut</h1>\n",
        connection.rest(),
    )


def test_the_date_is_now(server):
    before = int(time.time()) + 1
    # A second has just begun: a clock that lags by some ms is in the one before.
    time.sleep(before - time.time())
    date = email.utils.parsedate_to_datetime(get(server.address, "/")["Date"]).timestamp()
    assert before <= date <= time.time()


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"GET /rien HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"\n", 400),
    ],
)
def test_an_error_is_a_short_page_in_french(server, request_, status):
    response = Connection(server.address).send(request_).response()
    assert response.status == status
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response.body.startswith(b'<!doctype html>\n<html lang="fr">\n<meta charset="utf-8">\n')
    assert f"<h1>{status}</h1>".encode() in response.body and len(response.body) < 500


@pytest.mark.parametrize("modified", [-33_000_000_000, -9_000_000_000_000_000_000])
def test_a_date_has_a_year_of_four_digits(start, modified):
    """Of a file from before the year 1000, too; a file system in memory has such dates."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as directory:
        page = Path(directory) / "page.html"
        page.write_text("une page")
        os.utime(page, (0, modified))
        if page.stat().st_mtime != modified:
            lacking(f"{directory} has no such dates")
        response = get(start(PROGRAM, "-d", directory, 0).address, "/static/page.html")
    assert response["Last-Modified"] == "Wed, 01 Jan 1000 00:00:00 GMT"


@pytest.mark.parametrize(
    "name, target",
    [
        ("vide.txt", "/static/vide.txt"),
        ("16384", "/static/16384"),
        ("16385", "/static/16385"),
        ("sous dossier/bas/b", "/static/sous%20dossier/bas/b"),
        ("sous dossier/bas/b", "/%73tatic/sous%20dossier//bas%2Fb?x=%zz"),
        ("été [1] 100%+#?&é.txt", "/static/%C3%A9t%c3%a9%20[1]%20100%25+%23%3F&%C3%A9.txt"),
    ],
)
def test_names_are_percent_decoded_once(server, directory, name, target):
    response = get(server.address, target)
    assert (response.status, response.body) == (200, (directory / name).read_bytes())


def test_a_file_modified_in_the_future_was_modified_now(server, directory):
    os.utime(directory / "page.html", (4102444800, 4102444800))
    response = get(server.address, "/static/page.html")
    assert response["Last-Modified"] == response["Date"]
    assert (
        get(
            server.address, "/static/page.html", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"
        ).status
        == 304
    )


def test_the_three_formats_of_a_date(server, directory):
    os.utime(directory / "page.html", (784111777, 784111777))
    for date in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ):
        assert get(server.address, "/static/page.html", f"If-Modified-Since: {date}").status == 304
    for date in (
        "Sun, 06 Nov 1994 08:49:36 GMT",
        "Sunday, 06-Nov-94 08:49:36 GMT",
        "Sun Nov  6 08:49:36 1994",
        "0",
        "",
    ):
        assert get(server.address, "/static/page.html", f"If-Modified-Since: {date}").status == 200


def test_two_dates_are_none(server):
    field = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"
    assert get(server.address, "/static/page.html", field).status == 304
    for first in (field, "If-Modified-Since: hier"):
        assert get(server.address, "/static/page.html", first, field).status == 200


def test_head_of_a_large_file_says_its_length(server):
    connection = Connection(server.address)
    assert connection.get("/static/grand", method="HEAD")["Content-Length"] == str(GIB)
    assert connection.get("/").status == 302


def test_a_range_is_passed_over(server):
    response = get(server.address, "/static/page.html", "Range: bytes=0-3")
    assert (response.status, len(response.body)) == (200, 15)


# ---- Names that must not be found


def spellings():
    """Ways of naming what is outside, or is no regular file."""
    dots = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "...", ".. ", "..;",
            "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "..%01", "%2e%2e%20",
            "．．"]  # fmt: skip
    slashes = ["/", "//", "%2f", "%5c", "\\", "/./", "%c0%af", "%252f"]
    for dot in dots:
        for slash in slashes:
            yield f"/static/{dot}{slash}secret"
            yield f"/static/sous%20dossier/{dot}{slash}{dot}{slash}secret"
    for name in ("lien", "secret", "dehors/secret", "dehors", "tube",
                 "sous%20dossier/haut/page.html", "sous%20dossier", "sous%20dossier/",
                 "", ".", "./", "page.html/", "page.html/.", "page.html%00", "page.html%00.txt",
                 "%00", "/etc/passwd", "%2fetc%2fpasswd", "page.html%20", "PAGE.HTML",
                 "x" * 300, "a/" * 2000, "dehors/root/page.html"):  # fmt: skip
        yield f"/static/{name}"
    yield from ("/../secret", "/%2e%2e/secret", "/static../secret", "/static", "/Static/page.html",
                "//static/page.html", "/static/../../../../../../../../etc/passwd",
                "/./static/../../secret", "http://a/static/../secret",
                "/static/sous%20dossier/../page.html", "/static/..", "/static/%2e%2e", "/..", "/.",
                "/static%00/page.html")  # fmt: skip


def test_no_spelling_leaves_the_directory_or_reaches_what_is_no_file(server):
    tried = 0
    connection = Connection(server.address)
    for target in spellings():
        response = connection.send(
            b"GET " + target.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        ).response()
        assert response.status in (400, 404), target
        assert b"SECRET" not in response.body and b"root:" not in response.body, target
        if response["Connection"] == "close":
            connection.close()
            connection = Connection(server.address)
        tried += 1
    assert tried > 200
    assert_serves(server)


def test_an_absolute_name_is_none_even_if_the_file_is_inside(server, directory):
    assert get(server.address, f"/static/{directory}/page.html").status == 404


def test_a_file_that_may_not_be_read_is_not_there(place, start):
    """Root may read everything: the server is somebody else then."""
    (place / "page.html").write_text("<h1>salut</h1>")
    (place / "interdit.txt").touch(0)
    if os.geteuid() == 0:
        needs_root()
    nobody = AS_NOBODY if is_root() else {}
    server = start(copy_for_all(PROGRAM, place), "-d", place, 0, **nobody)
    assert get(server.address, "/static/interdit.txt").status == 404
    assert get(server.address, "/static/page.html").status == 200


# ---- Requests


@pytest.mark.parametrize("size, status", [(8192, 302), (8193, 431), (100_000, 431)])
def test_a_head_of_8192_bytes_is_the_longest(server, size, status):
    head = GET + b"A: " + b"x" * (size - len(GET) - 7) + b"\r\n\r\n"
    assert len(head) == size
    response = Connection(server.address).send(head).response()
    assert (response.status, response["Connection"]) == (status, "close" if status == 431 else None)


def test_a_target_that_is_too_long(server):
    assert refused(server, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 431


def test_an_error_outlives_what_the_client_goes_on_sending(server):
    """Closed with this unread, the connection would be reset, and the answer lost."""
    for _ in range(10):
        connection = Connection(server.address, receive_buffer=4096)
        connection.send(b"\n" + b"x" * MIB)
        assert connection.response().status == 400
        assert connection.rest() == b""


@pytest.mark.parametrize(
    "target",
    ["*", "a", "localhost:80", "https://a/", "ftp://a/", "http:///", "http://u@a/", "/%", "/%zz",
     "/%2", "/a#b", "?a=1", "%2f", "//\x80"],
)  # fmt: skip
def test_a_target_that_is_none(server, target):
    assert (
        refused(server, b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 400
    )


@pytest.mark.parametrize(
    "target", ["http://localhost/", "HTTP://[::1]:8080/index.html", "http://example.org"]
)
def test_a_target_may_be_absolute(server, target):
    assert get(server.address, target).status == 302


def test_the_answer_to_a_wrong_head_has_no_body(server):
    assert refused(server, b"HEAD / HTTP/1.1\r\n\r\n") == 400
    assert refused(server, b"HEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n") == 400


@pytest.mark.parametrize("head", [b"CONNECT a:80", b"OPTIONS *", b"TRACE /", b"POST /rien"])
def test_every_method_of_the_rfc_is_known(server, head):
    response = Connection(server.address).send(head + b" HTTP/1.1\r\nHost: a\r\n\r\n").response()
    assert (response.status, response["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", [b"get", b"Get", b"GETT", b"FOO", b"!#$%&'*+-.^_`|~9"])
def test_any_other_is_not_implemented(server, method):
    assert (
        Connection(server.address)
        .send(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
        .response()
        .status
        == 501
    )


def test_a_later_minor_version_is_served_as_ours(server):
    assert (
        Connection(server.address).send(b"GET / HTTP/1.7\r\nHost: a\r\n\r\n").response().status
        == 302
    )


def test_http_2_is_another_version(server):
    assert refused(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505


def test_empty_lines_before_a_request_are_passed_over(server):
    connection = Connection(server.address).send(b"\r\n" + GET + b"\r\n\r\n" + GET + b"\r\n")
    assert [connection.response().status for _ in range(2)] == [302, 302]


@pytest.mark.parametrize(
    "fields",
    [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
     b"Content-Length: 5\r\nExpect: 100-continue\r\n",
     b"Content-Length: 99999999999999999999999999\r\n"],
)  # fmt: skip
@pytest.mark.parametrize("method, status", [(b"GET", 302), (b"POST", 405)])
def test_after_a_request_with_a_body_nothing_is_taken_for_a_request(server, method, status, fields):
    connection = Connection(server.address)
    connection.send(method + GET[3:] + fields + b"\r\n" + GET + b"\r\n" + GET + b"\r\n")
    response = connection.response()
    assert (response.status, response["Connection"]) == (status, "close")
    assert connection.rest() == b""


def test_an_empty_body_is_none(server):
    connection = Connection(server.address).send((GET + b"Content-Length: 0\r\n\r\n") * 2)
    assert [connection.response()["Connection"] for _ in range(2)] == [None, None]


def test_the_end_of_the_input_in_mid_head(server):
    connection = Connection(server.address).send(GET)
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.response().status == 400
    assert connection.rest() == b""


@pytest.mark.parametrize("blank", [b"", b"\r\n", b"\r\n\r\n"], ids=["", "blank", "two"])
def test_the_end_of_the_input_between_requests(server, blank):
    """An empty line before a request is none yet (RFC 9112, 2.2)."""
    connection = Connection(server.address).send(GET + b"\r\n" + blank)
    assert connection.response().status == 302
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.rest() == b""


def test_http_1_0_may_ask_for_the_connection_to_be_kept(server):
    connection = Connection(server.address)
    for _ in range(2):
        assert (
            connection.get("/", "Connection: Keep-Alive", version="HTTP/1.0")["Connection"]
            == "keep-alive"
        )
    assert connection.get("/", version="HTTP/1.0")["Connection"] == "close"
    assert connection.rest() == b""


def test_many_pipelined_requests_with_files_among_them(server, directory):
    connection = Connection(server.address)
    names = ["page.html", "16384", "16385", "vide.txt"] * 100
    sent = b"".join(b"GET /static/%s HTTP/1.1\r\nHost: a\r\n\r\n" % name.encode() for name in names)
    threading.Thread(target=connection.send, args=[sent]).start()
    for name in names:
        assert connection.response().body == (directory / name).read_bytes()


# ---- Time. The tests that have to wait do it together.


def test_a_head_has_ten_seconds_from_its_first_byte(start):
    server = start(PROGRAM)
    idle = Connection(server.address)  # between requests nobody is hurried
    kept = Connection(server.address)
    kept.get("/")

    began = time.monotonic()
    starts = {
        "silent": b"G",
        "in mid line": b"GET / HTTP/1.1\r\nHos",
        "wanting the last byte": GET + b"\r",
        "blank": b"\r\n",
    }
    slow = {name: Connection(server.address).send(start_) for name, start_ in starts.items()}
    slow["a second head"] = Connection(server.address).send(GET + b"\r\n" + b"GET /rien")
    assert slow["a second head"].response().status == 302
    slow["drop by drop"] = Connection(server.address)
    dropping = threading.Event()

    def drop():
        for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 100:
            if dropping.wait(0.25):
                return
            try:
                slow["drop by drop"].send(bytes([byte]))
            except OSError:
                return

    threading.Thread(target=drop).start()
    for name, connection in slow.items():
        response = connection.response()
        assert (name, response.status, response["Connection"]) == (name, 408, "close")
        assert connection.rest() == b""
        assert 9.5 < time.monotonic() - began < 20
    dropping.set()

    assert idle.get("/").status == kept.get("/").status == 302
    for connection in (*slow.values(), idle, kept):
        connection.close()
    eventually(lambda: server.descriptors() == BASE)


def test_a_thousand_slow_clients_cost_a_descriptor_each_for_ten_seconds(start):
    needs_descriptors(1000)
    server = start(PROGRAM)
    slow = [Connection(server.address).send(b"GET / HTTP/1.1\r\nX: ") for _ in range(1000)]
    for connection in slow[:500]:
        connection.send(b"y" * 8000)
    eventually(lambda: server.descriptors() == BASE + 1000)
    before = server.cpu()
    for _ in range(100):
        assert_serves(server)
    if not sanitized(PROGRAM):
        assert server.rss() < 32 * MIB
    for connection in slow:
        assert connection.response().status == 408
    eventually(lambda: server.descriptors() == BASE)  # though none of them has closed
    if not sanitized(PROGRAM):
        assert server.cpu() - before < 2


def test_a_head_that_came_in_time_is_answered_by_a_server_that_was_stopped(start):
    server = start(PROGRAM)
    connection = Connection(server.address).send(GET + b"\r\n" + GET)
    assert connection.response().status == 302  # and the second head has begun
    server.process.send_signal(signal.SIGSTOP)
    connection.send(b"\r\n")
    time.sleep(10.5)  # over its patience
    server.process.send_signal(signal.SIGCONT)
    assert connection.response().status == 302


# ---- Clients that misbehave


def test_silent_clients_hold_nobody_up(server):
    silent = [server.connect() for _ in range(100)]
    assert_serves(server)
    assert len(silent) == 100


def test_clients_that_never_read_a_large_file_cost_no_memory(server):
    needs_plain_build(PROGRAM)
    deaf = [Connection(server.address, receive_buffer=4096) for _ in range(200)]
    for connection in deaf:
        connection.send(b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n")
        receive(connection.socket, 15)
    assert_serves(server)
    assert server.rss() < 16 * MIB


@pytest.mark.parametrize("target", [b"/", b"/static/16384", b"/rien"])
def test_clients_that_ask_and_never_read_cost_little_memory(server, target):
    needs_plain_build(PROGRAM)
    before = server.rss()
    deaf = [server.connect() for _ in range(5)]
    for client in deaf:
        fill(client, (b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n") * 1000)
    assert_serves(server)
    assert server.rss() < before + 8 * MIB


def test_a_large_file_arrives_whole(server, directory):
    content = bytes(range(251)) * (32 * MIB // 251)
    (directory / "grand").write_bytes(content)
    connection = Connection(server.address)
    assert connection.get("/static/grand").body == content
    assert connection.get("/").status == 302


@pytest.mark.parametrize(
    "sent", [GET, GET + b"\r\n", b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n", b"\n"]
)
def test_a_reset(server, sent):
    for _ in range(5):
        client = server.connect(receive_buffer=4096)
        client.sendall(sent)
        reset(client)
    assert_serves(server)
    eventually(lambda: server.descriptors() == BASE)


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(server, directory):
    connection = Connection(server.address)
    connection.send(b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"\r\n")
    assert connection.response("HEAD")["Content-Length"] == str(GIB)
    os.truncate(directory / "grand", 16 * MIB)
    got = connection.rest()
    # Nothing stands in the place of what is gone.
    assert len(got) < 64 * MIB and not got.strip(b"\0")
    assert_serves(server)


def test_a_file_that_grows_while_it_is_sent_has_the_length_that_was_said(server, directory):
    (directory / "grand").write_bytes(b"x" * 16 * MIB)
    connection = Connection(server.address)
    connection.send(b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n")
    response = connection.response("HEAD")
    with open(directory / "grand", "ab") as file:
        file.write(b"y" * 1000)
    body = connection.take(int(response["Content-Length"]))
    assert body == b"x" * 16 * MIB
    assert connection.get("/").status == 302


# ---- Many


def test_five_thousand_connections_are_kept(server):
    needs_descriptors(5000)
    connections = [Connection(server.address) for _ in range(5000)]
    for i, connection in enumerate(connections):
        connection.send(b"GET /api/calcul?a=%d&b=1 HTTP/1.1\r\nHost: a\r\n\r\n" % i)
    for i, connection in enumerate(connections):
        assert json.loads(connection.response().body)["somme"] == i + 1
    assert server.descriptors() == BASE + 5000
    if not sanitized(PROGRAM):
        assert server.rss() < 32 * MIB
    for connection in connections[::50]:
        assert connection.get("/static/page.html").status == 200
    for connection in connections:
        connection.close()
    eventually(lambda: server.descriptors() == BASE)


def test_a_thousand_clients_leave_nothing_behind(server):
    for i in range(1000):
        client = server.connect()
        client.sendall([b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n", GET, b"\n"][i % 3])
        reset(client) if i % 2 else client.close()
    assert_serves(server)
    eventually(lambda: server.descriptors() == BASE)


def test_out_of_descriptors_it_says_so_once_and_rests_and_serves_again(start):
    server = start(PROGRAM, nofile=40)
    clients = [Connection(server.address) for _ in range(60)]
    for client in clients:
        client.send(GET + b"\r\n")
    server.logged("accept: Too many open files")
    sockets = [client.socket for client in clients]
    served = eventually(
        lambda: (ready := readable(sockets, 0)) and len(ready) >= 40 - BASE - 2 and ready
    )
    if not sanitized(PROGRAM):
        before, start_time = server.cpu(), time.monotonic()
        time.sleep(1)  # the measure is of a time
        assert server.cpu() - before < 0.05 * (time.monotonic() - start_time) + 0.01
    for client in served:  # each that leaves lets another in
        client.close()
    for client in clients:
        if client.socket not in served:
            assert client.response().status == 302
    assert len([line for line in server.log if "accept" in line]) == 1


def test_the_only_client_may_have_the_last_descriptor(start):
    server = start(PROGRAM, nofile=BASE + 1)
    for _ in range(2):
        client = Connection(server.address)
        assert client.get("/").status == 302
        client.close()


def test_those_who_come_leave_two_descriptors_for_files(start, directory):
    """Nobody can make room: nobody has been silent for a second."""
    server = start(PROGRAM, "-d", directory, 0, nofile=40)
    clients = [Connection(server.address) for _ in range(60)]
    server.logged("accept: Too many open files")
    assert clients[0].get("/static/sous%20dossier/bas/b").status == 200
    for client in clients[: 40 - BASE - 2]:
        assert client.get("/static/page.html").status == 200


def test_who_does_not_read_keeps_no_descriptor_that_a_file_wants(start, directory):
    with open(directory / "grand", "r+b") as file:
        file.write(os.urandom(8 << 20))
        file.truncate()
    server = start(PROGRAM, "-d", directory, 0, nofile=40)
    clients = [Connection(server.address, receive_buffer=4096) for _ in range(17)]
    eventually(lambda: server.descriptors() == BASE + 17)
    *deaf, client = clients
    for owed in deaf:  # nobody can make room: all are owed something
        owed.send(b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n")
        owed.response("HEAD")
    for path in ["/static/page.html", "/static/sous%20dossier/bas/b", "/static/16385"]:
        assert client.get(path).status == 200
    content = (directory / "grand").read_bytes()
    for reader in deaf[0], deaf[-1]:  # their files were put aside, or were not
        assert reader.take(len(content)) == content


def test_without_a_descriptor_for_the_file_the_service_is_unavailable(start, directory):
    server = start(PROGRAM, "-d", directory, 0, nofile=BASE + 1)
    assert Connection(server.address).get("/static/page.html").status == 503


@pytest.mark.parametrize("error", ["ENOMEM", "ENOBUFS", "ENFILE"])
@pytest.mark.parametrize("call", ["accept", "openat"])
def test_a_shortage_of_what_nobody_can_give_up_closes_nobody(start, directory, call, error):
    under = {
        # Two calls for each of the five who are silent: poll has announced one, then nobody waits.
        "accept": strace(
            "accept,accept4", f"accept,accept4:error={error}:when=11..13"
        ),
        "openat": [*strace("openat", f"openat:error={error}"), "-P", "page.html"],
    }
    server = start(PROGRAM, "-d", directory, 0, under=under[call])
    silent = []
    for _ in range(5):
        silent.append(Connection(server.address))
        assert silent[-1].get("/").status == 302
    time.sleep(1.1)  # silent for long enough to make room
    expected = {"accept": 200, "openat": 503}[call]
    assert Connection(server.address).get("/static/page.html").status == expected
    assert not any(map(is_closed, silent))
    for client in silent:
        assert client.get("/").status == 302


def is_closed(connection):
    """Whether the server has closed it, without waiting."""
    if not readable([connection.socket], 0):
        return False
    try:
        return connection.socket.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True


def test_when_descriptors_run_out_the_longest_silent_makes_room(start, directory):
    server = start(PROGRAM, "-d", directory, 0, nofile=40)

    def owe(client):
        client.send(b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n")
        client.response("HEAD")

    deaf = Connection(server.address, receive_buffer=4096)
    owe(deaf)
    first = Connection(server.address)
    assert first.get("/").status == 302
    time.sleep(0.01)  # silence is measured in milliseconds
    others = [Connection(server.address, receive_buffer=4096) for _ in range(40 - BASE - 5)]
    eventually(lambda: server.descriptors() == 38)  # the two are left that a walk takes
    time.sleep(0.01)
    assert others[0].get("/").status == 302
    new = Connection(server.address)
    assert new.get("/").status == 302
    assert is_closed(first) and not any(map(is_closed, [deaf, *others]))
    # Files have the last two descriptors. For a newcomer, clients have to go.
    owe(others[1]), owe(others[2])
    assert Connection(server.address).get("/static/sous%20dossier/bas/b").status == 200
    assert sum(map(is_closed, others)) == 3  # so that two descriptors are left for its file
    assert not is_closed(deaf)
    assert others[0].get("/").status == 302
    assert len(receive(deaf.socket, 1 << 22)) == 1 << 22
    assert len([line for line in server.log if "accept" in line]) == 1


def test_who_has_not_taken_all_of_his_answer_makes_no_room(start, directory):
    """Though the server's system has taken it: whatever he said to a closed socket would be answered by a
    reset, and the rest be lost."""
    content = (directory / "grand").read_bytes()[:40_000]
    (directory / "moyen").write_bytes(content)
    server = start(PROGRAM, "-d", directory, 0, nofile=BASE + 6)
    late = Connection(server.address, receive_buffer=4096)
    late.send(b"GET /static/moyen HTTP/1.1\r\nHost: a\r\n\r\n")
    late.response("HEAD")
    time.sleep(1.1)  # silent for long enough to make room
    for other in [Connection(server.address) for _ in range(8)]:
        assert other.get("/").status == 302
    late.send(b"GET / HTTP/1.1\r\n")
    assert late.take(len(content)) == content
    assert late.send(b"Host: a\r\n\r\n").response().status == 302


def test_descriptors_that_silent_clients_have_taken_come_back(start):
    """A hundred who say nothing, where there is room for thirty, lock nobody out."""
    server = start(PROGRAM, nofile=40)
    silent = [server.connect() for _ in range(100)]
    for _ in range(5):
        assert_serves(server)
    assert readable(silent, 0)  # the end, for those who made room


# ---- The log


def test_each_request_is_a_line_on_stderr_and_nothing_on_stdout(start, directory):
    server = start(PROGRAM, "-d", directory, 0, stdout=subprocess.PIPE)
    connection = Connection(server.address)
    me = "{}:{}".format(*connection.socket.getsockname())
    connection.get("/static/page.html")
    connection.get("/static/page.html", method="HEAD")
    connection.get("/rien?a=1")
    connection.send(b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n\x1b[31m\n").rest()
    server.stop()
    assert server.log[1:] == [
        f"{me} GET /static/page.html 200 15",
        f"{me} HEAD /static/page.html 200 0",
        server.log[3],
        f"{me} GET /{'a' * 999} 404 {server.log[4].split()[-1]}",
        server.log[5],
    ]
    assert re.fullmatch(re.escape(f"{me} GET /rien?a=1 404 ") + r"\d{3}", server.log[3])
    assert re.fullmatch(re.escape(f"{me} - - 400 ") + r"\d{3}", server.log[5])
    assert server.process.stdout.read() == b""


def test_every_request_of_many_is_logged(server):
    connection = Connection(server.address)
    for _ in range(20):
        connection.send((GET + b"\r\n") * 500)
        for _ in range(500):
            connection.response()
    eventually(lambda: len(server.log) == 10_001)


def test_a_log_that_nobody_reads_holds_nobody_up():
    read_end, write_end = os.pipe()
    server = subprocess.Popen([binary(PROGRAM), "0"], stderr=write_end)
    os.close(write_end)
    try:
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(read_end, 1)
        address = ("127.0.0.1", int(line.decode().rsplit(":")[-1]))
        connection = Connection(address)
        for _ in range(40):  # 20,000 lines of 40 bytes: ten times what a pipe holds
            connection.send((GET + b"\r\n") * 500)
            for _ in range(500):
                assert connection.response().status == 302
        assert get(address, "/").status == 302
        os.close(read_end)  # and now there is nobody who could read it
        assert get(address, "/").status == 302
    finally:
        server.terminate()
        assert server.wait(PATIENCE) == 0


# ---- The command line


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option):
    result = run(PROGRAM, option)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: {PROGRAM} [-b ADDR] [-d DIR] [PORT]\n")
    assert "default 8080" in result.stdout and "default tcp/www" in result.stdout


@pytest.mark.parametrize(
    "arguments, wrong",
    [
        (["65536"], "bad port: 65536"),
        (["8080", "8081"], "too many arguments"),
        (["-x"], "unknown option -x"),
        (["-d"], "-d wants a value"),
    ],
)
def test_bad_usage(arguments, wrong):
    result = run(PROGRAM, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{PROGRAM}: {wrong}\nusage: {PROGRAM} ")


def test_a_directory_that_is_none():
    result = run(PROGRAM, "-d", "/no/such/directory", 0)
    assert (result.returncode, result.stderr) == (
        1,
        f"{PROGRAM}: open /no/such/directory: No such file or directory\n",
    )


def test_a_port_that_is_taken(server):
    result = run(PROGRAM, server.port)
    assert (result.returncode, result.stderr) == (
        1,
        f"{PROGRAM}: bind 127.0.0.1:{server.port}: Address already in use\n",
    )


@pytest.mark.parametrize("bind, host", [("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")])
def test_ipv4_and_ipv6(start, bind, host):
    needs_ipv6(bind, host)
    server = start(PROGRAM, "-b", bind, 0)
    assert get((host, server.port), "/").status == 302


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_with_everything_under_way(server, how):
    for sent in (b"", GET, GET + b"\r\n", b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n", b"\n"):
        Connection(server.address, receive_buffer=4096).send(sent)
    assert_serves(server)
    server.stop(how)


# ---- Faults of the system calls (test_errors.py has the others)


@pytest.fixture
def faulty(start, directory):
    """A server for Program.inject: LeakSanitizer, if any, does not work under ptrace."""
    return start(PROGRAM, "-d", directory, 0, env={"ASAN_OPTIONS": "detect_leaks=0"})


def test_a_client_that_is_gone_when_its_end_is_sent_is_no_trouble(faulty):
    faulty.inject("shutdown", "shutdown:error=ENOTCONN:when=1")
    for _ in range(2):
        connection = Connection(faulty.address)
        assert connection.get("/", "Connection: close").status == 302
        assert connection.rest() == b""


@pytest.mark.parametrize(
    "calls, error, status",
    [
        ("openat", "EIO", 500),
        ("openat", "EACCES", 404),
        ("openat", "EMFILE", 503),
        ("openat", "ENOMEM", 503),
        ("newfstatat", "EIO", 500),
        ("newfstatat", "ENOMEM", 503),
        ("pread64", "EIO", 500),
    ],
)
def test_a_file_that_the_system_fails_to_open_or_read(faulty, calls, error, status):
    faulty.inject(calls, f"{calls}:error={error}:when=1")
    connection = Connection(faulty.address)
    assert connection.get("/static/page.html").status == status
    assert connection.get("/static/page.html").status == 200


def test_a_disk_that_fails_in_mid_file_ends_that_connection(faulty):
    faulty.inject("pread64", "pread64:error=EIO:when=20")
    connection = Connection(faulty.address).send(b"GET /static/grand HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.response("HEAD")
    assert len(connection.rest()) < GIB
    assert_serves(faulty)


# ---- Real clients


def curl(*words):
    return subprocess.run(
        [peer("curl"), "-sS", *words], capture_output=True, text=True, timeout=PATIENCE
    )


def test_curl(server, directory, tmp_path):
    site = f"http://127.0.0.1:{server.port}"
    assert curl("-L", f"{site}/api/calcul?a=2&b=0.5").stdout == '{"a":2,"b":0.5,"somme":2.5}'
    assert curl("--http1.0", f"{site}/static/page.html").stdout == "<h1>salut</h1>\n"
    head = curl("-I", f"{site}/static/page.html").stdout
    assert head.startswith("HTTP/1.1 200 OK\n") and "Content-Length: 15\n" in head
    urls = [f"{site}/static/page.html", f"{site}/rien", f"{site}/"] * 3
    kept = curl(
        "-o",
        "/dev/null",
        "-o",
        "/dev/null",
        "-w",
        "%{num_connects} %{http_code}\n",
        *[w for u in urls for w in ("-o", "/dev/null", u)],
    )
    assert kept.stdout == "1 200\n0 404\n0 302\n" + "0 200\n0 404\n0 302\n" * 2
    assert curl("-w", "%{http_code}", "-o", "/dev/null", "-d", "x=1", f"{site}/").stdout == "405"
    big = tmp_path / "big"
    big.write_bytes(b"x" * 10 * MIB)
    assert (
        curl(
            "-w", "%{http_code}", "-o", "/dev/null", "-T", str(big), f"{site}/static/page.html"
        ).stdout
        == "405"
    )
    page = str(directory / "page.html")
    assert (
        curl("-w", "%{http_code}", "-o", "/dev/null", "-z", page, f"{site}/static/page.html").stdout
        == "304"
    )
    assert (
        curl(
            "--path-as-is", "-w", "%{http_code}", "-o", "/dev/null", f"{site}/static/../secret"
        ).stdout
        == "404"
    )


def test_wget(server, directory, tmp_path):
    words = [
        peer("wget"),
        "-q",
        "-P",
        str(tmp_path / "got"),
        f"http://127.0.0.1:{server.port}/static/16385",
    ]
    subprocess.run(words, check=True, timeout=PATIENCE)
    assert (tmp_path / "got" / "16385").read_bytes() == (directory / "16385").read_bytes()


def test_nc_by_hand(server):
    nc = [peer("nc"), "-N", "-C", "127.0.0.1", str(server.port)]
    result = subprocess.run(
        nc, input=b"GET /static/page.html HTTP/1.0\n\n", capture_output=True, timeout=PATIENCE
    )
    assert result.stdout.startswith(b"HTTP/1.1 200 OK\r\n") and result.stdout.endswith(
        b"\r\n\r\n<h1>salut</h1>\n"
    )


def test_wrk_finds_no_error(server):
    words = [peer("wrk"), "-t1", "-c50", "-d1", f"http://127.0.0.1:{server.port}/static/page.html"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert "Requests/sec" in result.stdout
    assert "errors" not in result.stdout and "Non-2xx" not in result.stdout
