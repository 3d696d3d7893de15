"""Add a line: the server's time as the clock on our wall shows it."""

import contextlib
import datetime
import time

import pytest
from ntp_server import FakeServer, answer, ask, report

PROGRAMS = {"ntp/client": "ntp/client"}


def told(date=None, zone="UTC0"):
    """The report of a client in this time zone, whose server says that it is `date` (or what it
    is)."""
    ahead = datetime.datetime.fromisoformat(date).timestamp() - time.time() if date else 0
    with contextlib.closing(FakeServer(lambda request, n: [answer(request, ahead)])) as server:
        return report(ask(server, "-n", 1, env={"TZ": zone}))


def test_there_is_one_line_more_after_time():
    assert list(told()) == [
        "server",
        "stratum",
        "leap",
        "refid",
        "time",
        "local",
        "offset",
        "delay",
        "samples",
    ]


@pytest.mark.parametrize(
    "zone, minutes",
    [
        ("UTC0", 0),
        ("CET-1", 60),
        ("EST5", -300),
        ("IST-5:30", 330),
        ("NST3:30", -210),
        ("NPT-5:45", 345),
    ],
)
def test_local_is_time_in_our_zone_without_the_fraction(zone, minutes):
    fields = told(zone=zone)
    utc = datetime.datetime.fromisoformat(fields["time"].replace("Z", "+00:00"))
    there = datetime.timezone(datetime.timedelta(minutes=minutes))
    assert fields["local"] == utc.astimezone(there).replace(microsecond=0).isoformat()


def test_it_is_the_servers_time_and_not_ours():
    fields = told("1999-12-31T23:00:00+00:00", "CET-1")
    assert fields["local"].startswith("2000-01-01T00:00:0")


def test_summer_is_an_hour_ahead():
    zone = "CET-1CEST,M3.5.0,M10.5.0/3"  # tzset(3): between the last Sundays of March and October
    assert told("2027-07-01T12:00:00+00:00", zone)["local"].startswith("2027-07-01T14:00:0")
    assert told("2027-01-01T12:00:00+00:00", zone)["local"].endswith("+01:00")
