"""Change a few lines: `aide` says which commands there are."""

PROGRAMS = {"tcp/commands": "tcp/commands"}
AIDE = "commandes : hello heure fichier aide quitter\n"


def test_aide_says_which_commands_there_are(start):
    client = start("tcp/commands").connect()
    client.send("aide\n")
    client.expect(AIDE)


def test_aide_is_a_command_among_others(start):
    client = start("tcp/commands").connect()
    client.send("hello\nai")
    client.expect("hello\n")
    client.send("de\naide\nhello\naide")  # the last one without its newline
    client.half_close()
    client.expect(AIDE + AIDE + "hello\n" + AIDE)
    client.expect_end()


def test_what_only_looks_like_it_is_unknown(start):
    client = start("tcp/commands").connect()
    for line in ["aide moi", "Aide", " aide", "aide ", "aide\r"]:
        client.send(line + "\n")
        client.expect(f"erreur : commande inconnue : {line}\n")


def test_quitter_still_ends(start):
    client = start("tcp/commands").connect()
    client.send("aide\nquitter\naide\n")
    client.expect(AIDE)
    client.expect_end()
