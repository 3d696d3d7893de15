"""Change the answer: the server shouts each line back in capitals."""

import pytest

# The change is in what they share.
PROGRAMS = {"echo/iterative": "echo/iterative", "echo/poll": "echo/poll"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_line_is_shouted_back(start, program):
    client = start(program).connect()
    client.expect("Le serveur écoute.\n")
    client.send("Bonjour\n")
    client.expect("le serveur crie : BONJOUR\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_only_letters_from_a_to_z_change(start, program):
    client = start(program).connect()
    client.expect("Le serveur écoute.\n")
    client.send(b"`az{ @AZ[ 09 \xc3\xa9t\xc3\xa9 \xe1\xff\r\x00\n")
    client.expect(b"le serveur crie : `AZ{ @AZ[ 09 \xc3\xa9T\xc3\xa9 \xe1\xff\r\x00\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_line_has_its_answer_however_they_are_cut(start, program):
    client = start(program).connect()
    client.expect("Le serveur écoute.\n")
    client.send("un\nde")
    client.expect("le serveur crie : UN\n")
    client.send("ux\n\ntrois")
    client.half_close()
    client.expect("le serveur crie : DEUX\nle serveur crie : \nle serveur crie : TROIS")
    client.expect_end()
