"""The page of a class (tests/judge/judge --html) in a real browser: on a desk, on a phone, in print."""

import base64
import shlex

import pytest
from harness import ROOT, binary, eventually
from judging import judge
from test_web_browser import browser  # noqa: F401 (a fixture)

pytestmark = pytest.mark.thorough

ZOO = ROOT / "tests/judge/zoo"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    servers = {
        "alice": f"exec {shlex.quote(binary('echo/poll'))} $1",
        "bob": f"exec python3 {ZOO}/echo_bytes_strip.py $1",
        "<b>chloé</b>": "echo '<script>document.title = 1</script>'; exit 1",
    }
    for name, command in servers.items():
        # A name with a slash is none: what is shown has to be escaped all the same.
        (folder / "class" / name.replace("/", "\u2215")).mkdir(parents=True)
        (folder / "class" / name.replace("/", "\u2215") / "run").write_text(
            f"#!/bin/sh\n{command}\n"
        )
    file = folder / "class.html"
    judge("echo", "--visits", 300, "--lang", "fr", "--all", folder / "class", "--html", file)
    return file


@pytest.fixture
def at(browser, page):  # noqa: F811
    """at(WIDTH, FRAGMENT): the page in a window of that width."""

    def open_(width=1200, fragment="", height=900):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        browser.get("about:blank")
        browser.get(page.as_uri() + fragment)
        return browser

    yield open_
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def all_of(browser, selector):  # noqa: F811
    return browser.find_elements("css selector", selector)


def test_a_row_for_each_student_and_a_column_for_each_check(at):
    here = at()
    rows = all_of(here, ".class tbody tr")
    assert [row.find_element("css selector", "th").text for row in rows] == [
        "<b>chloé<∕b>",
        "alice",
        "bob",
    ]
    assert [row.find_element("css selector", "td").text for row in rows] == [
        "0/20",
        "20/20",
        "18/20",
    ]
    assert len(all_of(here, ".class thead th")) == 2 + 18
    assert [cell.text for cell in rows[2].find_elements("css selector", "td.no")] == ["✗", "✗"]
    assert here.title == "Le juge\u202f: echo"  # what a server says is shown, and not run


def test_a_cross_unfolds_the_failure_that_it_stands_for(at):
    here = at()
    failures = all_of(here, "details.failure")
    assert [failure.is_displayed() for failure in failures] == [False, False]
    all_of(here, ".class td.no a[aria-label^=bytes]")[-1].click()
    eventually(lambda: failures[0].is_displayed())
    assert failures[0].get_attribute("open") and not failures[1].get_attribute("open")
    text = failures[0].text
    assert 'envoie "  blancs devant,   au milieu' in text
    assert "Les blancs ont changé" in text and "notes/fr/judge.md#" in text
    # The mark stands below the first difference, whatever the font.
    lines = (
        failures[0].find_element("css selector", "pre").get_attribute("textContent").split("\n")
    )
    assert lines[2].strip() == "^" and lines[0][: lines[2].index("^")].partition('"')[2] == (
        lines[1][: lines[2].index("^")].partition('"')[2]
    )


def test_a_click_folds_and_unfolds(at):
    here = at()
    [bob] = [s for s in all_of(here, "details.student > summary") if s.text.startswith("bob")]
    bob.click()
    failure = all_of(here, "details.failure")[0]
    eventually(failure.is_displayed)
    failure.find_element("css selector", "summary").click()
    eventually(lambda: failure.find_element("css selector", ".likely").is_displayed())
    bob.click()
    eventually(lambda: not failure.is_displayed())


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_runs_over_the_side(at, width):
    here = at(width, "#e2-bytes")
    eventually(lambda: all_of(here, "details.failure")[0].is_displayed())
    assert here.execute_script("return document.documentElement.scrollWidth") <= width
    if width < 600:  # and it is as large as on paper
        size = here.execute_script("return getComputedStyle(document.body).fontSize")
        assert float(size.removesuffix("px")) >= 16


def test_a_print_shows_every_failure(at):
    here = at()
    here.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert all(failure.is_displayed() for failure in all_of(here, "details.failure"))
    printed = base64.b64decode(here.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")


def test_in_print_each_student_has_a_paper_of_their_own(at):
    here = at()
    here.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    breaks = here.execute_script(
        "return [...document.querySelectorAll('.student, h2')].map(e => getComputedStyle(e).breakBefore)"
    )
    here.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert breaks == ["page"] * (3 + 1)  # and the list of the checks is on none of them


def test_it_wants_nothing_from_elsewhere(at, page):
    text = page.read_text()
    assert (
        "<link" not in text
        and "src=" not in text
        and "@import" not in text
        and "url(" not in text
    )
