"""The web contract, held by seven servers: tcp/web, and the same in other languages and frameworks
(tests/peers).

That they pass shows that the tests test the contract and not our code. Where a framework itself
breaks a clause, BREAKS says so; `pytest -rx` lists them. Seen in Debian 12's packages: other
versions may know better.
"""

import email.utils
import json

import peer_servers
import pytest
from harness import ROOT
from web_client import Connection, get

WWW = ROOT / "tcp/www"
SHELL, PYTHON, FLASK, FASTAPI, NODE, EXPRESS = peer_servers.WEB
SERVERS = ["tcp/web", *peer_servers.WEB]

# server -> clause -> why, or the cases' names (a part of them) -> why.
BREAKS = {
    SHELL: {
        "test_a_malformed_request_is_refused": {
            "NUL in value": "the shell's read passes over a NUL"
        },
    },
    PYTHON: {
        "test_the_client_may_ask_for_the_end": "http.server closes, and does not say that it will",
        "test_a_body_is_not_taken_for_a_request": "http.server takes a body for the next request",
        "test_a_malformed_request_is_refused": "http.server reads fields as a mail's, refuses few",
    },
    FLASK: {
        "test_a_static_file": "Werkzeug's development server says the Date of a file twice",
        "test_a_file_not_modified_since": "the same",
        "test_head_is_get_without_the_body": {"/static/": "the same"},
        "test_http_1_0": "the same",
        "test_after_a_half_close": "the same",
        "test_a_connection_is_kept": "Werkzeug's development server closes after each answer",
        "test_pipelined_requests": "the same",
        "test_other_methods_are_not_allowed": {
            "/static/index.html-OPTIONS": "Flask answers OPTIONS of its own files"
        },
        "test_a_method_that_does_not_exist": "Flask says 405 of any method",
        "test_a_malformed_request_is_refused": "Werkzeug's development server is http.server",
    },
    FASTAPI: {
        "test_the_rest_is_not_found": {"/static]": "Starlette redirects to /static/"},
        "test_other_methods_are_not_allowed": {
            "/static/": "Starlette's StaticFiles says 405 without Allow"
        },
        "test_a_method_that_does_not_exist": "Starlette says 405 of any method",
        "test_after_a_half_close": "uvicorn takes a half-close for a close",
        "test_a_malformed_request_is_refused": {
            "blank in Host": "h11 does not look at it",
            "HTTP 2.0": "h11 takes it for 1.1",
            "bare LF": "h11 takes it for the end of a line",
            "obs-fold": "h11 joins the lines",
            "length and chunks": "h11 prefers the chunks",
            "head too long": "h11 takes 64 KiB",
        },
    },
    NODE: {
        "test_a_method_that_does_not_exist": "Node says 400",
        "test_a_malformed_request_is_refused": (
            in_node := {
                "two Hosts": "Node takes the first",
                "blank in Host": "Node does not look at it",
                "no version": "Node takes it for HTTP/0.9",
                "HTTP 2.0": "Node takes it for 1.1",
                "two blanks": "Node passes over the second",
                "unknown coding": "Node does not look at it",
            }
        ),
    },
    EXPRESS: {
        "test_head_is_get_without_the_body": {
            "/rien": "Express does not say the length of the page that HEAD spares"
        },
        "test_a_method_that_does_not_exist": "Node says 400",
        "test_a_malformed_request_is_refused": in_node,
    },
}


@pytest.fixture(scope="module", params=SERVERS)
def running(request):
    server = peer_servers.start(request.param)
    yield server
    server.stop()


@pytest.fixture
def server(running, request):
    for clause, why in BREAKS.get(running.program, {}).items():
        if not request.node.name.startswith(clause):
            continue
        for part, reason in (why if isinstance(why, dict) else {"": why}).items():
            if part in request.node.name:
                request.applymarker(
                    pytest.mark.xfail(reason=reason, raises=(AssertionError, OSError))
                )
    return running


# ---- What is where


@pytest.mark.parametrize("target", ["/", "/index.html"])
def test_the_front_page_is_a_redirection(server, target):
    response = get(server.address, target)
    assert response.status == 302
    assert response["Location"] == "/static/index.html"


