"""The version of a file: `ETag`, and 304 for who has it (RFC 9110, 8.8.3 and 13.1.2)."""

import http.client
import os

import pytest
from spoken import say

PROGRAMS = {"tcp/web": "tcp/web"}
CONTENT = {"petit": b"bonjour\n", "grand": bytes(100_000)}


@pytest.fixture
def site(start, tmp_path):
    for name, content in CONTENT.items():
        (tmp_path / name).write_bytes(content)
    server = start("tcp/web", "-d", tmp_path, 0)

    def get(name, tag=None, method="GET", **more):
        """Asks for /static/NAME: the status, the fields, the body."""
        connection = http.client.HTTPConnection(*server.address, timeout=5)
        connection.putrequest(method, f"/static/{name}", skip_accept_encoding=True)
        for value in [tag] if isinstance(tag, str) else tag or []:
            connection.putheader("If-None-Match", value)
        for field, value in more.items():
            connection.putheader(field.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    get.directory = tmp_path
    return get


@pytest.fixture(params=["petit", "grand"])
def name(request):
    return request.param


def tag_of(site, name):
    tag = site(name)[1]["ETag"]
    assert tag is not None, say("there is no ETag", "il n'y a pas d'ETag")
    assert tag.removeprefix("W/").startswith('"') and tag.endswith('"') and len(tag) > 2, tag
    return tag


def test_a_file_has_a_tag_and_keeps_it(site, name):
    assert tag_of(site, name) == tag_of(site, name) == site(name, method="HEAD")[1]["ETag"]


def test_who_has_this_version_is_not_sent_it_again(site, name):
    tag = tag_of(site, name)
    status, fields, body = site(name, tag)
    assert (status, fields["ETag"], body) == (304, tag, b"")
    assert site(name, tag, method="HEAD")[0] == 304


def test_who_has_another_is_sent_it(site, name):
    for other in ['"autre"', '""', "W/" + '"autre"']:
        status, _, body = site(name, other)
        assert (status, body) == (200, CONTENT[name])


def test_one_of_several(site, name):
    tag = tag_of(site, name)
    for tags in [f'"un", {tag}', f'{tag},"deux"', f'"un" , {tag} , "deux"', ['"un"', tag]]:
        assert site(name, tags)[0] == 304, tags
    assert site(name, '"un", "deux"')[0] == 200


def test_weak_or_not_is_the_same_here(site, name):
    assert site(name, "W/" + tag_of(site, name).removeprefix("W/"))[0] == 304


def test_a_star_is_any_version(site, name):
    assert site(name, "*")[0] == 304
    assert site("absent", "*")[0] == 404


def test_another_content_has_another_tag(site, name):
    tag, file = tag_of(site, name), site.directory / name
    at = file.stat().st_mtime_ns
    file.write_bytes(b"B" + CONTENT[name][1:])  # as long as the old one ...
    os.utime(file, ns=(at, at + 1000))  # ... and written in the same second
    status, fields, _ = site(name, tag)
    assert status == 200 and fields["ETag"] != tag


def test_a_tag_goes_before_a_date(site, name):
    date = site(name)[1]["Last-Modified"]
    assert site(name, If_Modified_Since=date)[0] == 304
    assert site(name, '"autre"', If_Modified_Since=date)[0] == 200
    assert (
        site(name, tag_of(site, name), If_Modified_Since="Thu, 01 Jan 1970 00:00:00 GMT")[0] == 304
    )
