"""make read: the notes as a site, served by tcp/web, in a real browser."""

import html
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from browser import by, chromium, traffic
from harness import ROOT, Program, eventually, peer
from test_notes import waiting_for
from wants import lacking

pytestmark = pytest.mark.thorough

FOLDER = ROOT / "build/read"
PHONE = dict(width=360, mobile=True)
PROJECTOR = dict(width=1280)
LOOK = """
const look = page => ({
    links: [...page.links].map(a => new URL(a.getAttribute("href"), page.address).href),
    anchors: [...page.querySelectorAll("[id]")].map(e => e.id),
    pictures: [...page.images].map(i => [new URL(i.getAttribute("src"), page.address).href, i.alt]),
    scripts: page.scripts.length, title: page.title, language: page.documentElement.lang,
});
const done = arguments[arguments.length - 1], seen = {};
Promise.all(arguments[0].map(async url => {
    const page = new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
    page.address = url;
    seen[url] = look(page);
})).then(() => done(seen), error => done(String(error)));
"""
# Rules of axe that are about a whole site of another kind than ours, or about no reader of it:
# a region for the few words beside main and nav.
NOT_OURS = ["region"]
AXE = f"""
const done = arguments[arguments.length - 1];
axe.run(document, {{
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    rules: {json.dumps({rule: {"enabled": False} for rule in NOT_OURS})},
    resultTypes: ["violations"], iframes: false, performanceTimer: false,
}}).then(found => done(found.violations.map(v =>
    [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary])),
    error => done([["axe itself", 0, String(error), ""]]));
"""


@pytest.fixture(scope="module")
def made():
    peer("pandoc")
    # The first of the workers that run side by side makes it, for all.
    run, made_in = os.environ.get("PYTEST_XDIST_TESTRUNUID"), ROOT / "build/read-made-in"
    with waiting_for("read"):
        if run is None or not made_in.exists() or made_in.read_text() != run:
            subprocess.run([sys.executable, "notes/site/build.py"], cwd=ROOT, check=True, timeout=280)
            made_in.write_text(str(run))
    return FOLDER


@pytest.fixture(scope="module")
def site(made):
    server = Program("tcp/web", "-d", made, 0)
    server.logged("listening on ")
    yield f"http://127.0.0.1:{server.port}/static/"
    server.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        driver.set_script_timeout(120)
        yield driver


@pytest.fixture(scope="module")
def axe():
    """The accessibility checker, in the version whose content the lock file names."""
    peer("npm")
    folder = ROOT / "build/axe"
    with waiting_for("axe"):
        program = folder / "node_modules/axe-core/axe.min.js"
        if not program.exists():
            shutil.copytree(ROOT / "tests/support/axe", folder, dirs_exist_ok=True)
            words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            ended = subprocess.run(words, cwd=folder, capture_output=True, text=True)
            if re.search("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH", ended.stderr):
                lacking("npm reaches no registry from here: the pages are not checked by axe")
            assert ended.returncode == 0, ended.stderr
    return program.read_text()


def pages(folder, pattern):
    return sorted(str(file.relative_to(folder)) for file in folder.glob(pattern))


def test_each_link_and_each_picture_of_each_page_leads_somewhere(made, site, browser):
    browser.get(site + "index.html")
    seen = browser.execute_async_script(LOOK, [site + page for page in pages(made, "**/*.html")])
    assert len(seen) > 200
    pictures = set()
    for page, look in seen.items():
        assert look["scripts"] == 0, f"{page} wants JavaScript"
        assert look["language"] in ("fr", "en") and look["title"], page
        for picture, told in look["pictures"]:
            pictures.add(picture)
            assert told, f"{page}: {picture} is not told in words"
        for link in look["links"]:
            to, anchor = urldefrag(link)
            if to.startswith(site):
                assert to in seen, f"{page} leads to {to}, which is no page"
                assert not anchor or unquote(anchor) in seen[to]["anchors"], f"{page}: {link}"
            else:
                assert re.match("https?://", link), link
    assert len(pictures) >= 16
    shown = browser.execute_async_script(
        """const done = arguments[1];
        Promise.all(arguments[0].map(async url => {
            const picture = new Image();
            picture.src = url;
            await picture.decode();
            return picture.naturalWidth;
        })).then(done, error => done(String(error)));""",
        sorted(pictures),
    )
    assert isinstance(shown, list) and all(shown), shown


def long_code(made):
    """The pages of code that have most to show in a line."""
    code = pages(made, "code/**/*.html")
    wide = max(code, key=lambda page: max(map(len, (made / page).read_text().split("\n"))))
    return [wide, max(code, key=len), "code/index.html", "code/tcp/web.cpp.html", "code/LICENSE.html"]


