"""A part of a file: `Range`, 206 and 416 (RFC 9110, 14)."""

import http.client
import random

import pytest
from spoken import say

PROGRAMS = {"tcp/web": "tcp/web"}
CONTENT = {"petit": bytes(range(100)), "grand": random.Random(1).randbytes(300_000)}


@pytest.fixture
def site(start, tmp_path):
    for name, content in CONTENT.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "vide").touch()
    server = start("tcp/web", "-d", tmp_path, 0)

    def get(name, range, method="GET", **more):
        """Asks for a range of /static/NAME: the response, and its body."""
        connection = http.client.HTTPConnection(*server.address, timeout=5)
        connection.request(method, f"/static/{name}", headers={"Range": range, **more})
        response = connection.getresponse()
        return response, response.read()

    get.server = server
    return get


def check(site, name, range, first, last):
    """A 206 with the bytes first to last."""
    response, body = site(name, range)
    size = len(CONTENT[name])
    assert response.status == 206, range
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert response.headers["Content-Length"] == str(last + 1 - first)
    assert body == CONTENT[name][first : last + 1]


def test_from_one_byte_to_another(site):
    check(site, "petit", "bytes=10-19", 10, 19)
    check(site, "petit", "bytes=0-0", 0, 0)
    check(site, "grand", "bytes=100000-299998", 100000, 299998)
    check(site, "grand", "bytes=5-10", 5, 10)


def test_to_the_end(site):
    check(site, "petit", "bytes=90-", 90, 99)
    check(site, "grand", "bytes=1-", 1, 299999)
    check(site, "petit", "bytes=0-", 0, 99)


def test_the_last_bytes(site):
    check(site, "petit", "bytes=-1", 99, 99)
    check(site, "grand", "bytes=-200000", 100000, 299999)


def test_no_further_than_the_end(site):
    check(site, "petit", "bytes=50-1000", 50, 99)
    check(site, "petit", "bytes=-1000", 0, 99)
    check(site, "grand", "bytes=0-99999999999999999999999", 0, 299999)


@pytest.mark.parametrize(
    "name, range",
    [("petit", "bytes=100-"), ("petit", "bytes=100-200"), ("petit", "bytes=-0"),
     ("vide", "bytes=0-0"), ("grand", "bytes=99999999999999999999999-")],
)  # fmt: skip
def test_a_range_behind_the_end_is_416(site, name, range):
    response, _ = site(name, range)
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{len(CONTENT.get(name, b''))}"


@pytest.mark.parametrize(
    "range",
    [
        "bytes=19-10",
        "bytes=-",
        "bytes=a-b",
        "bytes=",
        "bytes=1",
        "bytes=0-1,3-4",
        "lignes=0-1",
        "bytes=1-2-3",
    ],
)
def test_what_we_do_not_understand_is_passed_over(site, range):
    response, body = site("petit", range)
    assert (response.status, body, response.headers["Content-Range"]) == (
        200,
        CONTENT["petit"],
        None,
    )


def test_only_get_has_parts(site):
    response, _ = site("petit", "bytes=0-9", method="HEAD")
    assert (response.status, response.headers["Content-Length"]) == (200, "100")


def test_who_has_the_file_is_not_sent_a_part_of_it(site):
    date = site("petit", "bytes=0-9")[0].headers["Last-Modified"]
    assert site("petit", "bytes=0-9", **{"If-Modified-Since": date})[0].status == 304


def test_a_condition_on_the_part_has_the_whole(site):
    response, body = site("petit", "bytes=0-9", **{"If-Range": '"autre"'})
    assert (response.status, body) == (200, CONTENT["petit"])


def test_the_next_request_finds_its_place(site):
    client = site.server.connect()
    head = "GET /static/grand HTTP/1.1\r\nHost: a\r\n"
    client.send(head + "Range: bytes=7-100006\r\n\r\n" + head + "Range: bytes=1-2\r\n\r\n")
    for first, last in [(7, 100006), (1, 2)]:
        assert client.line(say("a status line", "une ligne d'état")).split(" ")[1] == "206"
        while client.line(say("a field, or the empty line", "un champ, ou la ligne vide")) != "\r":
            pass
        client.expect(CONTENT["grand"][first : last + 1])
