"""Look: what is left of a connection after Ctrl-C?"""

import os
import re

import pytest
from spoken import say

PROGRAMS = {}


def test_it_is_the_state_that_ss_shows():
    answer = re.sub("[-_ ]", "", os.environ.get("ANSWER", "")).upper()
    if not answer:
        pytest.fail(say("give the first word of the line: make exercise NAME=ctrl_c ANSWER=LISTEN, "
                        "if it is LISTEN",
                        "donnez le premier mot de la ligne : make exercise NAME=ctrl_c "
                        "ANSWER=LISTEN, si c'est LISTEN"))
    if answer != "TIMEWAIT":
        pytest.fail(say("look within a minute, at all states (-a), with 9090 in the line",
                        "cherchez dans la minute, parmi tous les états (-a), une ligne qui contient 9090"))