@pytest.mark.parametrize("screen", [PROJECTOR, PHONE], ids=["projector", "phone"])
def test_no_page_is_wider_than_its_screen_nor_asks_another_machine(made, site, browser, screen):
    traffic(browser)  # what another test has asked for
    by(browser, **screen)
    for page in [*pages(made, "*.html"), *pages(made, "[ef][rn]/*.html"), *long_code(made)]:
        browser.get(site + page)
        too_wide = browser.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert too_wide <= 0, f"{page}, by {too_wide} pixels"
        # A session goes on in a second line, unless it draws; a drawing of calls, on a projector, fits
        # into one.
        cut_off = browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent.slice(0, 200))",
            ".console:not(:has(.drawn))" if screen is PHONE else "pre:not(.lines)",
        )
        assert not cut_off, f"{page}: {cut_off}"
    asked, statuses = traffic(browser)
    assert asked and all(url.startswith(site) for url in asked), asked
    assert statuses <= {200, 304}


def test_the_letters_of_a_picture_can_be_read_on_a_phone(made, site, browser):
    """A picture that is wider than the screen is moved in its own box. Ladders are as wide as the screen."""
    by(browser, **PHONE)
    for page in ("tcp", "echo", "generations", "ntp", "forward", "broadcast", "unix_domain"):
        browser.get(f"{site}fr/{page}.html")
        shown = browser.execute_script(
            "return [...document.images].map(i => [i.getAttribute('src'), i.clientWidth, "
            "getComputedStyle(i.parentNode).overflowX])"
        )
        assert shown
        for picture, width, overflow in shown:
            least = 340 if "/see/" in picture else 540
            assert width >= least and overflow == "auto", f"{page}: {picture}, {width}, {overflow}"


def test_a_table_without_its_first_column_has_the_names_of_the_others(made):
    """On a phone each cell has the name of its column before it; an errno is a line across."""
    for language in ("fr", "en"):
        text = (made / language / "errors.html").read_text()
        table = next(t for t in re.findall("<table.*?</table>", text, re.DOTALL) if "EACCES" in t)
        head, body = table.split("</thead>")
        names = re.findall("<th>(.*?)</th>", head)
        assert len(names) == 4
        rows = [re.findall('data-column="([^"]*)"', row) for row in re.findall("<tr>.*?</tr>", body, re.DOTALL)]
        assert len(rows) > 100 and all(list(map(html.unescape, row)) == names for row in rows)
        groups = re.findall('<tr class="group"><td colspan="4"><strong>(.*?)</strong>', body)
        assert len(groups) > 10 and len(set(groups)) == len(groups)


def test_a_prompt_is_that_of_a_terminal(made):
    """The name before a colon in a session is a terminal's, or that of the program that says something."""
    prompts = set()
    for page in (made / "en").glob("*.html"):
        prompts |= {*re.findall(r'<span class="prompt">(\w+): </span>', page.read_text())}
    assert "server" in prompts and not prompts & {"Date", "Connection", "ls", "tcpdump", "usage"}


def test_a_command_goes_on_in_a_shell_that_was_typed_into(made):
    """Without its prompt: what is copied would write into a file that has the name of a program."""
    page = (made / "en/tcp.html").read_text()
    assert '<span class="prompt">&gt; </span><kbd>| grep --line-buffered' in page


def test_the_way_in_is_where_the_server_leads(made, site):
    connection = http.client.HTTPConnection(urlsplit(site).netloc)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (302, "/static/index.html")
    door = (made / "index.html").read_text()
    assert 'href="fr/index.html"' in door and 'href="en/index.html"' in door


def test_every_note_is_in_the_list_and_comes_after_another(made):
    """A new note is found by itself."""
    for language, notes in (("fr", ROOT / "notes/fr"), ("en", ROOT / "notes")):
        names = {path.stem for path in notes.glob("*.md")} - {"README"} | {"index", "notes"}
        page, found = "index", []
        while page:
            found.append(page)
            text = (made / language / f"{page}.html").read_text()
            menu = text.partition('<nav id="menu"')[2]
            listed = re.findall(r'<li><a href="(\w+)\.html"', menu)
            assert names <= {*listed}
            assert re.search(rf'<a href="{page}.html" aria-current="page">', menu)
            after = re.search(r'<a rel="next" href="(\w+)\.html"', text)
            page = after and after[1]
        assert sorted(found) == sorted(names)


