"""The page of tcp/www in a real browser: headless Chromium, driven by Selenium."""

import json
import re

import peer_servers
import pytest
from browser import by, chromium, traffic
from harness import Program, eventually

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def site():
    server = Program("tcp/web", 0)
    server.logged("listening on ")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


class Page:
    def __init__(self, browser, site):
        self.browser = browser
        self.site = f"http://127.0.0.1:{site.port}"
        browser.get_log("performance")  # those of the pages before
        browser.get_log("browser")
        browser.get(self.site + "/")

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def ask(self, a, b):
        for name, text in (("a", a), ("b", b)):
            field = self.find(f"#{name}")
            field.clear()
            field.send_keys(text)
        self.find("button").click()

    def text(self, selector):
        return self.find(selector).text


@pytest.fixture
def page(browser, site):
    return Page(browser, site)


def test_the_front_page_leads_to_the_static_one(page):
    assert page.browser.current_url == page.site + "/static/index.html"
    assert page.browser.title == "Une somme"


def test_type_click_and_read_the_sum(page):
    page.ask("2", "0.5")
    eventually(lambda: page.text("#somme") == "2.5")
    assert page.text("#erreur-a") == page.text("#erreur-b") == page.text("#erreur") == ""


def test_a_comma_is_a_point_in_french(page):
    page.ask("0,1", "0,2")
    eventually(lambda: page.text("#somme") == "0.30000000000000004")


@pytest.mark.parametrize(
    "a, b, wrong", [("deux", "1", "a"), ("1", "0x10", "b"), ("", "1", "a"), ("1", "1e999", "b")]
)
def test_an_error_is_shown_beside_its_number_and_goes_when_it_is_mended(page, a, b, wrong):
    page.ask(a, b)
    eventually(lambda: page.text(f"#erreur-{wrong}").startswith(wrong + " "))
    right = "b" if wrong == "a" else "a"
    assert page.text(f"#erreur-{right}") == page.text("#erreur") == ""
    assert page.find(f"#{wrong}").get_attribute("aria-invalid") == "true"
    assert page.browser.switch_to.active_element == page.find(f"#{wrong}")
    page.ask("1", "1")
    eventually(lambda: page.text("#somme") == "2")
    assert page.text(f"#erreur-{wrong}") == ""
    assert page.find(f"#{wrong}").get_attribute("aria-invalid") == "false"


def test_an_error_of_neither_number_is_shown_below(page):
    page.ask("1e308", "1e308")
    eventually(lambda: page.text("#erreur") == "la somme est trop grande")
    assert page.text("#erreur-a") == page.text("#erreur-b") == ""


def test_enter_asks_too(page):
    page.find("#a").send_keys("40")
    page.find("#b").send_keys("2\n")
    eventually(lambda: page.text("#somme") == "42")


def test_a_server_that_has_gone_is_an_error_on_the_page(browser):
    server = Program("tcp/web", 0)
    server.logged("listening on ")
    page = Page(browser, server)
    server.stop()
    page.ask("1", "1")
    eventually(lambda: page.text("#erreur") == "le serveur ne répond pas")


def test_the_page_asks_nobody_else_and_finds_all_it_asks_for(page):
    page.ask("1", "1")
    eventually(lambda: page.text("#somme") == "2")
    asked, statuses = traffic(page.browser)
    assert page.site + "/static/calcul.js" in asked
    assert all(url.startswith(page.site + "/") for url in asked), asked
    assert statuses <= {200, 304}
    assert [entry for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("name", ["tcp/web", *peer_servers.WEB])
def test_each_server_has_the_whole_site_and_its_sum(browser, name):
    """In shell, Python, Flask, FastAPI, Node and Express: the page, its style, its JavaScript,
    which asks /api/calcul."""
    server = peer_servers.start(name)
    page = Page(browser, server)
    assert page.browser.current_url == page.site + "/static/index.html"
    page.ask("0,1", "0,2")
    eventually(lambda: page.text("#somme") == "0.30000000000000004")
    files = ("index.html", "style.css", "calcul.js", "icon.svg")
    expected = {f"{page.site}/static/{file}" for file in files}
    expected.add(f"{page.site}/api/calcul?a=0.1&b=0.2")
    answered = {}

    def all_are_answered():  # the browser may ask for the icon when it has shown the sum
        for entry in page.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.responseReceived":
                response = message["params"]["response"]
                if response["url"].startswith("http"):  # not of its own new tab
                    answered[response["url"]] = response["status"]
        return expected <= set(answered)

    eventually(all_are_answered)
    assert set(answered) == expected
    assert set(answered.values()) <= {200, 304}
    page.ask("deux", "1")
    eventually(lambda: page.text("#erreur-a").startswith("a "))
    server.stop()


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_can_be_read_by_day_and_by_night(page, dark):
    by(page.browser, night=dark, width=320, deviceScaleFactor=2, mobile=True)
    try:
        page.ask("1e308", "-1.2345678901234567e-300")
        eventually(lambda: page.text("#somme") == "1e+308")
        assert page.browser.execute_script("return document.documentElement.scrollWidth") == 320
        for selector in ("h1", "label", "button", "#somme", ".question"):
            assert contrast(page, selector) >= 4.5, selector  # WCAG 2, 1.4.3
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(page, selector):
    """The contrast ratio of an element's text (WCAG 2)."""
    colours = page.browser.execute_script(
        """let element = document.querySelector(arguments[0]), ground;
        const text = getComputedStyle(element).color;
        do ground = getComputedStyle(element).backgroundColor;
        while (/, 0\\)$/.test(ground) && (element = element.parentElement));
        return [text, ground];""",
        selector,
    )

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted(map(luminance, colours))
    return (light + 0.05) / (dark + 0.05)


def test_each_field_has_its_label_and_its_error(page):
    for name in ("a", "b"):
        assert page.find(f"label[for={name}]").text.endswith(name)
        assert page.find(f"#{name}").get_attribute("aria-describedby") == f"erreur-{name}"
        assert page.find(f"#erreur-{name}").get_attribute("role") == "alert"
    assert page.find("html").get_attribute("lang") == "fr"
