"""Write the missing program: a time server, for this client and any other."""

import socket
import time

import pytest
from harness import PATIENCE
from ntp_server import FIELDS, LAYOUT, ask, packet, parse, report, seconds
from spoken import say

PROGRAMS = {"ntp/server": "ntp/client", "ntp/client": "ntp/client"}
COOKIE = 0x0123456789ABCDEF


def request(version=4, mode=3, **fields):
    return packet(first=version << 3 | mode, transmit=COOKIE, **fields)


@pytest.fixture
def start_server(start):
    """start_server() -> the server at a port of its choice, which takes the time that it is started
    at as it is."""

    def start_server():
        server = start("ntp/server", "-b", "127.0.0.1", 0)
        server.host = "127.0.0.1"
        return server

    return start_server


@pytest.fixture
def client(start_server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", start_server().port))
        yield client


def answered(client, datagram):
    client.send(datagram)
    answer = client.recv(2048)
    assert len(answer) == LAYOUT.size, say("an answer is 48 bytes", "une réponse fait 48 octets")
    return parse(answer)


def difference(a, b):
    """a - b in seconds, of two timestamps."""
    return ((a - b + 2**63) % 2**64 - 2**63) / 2**32


def test_it_serves_until_it_is_told_to_end(start_server):
    server = start_server()
    assert server.logged("listening on ").startswith("listening on 127.0.0.1:")
    server.process.terminate()
    assert server.wait() == 0


def test_the_four_timestamps(client):
    before = seconds(time.time())
    fields = answered(client, request())
    after = seconds(time.time())
    assert fields["origin"] == COOKIE, say(
        "the request's transmit timestamp, as it came",
        "l'horodatage d'émission de la requête, tel qu'il est arrivé",
    )
    moments = [before, fields["receive"], fields["transmit"], after]
    for earlier, later in zip(moments, moments[1:]):
        # Python's clock is a double: a microsecond, or so.
        assert difference(later, earlier) > -0.000002, moments
    assert difference(fields["receive"], fields["reference"]) >= 0, say(
        "a clock was last set before now", "le dernier réglage d'une horloge ne peut pas être à venir"
    )
    assert fields["reference"] != 0


def test_what_it_says_of_itself(client):
    fields = answered(client, request(poll=6))
    said = {name: fields[name] for name in FIELDS[:5] + FIELDS[6:7]}
    assert said == {
        "first": 0 << 6 | 4 << 3 | 4,  # leap 0, version 4, mode 4
        "stratum": 10,
        "poll": 6,  # the request's
        "precision": -20,
        "root_delay": 0,
        "refid": 0x7F7F0101,  # 127.127.1.1
    }
    assert fields["root_dispersion"] < 1 << 16


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_the_version_is_that_of_the_request(client, version):
    assert answered(client, request(version))["first"] == version << 3 | 4


def test_extension_fields_are_not_for_us(client):
    assert answered(client, request() + bytes(200))["origin"] == COOKIE


WRONG = {
    "nothing": b"",
    "a byte too few": request()[:47],
    "zeros": bytes(1000),
    **{f"version {version}": request(version=version) for version in (0, 5, 7)},
    **{f"mode {mode}": request(mode=mode) for mode in (0, 1, 2, 4, 5, 6, 7)},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_no_clients_request_has_no_answer(client, wrong):
    client.send(wrong)
    # What comes first is the answer to this.
    fields = answered(client, packet(first=4 << 3 | 3, transmit=1))
    assert fields["origin"] == 1


def test_two_clients_at_once(start_server):
    address = ("127.0.0.1", start_server().port)
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for number, client in enumerate(clients, 1):
        client.settimeout(PATIENCE)
        client.sendto(packet(first=4 << 3 | 3, transmit=number), address)
    for number, client in enumerate(clients, 1):
        assert parse(client.recv(2048))["origin"] == number
        client.close()


def test_our_client_believes_it(start_server):
    fields = report(ask(start_server(), "-n", 3))
    assert (fields["stratum"], fields["leap"], fields["refid"]) == ("10", "0", "127.127.1.1")
    assert fields["samples"] == "3 of 3"
    assert abs(float(fields["offset"].removesuffix(" s"))) < 0.1