@pytest.mark.parametrize(
    "names, night",
    [("fr/*.html", False), ("en/[inst]*.html", True)],
    ids=["day", "night"],
)
def test_axe_finds_nothing_to_complain_of(made, site, browser, axe, names, night):
    """Contrast, headings, names of links, text for pictures, what only a mouse could reach. English
    has the pages and the style of French; by night, those pages that have most kinds of things."""
    by(browser, night=night, **(PHONE if night else PROJECTOR))
    for page in ["index.html", *pages(made, names), *long_code(made)]:
        if page.endswith("/book.html"):  # the same once more
            continue
        browser.get(site + page)
        browser.execute_script(axe)
        found = browser.execute_async_script(AXE)
        assert not found, f"{page}: " + "\n".join(map(str, found))


@pytest.mark.parametrize("screen", [PROJECTOR, PHONE], ids=["projector", "phone"])
def test_the_switch_stays_on_the_section_that_is_read(site, browser, screen):
    by(browser, **screen)
    browser.get(site + "fr/echo.html#vu-du-noyau")
    # Somewhere in the section, its heading out of sight.
    browser.execute_script("scrollBy(0, 500)")
    switch = browser.execute_script(
        """const right = document.querySelector("header").getBoundingClientRect().right;
        return document.elementFromPoint(right - 20, 24);"""
    )
    assert switch.text == "English"
    switch.click()
    assert browser.current_url == site + "en/echo.html#seen-from-the-kernel"
    top = browser.execute_script(
        "return document.getElementById('seen-from-the-kernel').getBoundingClientRect().top"
    )
    assert 0 <= top < 200
    browser.find_element("css selector", "#seen-from-the-kernel > .switch").click()
    assert unquote(browser.current_url) == site + "fr/echo.html#vu-du-noyau"


def test_what_is_copied_of_a_session_has_no_prompt(site, browser):
    from selenium.webdriver.common.keys import Keys

    by(browser, **PROJECTOR)
    browser.get(site + "fr/start.html")
    browser.execute_script(
        """const session = [...document.querySelectorAll(".console")].find(
            e => e.textContent.includes("second$"));
        getSelection().selectAllChildren(session);
        const field = document.createElement("textarea");
        field.id = "pasted";
        document.body.append(field);"""
    )
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).key_down(Keys.CONTROL).send_keys("c").key_up(Keys.CONTROL).perform()
    field = browser.find_element("id", "pasted")
    field.send_keys(Keys.CONTROL, "v")
    copied = field.get_attribute("value")
    assert copied.splitlines()[:3] == [
        "build/tcp/server", "listening on 127.0.0.1:9090", "build/tcp/client 127.0.0.1 9090",
    ]  # fmt: skip
    assert "$ " not in copied and "second>" not in copied and "server:" not in copied


def test_a_link_to_code_leads_to_its_line_coloured(site, browser):
    by(browser, **PROJECTOR)
    browser.get(site + "fr/start.html")
    link = browser.find_element("partial link text", "tcp/server.cpp, ligne")
    number = link.text.split()[-1]
    link.click()
    assert browser.current_url == f"{site}code/tcp/server.cpp.html#L{number}"
    line = browser.find_element("id", f"L{number}")
    shown = (ROOT / "tcp/server.cpp").read_text().splitlines()[int(number) - 1]
    assert line.text.strip() == shown.strip()
    colours = browser.execute_script(
        "return new Set([...document.querySelectorAll('.lines span')]"
        ".map(e => getComputedStyle(e).color)).size"
    )
    assert colours > 4
    assert browser.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "return 0 <= box.top && box.bottom <= innerHeight", line)  # fmt: skip


def test_twelve_slides_fill_the_screen_and_the_space_bar_turns_them_over(site, browser):
    from selenium.webdriver.common.action_chains import ActionChains

    by(browser, width=1280, height=720)
    browser.get(site + "fr/slides.html")
    slides = browser.execute_script(
        """return [...document.querySelectorAll(".slide")].map(slide => {
            const below = [...slide.children].filter(e => !e.matches(".turn"))
                .map(e => e.getBoundingClientRect().bottom);
            const turn = slide.querySelector(".turn").getBoundingClientRect();
            return [slide.clientHeight, Math.max(...below) <= turn.top, slide.scrollWidth <= slide.clientWidth];
        });"""
    )
    assert len(slides) == 12
    for number, (height, fits, fits_beside) in enumerate(slides, 1):
        assert height in (719, 720) and fits and fits_beside, f"slide {number}"
    for number in (1, 2, 3):
        ActionChains(browser).send_keys(" ").perform()
        eventually(lambda: browser.execute_script("return scrollY / innerHeight") == number)
    browser.find_element("css selector", "#d4 [rel=next]").click()
    assert browser.current_url.endswith("#d5")
