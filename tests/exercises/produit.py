"""Change what is there: `/api/produit` multiplies."""

import pytest
from harness import receive
from spoken import say

PROGRAMS = {"tcp/web": "tcp/web"}


@pytest.fixture
def client(start):
    return start("tcp/web").connect()


def get(client, target):
    """The status and the body that `target` has; a Content-Type of JSON is wanted."""
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    status = client.line(say("a status line", "une ligne d'état")).split(" ")[1]
    fields = {}
    field = say("a field, or the empty line", "un champ, ou la ligne vide")
    while line := client.line(field).rstrip("\r"):
        name, value = line.split(":", 1)
        fields[name.lower()] = value.strip()
    body = receive(client.socket, int(fields["content-length"])).decode()
    return status, body if fields["content-type"] == "application/json" else fields["content-type"]


@pytest.mark.parametrize(
    "a, b, product",
    [
        ("2", "3", "6"),
        ("0.1", "3", "0.30000000000000004"),
        ("-1", "0", "0"),
        ("1e15", "1e6", "1e+21"),
    ],
)
def test_the_product(client, a, b, product):
    a_, b_ = {"1e15": "1000000000000000"}.get(a, a), {"1e6": "1000000"}.get(b, b)
    assert get(client, f"/api/produit?a={a}&b={b}") == (
        "200",
        f'{{"a":{a_},"b":{b_},"produit":{product}}}',
    )


@pytest.mark.parametrize(
    "query, error",
    [
        ("a=2", "b manque"),
        ("a=deux&b=2", "a n'est pas un nombre"),
        ("a=2&b=2&b=3", "b est donné deux fois"),
        ("a=1e999&b=0", "a est trop grand"),
        ("a=1e200&b=-1e200", "le produit est trop grand"),
    ],
)
def test_the_errors_of_the_sum(client, query, error):
    assert get(client, f"/api/produit?{query}") == ("400", f'{{"erreur":"{error}"}}')


def test_the_sum_is_still_there(client):
    assert get(client, "/api/calcul?a=2&b=3") == ("200", '{"a":2,"b":3,"somme":5}')
    assert get(client, "/api/calcul?a=1e308&b=1e308") == (
        "400",
        '{"erreur":"la somme est trop grande"}',
    )
