"""Look: which port has your client?"""

import os
from pathlib import Path

import pytest
from spoken import say

PROGRAMS = {}


def test_it_is_a_port_that_the_system_gives_to_clients():
    answer = os.environ.get("ANSWER", "")
    if answer == "9090":
        pytest.fail(say("9090 is the server's", "9090 est celui du serveur"))
    if not answer.isdigit():
        pytest.fail(say("give the number: make exercise NAME=port ANSWER=50001, if it is 50001",
                        "donnez le nombre : make exercise NAME=port ANSWER=50001, si c'est 50001"))
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest, highest = map(int, given.read_text().split()) if given.exists() else (1024, 65535)
    if not lowest <= int(answer) <= highest:
        pytest.fail(say(f"the system gives clients a port from {lowest} to {highest}",
                        f"le système donne aux clients un port de {lowest} à {highest}"))