@pytest.mark.parametrize(
    "name, kind",
    [
        ("index.html", "text/html"),
        ("style.css", "text/css"),
        ("calcul.js", "text/javascript application/javascript"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_static_file_comes_as_it_is_with_its_type_and_its_date(server, name, kind):
    response = get(server.address, "/static/" + name)
    assert (response.status, response.body) == (200, (WWW / name).read_bytes())
    assert response["Content-Type"].split(";")[0] in kind.split()
    assert int(response["Content-Length"]) == len(response.body)
    modified = int((WWW / name).stat().st_mtime)
    assert response["Last-Modified"] == email.utils.formatdate(modified, usegmt=True)


def test_a_file_not_modified_since_is_not_sent_again(server):
    date = get(server.address, "/static/index.html")["Last-Modified"]
    connection = Connection(server.address)
    response = connection.get("/static/index.html", f"If-Modified-Since: {date}")
    assert (response.status, response.body) == (304, b"")
    earlier = email.utils.formatdate(
        email.utils.parsedate_to_datetime(date).timestamp() - 1, usegmt=True
    )
    assert get(server.address, "/static/index.html", f"If-Modified-Since: {earlier}").status == 200
    assert get(server.address, "/static/index.html", "If-Modified-Since: hier").status == 200


@pytest.mark.parametrize(
    "target", ["/rien", "/static", "/static/", "/static/absent.html", "/api", "/api/calcul/x"]
)
def test_the_rest_is_not_found(server, target):
    assert get(server.address, target).status == 404


@pytest.mark.parametrize(
    "target",
    [
        "/static/../web.cpp",
        "/static/%2e%2e/web.cpp",
        "/static/..%2fweb.cpp",
        "/static/%2e%2e%2fweb.cpp",
        "/static//etc/passwd",
    ],
)
def test_nothing_outside_the_directory_is_served(server, target):
    response = get(server.address, target)
    assert response.status >= 300
    assert b"root:" not in response.body and b"#include" not in response.body


# ---- The sum


@pytest.mark.parametrize(
    "query, expected",
    [
        ("a=2&b=0.5", '{"a":2,"b":0.5,"somme":2.5}'),
        ("b=2&a=1", '{"a":1,"b":2,"somme":3}'),
        ("a=0.1&b=0.2", '{"a":0.1,"b":0.2,"somme":0.30000000000000004}'),
        ("a=1e3&b=.5", '{"a":1000,"b":0.5,"somme":1000.5}'),
        ("a=5.&b=-0", '{"a":5,"b":0,"somme":5}'),
        ("a=%2B2&b=007", '{"a":2,"b":7,"somme":9}'),
        ("a=1E21&b=1", '{"a":1e+21,"b":1,"somme":1e+21}'),
        ("a=1e20&b=0", '{"a":100000000000000000000,"b":0,"somme":100000000000000000000}'),
        ("a=0.000001&b=-1e-7", '{"a":0.000001,"b":-1e-7,"somme":9e-7}'),
        ("a=9007199254740993&b=1", '{"a":9007199254740992,"b":1,"somme":9007199254740992}'),
        ("a=-1.5&b=5e-324", '{"a":-1.5,"b":5e-324,"somme":-1.5}'),
        (
            "a=1e-400&b=1.7976931348623157e308",
            '{"a":0,"b":1.7976931348623157e+308,"somme":1.7976931348623157e+308}',
        ),
        ("a=1&b=2&c=3", '{"a":1,"b":2,"somme":3}'),
        ("%61=1&b=%32", '{"a":1,"b":2,"somme":3}'),
    ],
)
def test_the_sum_is_written_as_javascript_writes_it(server, query, expected):
    response = get(server.address, "/api/calcul?" + query)
    assert (response.status, response.body.decode()) == (200, expected)
    assert response["Content-Type"].split(";")[0] == "application/json"


@pytest.mark.parametrize(
    "query",
    ["", "a=1", "b=1", "a=&b=1", "a=un&b=1", "a=1&b=0x10", "a=1&b=0b1", "a=1&b=1_000", "a=1&b=1,5",
     "a=1&b=%202", "a=1&b=+2", "a=1&b=2%0A", "a=NaN&b=1", "a=Infinity&b=1", "a=1&b=-Infinity",
     "a=1e999&b=1", "a=1&b=e5", "a=1&b=.", "a=1&b=1e", "a=1&b=--1", "a=1&b=1.2.3", "a=1&b=%D9%A1",
     "A=1&b=2", "a=1e308&b=1e308"],
)  # fmt: skip
def test_what_is_no_sum_is_an_error(server, query):
    response = get(server.address, "/api/calcul?" + query)
    assert response.status == 400
    assert response["Content-Type"].split(";")[0] == "application/json"
    error = json.loads(response.body)
    assert list(error) == ["erreur"] and isinstance(error["erreur"], str) and error["erreur"]


# ---- Methods


@pytest.mark.parametrize("target", ["/", "/static/index.html", "/api/calcul?a=1&b=2", "/rien"])
def test_head_is_get_without_the_body(server, target):
    head, whole = get(server.address, target, method="HEAD"), get(server.address, target)
    assert (head.status, head["Content-Length"]) == (whole.status, whole["Content-Length"])
    assert head["Content-Type"] == whole["Content-Type"]
    connection = Connection(server.address)
    connection.get(target, "Connection: close", method="HEAD")
    assert connection.rest() == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("target", ["/", "/static/index.html", "/api/calcul?a=1&b=2"])
def test_other_methods_are_not_allowed(server, method, target):
    response = get(server.address, target, "Content-Length: 0", method=method)
    assert response.status == 405
    assert {"GET", "HEAD"} <= {word.strip() for word in (response["Allow"] or "").split(",")}


def test_a_method_that_does_not_exist_is_not_implemented(server):
    assert get(server.address, "/", method="TROUVE").status == 501


# ---- Connections


def test_a_connection_is_kept_for_the_next_request(server):
    connection = Connection(server.address)
    for _ in range(3):
        assert connection.get("/api/calcul?a=2&b=0.5").status == 200
        assert connection.get("/static/style.css").status == 200
        assert connection.get("/rien").status == 404


def test_pipelined_requests_are_answered_in_order(server):
    connection = Connection(server.address)
    for i in range(20):
        connection.send(
            b"GET /api/calcul?a=%d&b=0 HTTP/1.1\r\nHost: a\r\n\r\n" % i
            + b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
        )
    for i in range(20):
        assert json.loads(connection.response().body)["a"] == i
        assert connection.response("HEAD").status == 302


def test_the_client_may_ask_for_the_end(server):
    connection = Connection(server.address)
    assert connection.get("/", "Connection: close")["Connection"] == "close"
    assert connection.rest() == b""


def test_http_1_0_needs_no_host_and_ends(server):
    connection = Connection(server.address).send(b"GET /static/style.css HTTP/1.0\r\n\r\n")
    assert connection.response().body == (WWW / "style.css").read_bytes()
    assert connection.rest() == b""


def test_after_a_half_close_the_answer_still_comes(server):
    connection = Connection(server.address).send(
        b"GET /static/style.css HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    connection.socket.shutdown(1)
    assert connection.response().body == (WWW / "style.css").read_bytes()


def test_a_request_may_come_byte_by_byte(server):
    connection = Connection(server.address)
    for byte in b"GET /api/calcul?a=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n":
        connection.send(bytes([byte]))
    assert connection.response().status == 200


def test_a_body_is_not_taken_for_a_request(server):
    smuggled = b"GET /api/calcul?a=666&b=0 HTTP/1.1\r\nHost: a\r\n\r\n"
    connection = Connection(server.address)
    connection.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(smuggled) + smuggled
    )
    assert connection.response().status in (302, 400)
    connection.socket.shutdown(1)
    assert b"666" not in connection.rest()


# ---- Requests that RFC 9112 has refused

HOSTILE = {
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "blank in Host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "small version": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    "HTTP 2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "blank in target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "blank before colon": (b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n", 400),
    "obs-fold": (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400),
    "NUL in value": (b"GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", 400),
    "two lengths": (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
        400,
    ),
    "bad length": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
    "length and chunks": (
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
    ),
    "unknown coding": (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    "head too long": (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + 20_000 * b"x" + b"\r\n\r\n", 431),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_malformed_request_is_refused(server, case):
    request, status = HOSTILE[case]
    connection = Connection(server.address)
    connection.socket.settimeout(3)
    assert connection.send(request).response().status == status
    assert get(server.address, "/").status == 302  # and nobody else minds
