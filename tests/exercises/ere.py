"""The wrap of 2036: say in which era the server's time lies."""

import contextlib
import datetime
import time

import pytest
from ntp_server import FakeServer, answer, ask, report

PROGRAMS = {"ntp/client": "ntp/client"}


def told(date):
    """The report of a client whose server says that it is `date`."""
    ahead = datetime.datetime.fromisoformat(date + "+00:00").timestamp() - time.time()
    with contextlib.closing(FakeServer(lambda request, n: [answer(request, ahead)])) as server:
        return report(ask(server, "-n", 1))


def test_there_is_one_line_more_after_time():
    keys = ["server", "stratum", "leap", "refid", "time", "era", "offset", "delay", "samples"]
    assert list(told("2027-01-01T00:00:00")) == keys


@pytest.mark.parametrize(
    "date, era",
    [
        ("1972-01-01T00:00:00", "0"),
        ("2027-01-01T00:00:00", "0"),
        ("2036-02-07T06:28:00", "0"),  # a quarter of a minute before
        ("2036-02-07T06:28:17", "1"),  # the second after
        ("2036-02-08T00:00:00", "1"),
        ("2085-01-01T00:00:00", "1"),
    ],
)
def test_the_era_of_a_date(date, era):
    fields = told(date)
    assert (fields["time"][:16], fields["era"]) == (date[:16], era)
