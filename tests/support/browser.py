"""A real browser: headless Chromium, driven by Selenium. It reaches this machine and no other."""

import contextlib
import json

from wants import needs_python_module, peer, proc


@contextlib.contextmanager
def chromium(profile):
    """A browser that keeps its things in the folder `profile`."""
    needs_python_module("selenium")
    proc()  # Chromium does not start without one
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = peer("chromium")
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                 "disable-sync", "disable-background-networking", "disable-component-update",
                 "disable-dev-shm-usage",
                 "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                 f"user-data-dir={profile}"):  # fmt: skip
        options.add_argument("--" + word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(service=Service(peer("chromedriver")), options=options)
    try:
        yield driver
    finally:
        driver.quit()


def by(browser, night=False, **screen):
    """The browser by day or by night, on a screen of that width=..., height=..., mobile=..."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if night else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    screen = {"height": 640, "deviceScaleFactor": 1, "mobile": False, **screen}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def traffic(browser):
    """({what has been asked for}, {status of an answer}) since the last look."""
    asked, statuses = set(), set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            if not (url := message["params"]["request"]["url"]).startswith(("chrome:", "data:")):
                asked.add(url)
        if message["method"] == "Network.responseReceived":
            statuses.add(message["params"]["response"]["status"])
    return asked, statuses
