"""The zoo before the judge: of each small server of tests/judge/zoo, the check that its first line
names falls, and no other, but those that its next lines name with the reason. So the checks are
known to be able to fail."""

import re
import shutil
import sys

import pytest
from harness import ROOT, peer
from judging import lost, told, verdict

pytestmark = [pytest.mark.waits, pytest.mark.thorough]

ZOO = ROOT / "tests/judge/zoo"
ANIMALS = sorted(path for path in ZOO.iterdir() if path.suffix in (".py", ".mjs", ".sh", ".pl"))
PLACES = {
    "unix": ["{path}"],
    "client": ["{host}", "{port}"],
    "commands": ["-d", "{dir}", "{port}"],
    "web": ["-d", "{dir}", "{port}"],
}


def label(path):
    """(contract, the check that must find it, {those that may fall as well})"""
    first, *rest = path.read_text().splitlines()
    named = re.match(r"(?:#|//) (\w+) ([\w-]+): \S.+\.$", first)
    assert named, f"{path.name} begins with: {first}"
    also = set()
    for line in rest:
        more = re.match(r"(?:#|//) also ([\w, -]+): \S.+\.$", line)
        if not more:
            break
        also.update(more[1].split(", "))
    return named[1], named[2], also


def interpreter(path):
    if path.suffix == ".mjs":
        return [peer("node")]
    if path.suffix == ".pl":
        return [shutil.which("perl") or pytest.skip("perl is not here")]
    if path.suffix == ".sh":
        peer("socat")
        return ["sh"]
    return [sys.executable]


@pytest.mark.parametrize("animal", ANIMALS, ids=lambda path: path.name)
def test_the_check_that_is_named_falls_and_no_other(animal):
    contract, named, also = label(animal)
    words = [*interpreter(animal), animal, *PLACES.get(contract, ["{port}"])]
    judged = verdict(contract, "--patience", 5, "--visits", 200, "--", *words)
    assert judged["started"]
    assert {named} <= lost(judged) <= {named, *also}, told(judged)


def test_it_is_a_zoo():
    assert len(ANIMALS) >= 30
    assert {path.suffix for path in ANIMALS} == {".py", ".mjs", ".sh", ".pl"}
    assert {label(path)[0] for path in ANIMALS} == {
        "plain", "echo", "broadcast", "commands", "web", "datagram", "unix", "client"
    }  # fmt: skip


def test_every_check_of_echo_has_one_that_it_finds():
    from contracts.echo import ladder

    found = {label(path)[1] for path in ANIMALS if label(path)[0] == "echo"}
    # Who answers nothing at all is found by all of them.
    assert {check.id for check in ladder.checks} - found == {"one-line"}
