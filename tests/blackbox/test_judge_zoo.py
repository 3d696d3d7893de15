"""The zoo before the judge: of each small server of tests/judge/zoo, the check that its first line
names falls, and no other, but those that its next lines name with the reason. So the checks are
known to be able to fail."""

import concurrent.futures
import re
import shutil
import sys

import pytest
from harness import ROOT, peer
from judging import lost, told, verdict

ZOO = ROOT / "tests/judge/zoo"
ANIMALS = sorted(path for path in ZOO.iterdir() if path.suffix in (".py", ".mjs", ".sh", ".pl"))
PLACES = {
    "unix": ["{path}"],
    "client": ["{host}", "{port}"],
    "commands": ["-d", "{dir}", "{port}"],
    "web": ["-d", "{dir}", "{port}"],
}
SIDE_BY_SIDE = 8


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


def judged(path):
    contract, *_ = label(path)
    words = [*interpreter(path), path, *PLACES.get(contract, ["{port}"])]
    return verdict(contract, "--patience", 5, "--visits", 300, "--", *words)


@pytest.mark.parametrize("language", [".py", ".mjs", ".sh", ".pl"])
def test_the_check_that_is_named_falls_and_no_other(language):
    animals = [path for path in ANIMALS if path.suffix == language]
    interpreter(animals[0])
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        verdicts = dict(zip(animals, pool.map(judged, animals)))
    wrong = []
    for path, verdict_ in verdicts.items():
        _, named, also = label(path)
        fallen = lost(verdict_)
        if named not in fallen or not fallen <= {named, *also} or not verdict_["started"]:
            wrong.append(f"{path.name}: {sorted(fallen)} fell, not {named}\n{told(verdict_)}")
    assert not wrong, "\n\n".join(wrong)


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
