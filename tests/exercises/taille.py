"""A command with a name: `taille NOM` says how many bytes a file has."""

import os

import pytest

PROGRAMS = {"tcp/commands": "tcp/commands"}


@pytest.fixture
def client(start, tmp_path):
    """A client of a server of these files."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "lettre").write_bytes(b"bonjour\n")
    (tmp_path / "vide").touch()
    (tmp_path / "dir" / "un nom").write_bytes(bytes(1234))
    (tmp_path / "lien").symlink_to("lettre")
    os.mkfifo(tmp_path / "tube")
    with open(tmp_path / "grand", "wb") as grand:
        grand.truncate(5 << 30)  # five gibibytes, of which the disk holds none
    return start("tcp/commands", "-d", tmp_path, 0).connect()


def test_the_size_alone(client):
    for name, size in [("lettre", 8), ("vide", 0), ("dir/un nom", 1234), ("grand", 5368709120)]:
        client.send(f"taille {name}\n")
        client.expect(f"{size}\n")


@pytest.mark.parametrize("name", ["rien", "", "../lettre", "/etc/passwd", "dir", "lien", "tube"])
def test_what_fichier_would_not_send_has_no_size(client, name):
    client.send(f"taille {name}\n")
    client.expect(f"erreur : {name} : fichier introuvable\n")


def test_nor_has_a_name_longer_than_any(client):
    name = 10_000 * "x"
    client.send(f"taille {name}\nhello\n")
    client.expect(f"erreur : {name} : fichier introuvable\nhello\n")


def test_taille_is_a_command_among_others(client):
    client.send("fichier lettre\ntaille lettre\nhello\ntaille\ntaille vide")
    client.half_close()
    client.expect("lettre 8\nbonjour\n8\nhello\nerreur : commande inconnue : taille\n0\n")
    client.expect_end()
