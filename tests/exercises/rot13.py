"""Write the missing server: echo/rot13 answers each line with its letters turned by 13."""

PROGRAMS = {"echo/rot13": "echo/fork"}


def test_it_greets_as_the_others_do(start):
    start("echo/rot13").connect().expect("Le serveur écoute.\n")


def test_a_line_is_answered_with_its_letters_turned(start):
    client = start("echo/rot13").connect()
    client.expect("Le serveur écoute.\n")
    client.send("Bonjour\n")
    client.expect("le serveur répond : Obawbhe\n")


def test_both_alphabets_go_round_and_nothing_else_changes(start):
    client = start("echo/rot13").connect()
    client.expect("Le serveur écoute.\n")
    client.send(b"AMNZ amnz @[`{ 0123 \xc3\xa9t\xc3\xa9\r \x00\xff|\n")
    client.expect(b"le serveur r\xc3\xa9pond : NZAM nzam @[`{ 0123 \xc3\xa9g\xc3\xa9\r \x00\xff|\n")


def test_each_line_has_its_answer_however_they_are_cut(start):
    client = start("echo/rot13").connect()
    client.expect("Le serveur écoute.\n")
    client.send("un\nde")
    client.expect("le serveur répond : ha\n")
    client.send("ux\n\ntrois")
    client.half_close()
    client.expect("le serveur répond : qrhk\nle serveur répond : \nle serveur répond : gebvf")
    client.expect_end()


def test_a_second_client_does_not_wait_for_the_first(start):
    server = start("echo/rot13")
    first, second = server.connect(), server.connect()
    second.send("deux\n")
    second.expect("Le serveur écoute.\nle serveur répond : qrhk\n")
    first.send("un\n")
    first.expect("Le serveur écoute.\nle serveur répond : ha\n")
