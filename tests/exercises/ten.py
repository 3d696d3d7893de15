"""Change one line: there is room for ten, and the next one is told so."""

from harness import eventually

PROGRAMS = {"broadcast/server": "broadcast/server"}


def ten(server):
    """Ten clients and their names; each has heard the later ones come."""
    clients, names = [], []
    for _ in range(10):
        client = server.connect()
        names.append(client.line("je suis : K3x")[-3:])
        for other in clients:
            other.expect(f"{names[-1]} est connecté\n")
        clients.append(client)
    return clients, names


def test_the_eleventh_is_told_so_and_nobody_hears_of_it(start):
    server = start("broadcast/server")
    clients, names = ten(server)
    for _ in range(3):
        eleventh = server.connect()
        eleventh.expect("serveur complet\n")
        eleventh.expect_end()
    clients[0].send("nous sommes dix\n")
    for client in clients:
        client.expect(f"Message de {names[0]} : nous sommes dix\n")


def test_there_is_room_again_when_one_has_gone(start):
    server = start("broadcast/server")
    clients, names = ten(server)
    clients.pop(3).close()
    for client in clients:
        client.expect(f"{names[3]} est déconnecté\n")

    def is_let_in():
        client = server.connect()
        return client.line("je suis : K3x").startswith("je suis : ")

    eventually(is_let_in)
    eleventh = server.connect()
    eleventh.expect("serveur complet\n")
    eleventh.expect_end()
