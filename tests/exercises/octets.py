"""Look: how many bytes does the server receive for é and Enter?"""

import os

import pytest
from spoken import say

PROGRAMS = {}


def test_it_is_what_strace_shows():
    answer = os.environ.get("ANSWER", "")
    if not answer.isdigit():
        pytest.fail(say("give the number: make exercise NAME=octets ANSWER=1, if it is 1",
                        "donnez le nombre : make exercise NAME=octets ANSWER=1, si c'est 1"))
    if answer != "3":
        why = {"1": say("é is not one byte in UTF-8", "é n'est pas un seul octet en UTF-8"),
               "2": say("Enter is a byte too", "Entrée compte aussi pour un octet")}  # fmt: skip
        pytest.fail(why.get(answer, say("look at what recvfrom returns",
                                        "regardez ce que rend recvfrom")))
