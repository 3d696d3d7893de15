"""A few lines: `/compteur` counts its visitors."""

import http.client

import pytest

PROGRAMS = {"tcp/web": "tcp/web"}


@pytest.fixture
def visit(start):
    """visit() asks for /compteur, over a connection of its own, and returns the response and its
    body."""
    server = start("tcp/web")

    def visit(method="GET", target="/compteur"):
        connection = http.client.HTTPConnection(*server.address, timeout=5)
        connection.request(method, target)
        response = connection.getresponse()
        return response, response.read()

    visit.server = server
    return visit


def test_each_visit_counts(visit):
    for number in range(1, 12):
        response, body = visit()
        assert (response.status, body) == (200, b"%d\n" % number)


def test_it_is_a_text_that_nobody_is_to_keep(visit):
    response, _ = visit()
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"


def test_two_visits_on_one_connection(visit):
    client = visit.server.connect()
    client.send(2 * "GET /compteur HTTP/1.1\r\nHost: a\r\n\r\n")
    for number in "1", "2":
        while client.line("a field, or the empty line") != "\r":
            pass
        client.expect(number + "\n")


def test_what_is_no_visit_does_not_count(visit):
    visit()
    for method, target, status in [
        ("HEAD", "/compteur", 200),
        ("GET", "/compteurs", 404),
        ("POST", "/compteur", 405),
    ]:
        response, _ = visit(method, target)
        assert response.status == status
    assert visit()[1] == b"2\n"


def test_a_query_changes_nothing(visit):
    assert visit(target="/compteur?x=1")[1] == b"1\n"
