"""More than one sample: the median of the offsets."""

import contextlib
import re

import pytest
from ntp_server import FakeServer, answer, ask, report

PROGRAMS = {"ntp/client": "ntp/client"}


def median(*offsets):
    """The median that is reported when these are the offsets of the answers; None is an answer that
    never comes."""

    def behave(request, n):
        return [] if offsets[n] is None else [answer(request, offsets[n])]

    with contextlib.closing(FakeServer(behave)) as server:
        fields = report(ask(server, "-n", len(offsets), "-w", "1"))
    assert fields["samples"] == f"{len(offsets) - offsets.count(None)} of {len(offsets)}"
    assert list(fields)[-2:] == ["samples", "median"]
    assert re.fullmatch(r"[+-]\d+\.\d{9} s", fields["median"]), fields["median"]
    return float(fields["median"].removesuffix(" s"))


def near(seconds):
    # Our clocks are one; a busy machine may take its time to answer.
    return pytest.approx(seconds, abs=0.4)


def test_one_sample_is_its_own_median():
    assert median(5) == near(5)


@pytest.mark.parametrize("offsets", [(10, 20, 90), (90, 20, 10), (20, 90, 10), (-1000, 20, 21)])
def test_the_one_in_the_middle(offsets):
    assert median(*offsets) == near(20)


def test_of_an_even_number_the_lower_of_the_two_in_the_middle():
    assert median(40, 10, 30, 20) == near(20)
    assert median(8, 2) == near(2)


def test_two_liars_of_five_do_not_move_it():
    assert median(1, 1e8, 2, -1e8, 3) == near(2)


def test_behind_as_well_as_ahead():
    assert median(-3, -2, 5) == near(-2)


def test_an_answer_that_never_comes_is_no_sample():
    assert median(10, None, 20, 90) == near(20)
