"""The protocol of tcp/commands in other languages (tests/peers), held to some of the
promises of test_commands."""

import datetime
import os
import re

import peer_servers
import pytest
from harness import connect, converse, receive_all, receive_until

SHELL, PYTHON, NODE = peer_servers.COMMANDS
INVISIBLE = "the shell's read passes over a NUL"
BREAKS = {
    (SHELL, "NUL in a name"): INVISIBLE,
    (SHELL, "NUL in a command"): INVISIBLE,
}
NOT_UTF_8 = {(NODE, "\udc81"): "serving.mjs takes a name for text, which is UTF-8 in Node"}
BINARY = bytes(range(256)) * 500


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """DIR, with what may be sent and what may not; beside it a secret."""
    root = tmp_path_factory.mktemp("commands")
    served = root / "served"
    (served / "sub").mkdir(parents=True)
    (served / ".git").mkdir()
    (root / "secret").write_text("secret")
    for name in (
        "binary",
        "sub/deep",
        "two words",
        "-n",
        "$(id)",
        "*",
        "é",
        "a;b",
        'quo"te',
        "back\\slash",
        "%s",
        "-v",
        "x=1",
        "~",
        "?",
        "\udc81",
    ):
        (served / name).write_bytes(BINARY)
    (served / "empty").write_bytes(b"")
    (served / ".env").write_text("secret")
    (served / ".git/config").write_text("secret")
    (served / "link").symlink_to("../secret")
    (served / "link_inside").symlink_to("binary")
    (served / "sub_link").symlink_to("sub")
    (served / "out").symlink_to("..")
    os.mkfifo(served / "fifo")
    return served


@pytest.fixture(scope="module", params=peer_servers.COMMANDS)
def server(request, directory):
    server = peer_servers.start(request.param, "-d", directory)
    yield server
    server.stop()


def answer(server, sent):
    return converse(connect(server.address), sent)


def test_hello(server):
    assert answer(server, b"hello\n") == b"hello\n"


def test_the_time_is_local_with_its_offset(server):
    got = answer(server, b"heure\n").decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\n", got)
    now = datetime.datetime.now().astimezone()
    then = datetime.datetime.fromisoformat(got.strip())
    assert then.utcoffset() == now.utcoffset() and abs(now - then) < datetime.timedelta(minutes=1)


@pytest.mark.parametrize(
    "name",
    [
        "binary",
        "sub/deep",
        "two words",
        "-n",
        "$(id)",
        "*",
        "é",
        "a;b",
        'quo"te',
        "back\\slash",
        "%s",
        "-v",
        "x=1",
        "~",
        "?",
        "\udc81",
        "empty",
    ],
)
def test_a_file_comes_with_its_size_and_byte_for_byte(server, directory, name, request):
    if why := NOT_UTF_8.get((server.program, name)):
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))
    content = (directory / name).read_bytes()
    name = os.fsencode(name)
    expected = b"%s %d\n" % (name, len(content)) + content + b"hello\n"
    assert answer(server, b"fichier " + name + b"\nhello\n") == expected


@pytest.mark.parametrize(
    "name",
    [
        "", "absent", ".", "..", "../secret", "sub/../binary", "sub/../../secret", "/etc/passwd",
        "{outside}", "sub", "sub/", ".env", ".git/config", "./binary", "sub/.", "link",
        "link_inside", "sub_link/deep", "out/secret", "fifo", " binary",
        "binary ", "$HOME", "`id`", "[b]inary", "bin*", "--help", "binary\r",
        "..\\secret", "%2e%2e/secret", "\udcff\udc81",
        pytest.param("x" * 1_000_000, id="long"),
        pytest.param("sub" + "/" * 1_000_000, id="slashes"),
    ],
)  # fmt: skip
def test_nothing_else_is_found(server, directory, name):
    name = os.fsencode(name.replace("{outside}", str(directory.parent / "secret")))
    assert (
        answer(server, b"fichier " + name + b"\nhello\n")
        == b"erreur : " + name + b" : fichier introuvable\nhello\n"
    )


UNKNOWN = {
    "word": b"bonjour",
    "empty": b"",
    "capital": b"Hello",
    "blank after": b"hello ",
    "blank before": b" hello",
    "carriage return": b"hello\r",
    "fichier alone": b"fichier",
    "dollar": b"$(id) `id` $HOME * ; id",
    "option": b"-n",
    "backslashes": b"\\hello\\n\\",
    "not UTF-8": b"\xff\xfe",
    "long": b"x" * 1_000_000,
    "NUL in a command": b"hel\0lo",
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_command_comes_back_as_it_was(server, case, request):
    if why := BREAKS.get((server.program, case)):
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))
    line = UNKNOWN[case]
    assert (
        answer(server, line + b"\nhello\n")
        == b"erreur : commande inconnue : " + line + b"\nhello\n"
    )


def test_a_name_with_a_nul_is_not_found(server, request):
    if why := BREAKS.get((server.program, "NUL in a name")):
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))
    assert answer(server, b"fichier bin\0ary\n") == b"erreur : bin\0ary : fichier introuvable\n"


def test_quitter_ends_the_conversation_whatever_follows(server):
    client = connect(server.address)
    client.sendall(b"hello\nquitter\nhello\n" + b"x\n" * 10_000)
    assert receive_all(client) == b"hello\n"  # and no reset


def test_the_last_command_needs_no_newline(server):
    assert answer(server, b"hello\nhello") == b"hello\nhello\n"


def test_a_command_may_come_in_pieces_and_others_do_not_wait(server):
    slow = connect(server.address)
    slow.sendall(b"hel")
    assert answer(server, b"hello\n") == b"hello\n"
    slow.sendall(b"lo\nhe")
    assert receive_until(slow, b"\n") == b"hello\n"
