"""A transfer in both directions: `deposer NOM TAILLE`, then the bytes of the file."""

import os

import pytest
from harness import eventually, needs_plain_build

PROGRAMS = {"tcp/commands": "tcp/commands"}
CONTENT = bytes(range(256)) * 50  # newlines and NULs among them


@pytest.fixture
def server(start, tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "ancien").write_bytes(b"ancien\n")
    return start("tcp/commands", "-d", tmp_path, 0)


def deposit(name, content):
    """The command, and the bytes."""
    return b"deposer %s %d\n%s" % (name.encode(), len(content), content)


def test_a_file_arrives(server, tmp_path):
    client = server.connect()
    client.send(deposit("nouveau", CONTENT))
    client.expect("déposé : nouveau\n")
    assert (tmp_path / "nouveau").read_bytes() == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["ancien", "dir", "nouveau"]


def test_what_follows_the_bytes_is_a_command(server):
    client = server.connect()
    client.send(
        deposit("un nom", b"hello\n")
        + b"hello\nfichier un nom\n"
        + deposit("vide", b"")
        + b"fichier vide\n"
    )
    client.expect("déposé : un nom\nhello\nun nom 6\nhello\ndéposé : vide\nvide 0\n")


def test_the_old_file_stays_until_the_new_one_is_whole(server, tmp_path):
    client, other = server.connect(), server.connect()
    client.send(b"hello\n" + deposit("ancien", CONTENT)[:-1])
    client.expect("hello\n")
    other.send("fichier ancien\n")
    other.expect("ancien 7\nancien\n")
    client.send(CONTENT[-1:])
    client.expect("déposé : ancien\n")
    assert (tmp_path / "ancien").read_bytes() == CONTENT


def test_a_client_that_goes_too_early_leaves_nothing(server, tmp_path):
    before = sorted(os.listdir(tmp_path))
    client = server.connect()
    client.send(deposit("moitié", CONTENT)[:-1])
    client.half_close()
    client.expect_end()
    eventually(lambda: sorted(os.listdir(tmp_path)) == before)


def test_two_deposits_of_one_name_do_not_mix(server, tmp_path):
    contents = [5000 * b"1", 3000 * b"2"]
    clients = [server.connect(), server.connect()]
    for client, content in zip(clients, contents):
        client.send(b"hello\n" + deposit("meme", content)[:-1])
        client.expect("hello\n")
    for client, content in reversed(list(zip(clients, contents))):
        client.send(content[-1:])
        client.expect("déposé : meme\n")
        assert (tmp_path / "meme").read_bytes() == content


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".cache", "dir/x", "../x", "/tmp/x", "nu\0l", "dir", 300 * "x"]
)
def test_a_refused_name_whose_bytes_come_all_the_same(server, tmp_path, name):
    before = sorted(os.listdir(tmp_path))
    client = server.connect()
    client.send(deposit(name, b"quitter\n") + b"hello\n")
    client.expect(f"erreur : {name} : dépôt refusé\nhello\n")
    assert sorted(os.listdir(tmp_path)) == before and os.listdir(tmp_path / "dir") == []


def test_a_link_is_replaced_and_not_followed(server, tmp_path):
    (tmp_path / "lien").symlink_to("ancien")
    client = server.connect()
    client.send(deposit("lien", b"x"))
    client.expect("déposé : lien\n")
    assert (
        not (tmp_path / "lien").is_symlink() and (tmp_path / "ancien").read_bytes() == b"ancien\n"
    )


@pytest.mark.parametrize(
    "size", ["", "-1", "+1", "dix", "1x", "0x10", "1073741825", "99999999999999999999"]
)
def test_a_size_that_is_none_ends_the_conversation(server, size):
    client = server.connect()
    client.send(f"deposer nom {size}\nhello\n")
    client.expect("erreur : nom : dépôt refusé\n")
    client.expect_end()


def test_half_of_the_command_is_unknown(server):
    client = server.connect()
    for line in ["deposer", "deposer nom"]:
        client.send(line + "\n")
        client.expect(f"erreur : commande inconnue : {line}\n")


def test_the_file_is_not_kept_in_memory(server, tmp_path):
    needs_plain_build("tcp/commands")
    size = 32 << 20
    before = server.rss()
    client = server.connect()
    client.socket.sendall(b"deposer grand %d\n" % size + bytes(size))
    client.expect("déposé : grand\n")
    assert server.rss() - before < 8 << 20 and (tmp_path / "grand").stat().st_size == size
