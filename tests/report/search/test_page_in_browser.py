"""The page in a real browser, opened from disk."""

import base64
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kpbench.report.search.page import render
from kpbench.whole_file import write_whole
from tests.study_rows import examples, study, tuned_rows

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = (360, 800, 1600)
HOSTILE = "</script><img src=http://127.0.0.1:9/x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing = "chromium or chromedriver is missing (Debian: apt install chromium chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    found.get("about:blank")
    found.get_log("performance")
    yield found
    found.quit()


def open_page(browser, path: Path, *, width: int, dark: bool = False) -> None:
    """Opens a file at a width in CSS pixels and waits until its plots are drawn."""
    show_page(browser, path, width=width, dark=dark)
    wait_for(browser, "return document.documentElement.dataset.plots === 'drawn'")


def show_page(browser, path: Path, *, width: int = 800, dark: bool = False) -> None:
    """Opens a file at a width in CSS pixels."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(path.as_uri())


def wait_for(browser, script: str) -> None:
    """Waits until a script in the page returns true."""
    end = time.monotonic() + 60
    while not browser.execute_script(script):
        assert time.monotonic() < end, f"{script} stays false: {browser.get_log('browser')}"
        time.sleep(0.05)


def requests(browser) -> list[str]:
    """The addresses the browser asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def errors(browser) -> list[str]:
    """The errors on the console since the last call."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


PLOT_SIZES = """
return Array.from(document.querySelectorAll('.plot')).map(div => {
  const drawing = div.querySelector('svg.main-svg, canvas');
  const box = drawing ? drawing.getBoundingClientRect() : {width: 0, height: 0};
  const marks = div.querySelectorAll('.trace path, .trace circle').length;
  return [div.id, box.width, box.height, marks];
});
"""


@pytest.mark.parametrize(("count", "widths"), [(0, WIDTHS[:1]), (1, WIDTHS[:1]), (250, WIDTHS)])
def test_the_page_from_disk(browser, tmp_path, count, widths):
    rows = tuned_rows(count) if count > 1 else tuned_rows(count, finals=0) if count else []
    found = study(rows, name=f"study {HOSTILE}")
    if count > 1:
        found = replace(found, examples=examples(each=4), title=HOSTILE, floor={HOSTILE: {"val": 90.0, "test": 91.0}})
    path = tmp_path / "report ü.html"
    write_whole(path, render(found))
    for width in widths:
        open_page(browser, path, width=width, dark=width == 800)
        assert not errors(browser)
        asked = requests(browser)
        assert path.as_uri() in asked
        assert all(address.startswith(("file:", "data:", "blob:")) for address in asked), asked
        sizes = browser.execute_script(PLOT_SIZES)
        assert len(sizes) >= (9 if count > 1 else 3 * bool(count))
        assert all(wide > 100 and high > 60 and marks for _, wide, high, marks in sizes), sizes
        across = browser.execute_script("return document.documentElement.scrollWidth")
        assert across <= width, f"the page is {across} pixels wide in a window of {width}"


def test_a_request_would_be_seen_and_is_blocked(browser, tmp_path):
    """The two checks above can fail: a picture from elsewhere shows up as a request or as an error."""
    path = tmp_path / "report.html"
    html = render(study([]))
    write_whole(path, html.replace("</main>", '<img src="http://127.0.0.1:9/x.png"></main>'))
    open_page(browser, path, width=800)
    assert errors(browser)


NO_PLOTS = "return document.getElementById('no-plots').checkVisibility()"


def test_a_browser_that_cannot_unpack_shows_the_tables_and_says_why_there_is_no_plot(browser, tmp_path):
    path = tmp_path / "report.html"
    write_whole(path, render(study(tuned_rows(20))))
    source = {"source": "delete window.DecompressionStream"}
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    try:
        show_page(browser, path)
        wait_for(browser, NO_PLOTS)
        assert not errors(browser)
        assert "plots need a newer browser" in browser.execute_script("return document.body.innerText")
        assert browser.execute_script("return document.querySelector('table.board').checkVisibility()")
        assert not browser.execute_script("return document.querySelectorAll('.plot svg').length")
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    open_page(browser, path, width=800)
    assert not browser.execute_script(NO_PLOTS)


def test_the_browser_runs_no_library_but_the_one_that_the_policy_names(browser, tmp_path):
    path = tmp_path / "report.html"
    html = render(study(tuned_rows(20)))
    write_whole(path, html.replace("script-src &#39;sha256-", "script-src &#39;sha256-0", 1))
    show_page(browser, path)
    wait_for(browser, NO_PLOTS)
    assert any("Content Security Policy" in message for message in errors(browser))
    assert browser.execute_script("return typeof Plotly") == "undefined"


def test_the_page_prints_on_paper(browser, tmp_path):
    path = tmp_path / "report.html"
    write_whole(path, render(study(tuned_rows(20))))
    open_page(browser, path, width=1600, dark=True)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return [...document.querySelectorAll('nav, .tools, .copy, .skip')].some(one => one.checkVisibility())"
    assert not browser.execute_script(shown)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return document.querySelector('#again pre').checkVisibility()")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert not errors(browser)
