"""Running the judge (tests/judge/judge), and reading what it writes."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import ROOT

JUDGE = ROOT / "tests/judge/judge"
# The language is the test's own. The judge's modules are compiled once, not at each of its runs.
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("LANG", "LC_ALL", "LC_MESSAGES", "PYTHONDONTWRITEBYTECODE")
}
sys.path.insert(0, str(JUDGE.parent))

CONTRACTS = ["plain", "echo", "broadcast", "commands", "web", "datagram", "unix", "client"]


def judge(*words, env=None, timeout=240, under=(), **options):
    """Runs the judge to its end. `under`: the words of a program that starts it."""
    return subprocess.run(
        [*under, sys.executable, JUDGE, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=options.pop("cwd", ROOT),
        env={**PLAIN, **(env or {})},
        **options,
    )


def verdict(contract, *words, env=None):
    """What --json has of a server, given as options of the judge and, after "--", its command."""
    with tempfile.TemporaryDirectory(prefix="socklab-") as directory:
        file = Path(directory) / "verdict.json"
        ended = judge(contract, "--json", file, *words, env=env)
        assert file.exists(), ended.stderr
        return json.loads(file.read_text())


def lost(judged):
    """The ids of the checks that it has not passed."""
    return {check["id"] for check in judged["checks"] if not check["passed"]}


def told(judged):
    """Its failures in a few words, for who reads why a test failed."""
    lines = [judged["why"]] if judged["why"] else []
    for check in judged["checks"]:
        if check["passed"] is False:
            lines += [f"{check['id']}: {check['likely']}", *check["said"]]
            lines += [
                f"    {said['at']} {said['who']} {said['what']}"
                for said in check["conversation"]
            ]
            lines += [f"    expected {check['expected']}", f"    received {check['received']}"]
    return "\n".join(lines)
