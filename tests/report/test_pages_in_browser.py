"""Every kind of page in a real browser at three widths, light and dark: nothing asked for, nothing broken, usable."""

import csv
import io
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import axe_core_python
import pytest

from kpbench.analysis.verify import read_verification
from kpbench.cli.report_index import write_index
from kpbench.report.beside import Beside, layer_table
from kpbench.report.search.page import render
from kpbench.report.verify.page import render_verify
from kpbench.whole_file import write_whole
from tests.ablation_rows import CROSSED, study_folder
from tests.report.ablation.test_page import page_of
from tests.report.search.test_page import HOSTILE_STUDIES
from tests.report.search.test_page_in_browser import browser, errors, open_page, requests, show_page, wait_for
from tests.report.test_replay import page as replay_of_planted
from tests.report.verify.test_page import STATES
from tests.study_rows import examples, grid_rows, study, tuned_rows
from tests.verify_rows import verify_folder

__all__ = ["browser"]

pytestmark = pytest.mark.browser

QUICK = ((390, False), (1280, True))
"""Widths and themes of `make test`; CI has the others too."""

LAYERS = [("0", "Conv2d 3x3", (16, 96, 96), 144), ("1", "Linear", (30,), 3870)]
PAGES = {
    "search": lambda folder: render(
        replace(study(grid_rows()), examples=examples(each=2)), Beside("", False, layer_table(LAYERS))
    ),
    "tuned": lambda folder: render(study(tuned_rows(120))),
    "ablation": lambda folder: page_of(folder / "a", factors=CROSSED, crossed=True, diverged=[(2, 3)]),
    "replay": lambda folder: replay_of_planted(),
    "verification": lambda folder: render_verify(read_verification(verify_folder(folder / "v", **STATES["turned"]))),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Name -> the file of that page, written once."""

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        write_whole(folder / "report.html", PAGES[name](folder))
        return folder / "report.html"

    return made


def serious(browser) -> list[str]:
    """What axe-core finds in the page that it calls serious or critical."""
    browser.execute_script((Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    run = "const done = arguments[0]; axe.run().then(found => done(found.violations))"
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:300]} {one['nodes'][0].get('failureSummary')}"
        for one in browser.execute_async_script(run)
        if one["impact"] in ("serious", "critical")
    ]


def assert_sound(browser, width: int) -> None:
    assert not errors(browser)
    asked = requests(browser)
    assert asked and all(address.startswith(("file:", "data:", "blob:")) for address in asked), asked
    across = browser.execute_script("return document.documentElement.scrollWidth")
    assert across <= width, f"the page is {across} pixels wide in a window of {width}"


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(width, dark, marks=() if (width, dark) in QUICK else pytest.mark.slow, id=f"{width}-{name}")
        for width in (390, 1280, 2560)
        for dark, name in ((False, "light"), (True, "dark"))
    ],
)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_at_each_width(browser, page, name, width, dark):
    open_page(browser, page(name), width=width, dark=dark)
    browser.execute_script("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    browser.execute_script("document.querySelectorAll('.tools [aria-expanded=false]').forEach(one => one.click())")
    assert_sound(browser, width)
    assert not serious(browser)


def rows_of(browser, place: str) -> list[list[str]]:
    script = f"""return [...document.querySelector('{place} table.board').tBodies[0].rows].filter(row => !row.hidden)
        .map(row => [...row.cells].map(cell => cell.textContent.trim()))"""
    return browser.execute_script(script)


def click(browser, script: str) -> None:
    browser.execute_script(f"{script}.click()")


def test_a_table_sorts_by_number_both_ways_and_back(browser, page):
    open_page(browser, page("ablation"), width=1280)
    before = rows_of(browser, "#means")
    button = "document.querySelectorAll('#means thead .sort')[1]"
    orders = []
    for _ in range(3):
        click(browser, button)
        sort = browser.execute_script(f"return {button}.closest('th').getAttribute('aria-sort')")
        orders.append((sort, [row[1] for row in rows_of(browser, "#means")]))
    scores = sorted((row[1] for row in before), key=lambda text: float(text.replace(",", "")))
    assert orders[:2] == [("ascending", scores), ("descending", scores[::-1])]
    assert orders[2] == (None, [row[1] for row in before])


def test_a_filter_leaves_the_rows_with_every_word(browser, page):
    open_page(browser, page("ablation"), width=1280)
    field = "document.querySelector('#means input')"
    type_in = f"{field}.value = arguments[0]; {field}.dispatchEvent(new Event('input'))"
    every = rows_of(browser, "#means")
    browser.execute_script(type_in, "norm spatial")
    left = rows_of(browser, "#means")
    assert 0 < len(left) < len(every) and all("norm" in row[0] and "spatial" in row[0] for row in left)
    told = browser.execute_script("return document.querySelector('#means [role=status]').textContent")
    assert told == f"{len(left)} of {len(every)}"
    browser.execute_script(type_in, "")
    assert rows_of(browser, "#means") == every


def test_the_contrast_table_folds_what_is_read_last(browser, page):
    open_page(browser, page("ablation"), width=1280)
    seen = """return [...document.querySelectorAll('#effects table thead th')].filter(th => th.checkVisibility())
        .map(th => th.textContent)"""
    few = browser.execute_script(seen)
    assert few[:1] == ["Contrast"] and "p adjusted" in few and "d_z" not in few
    wide = "const box = document.querySelector('#effects .scroll'); return box.scrollWidth <= box.clientWidth"
    assert browser.execute_script(wide)
    click(browser, "document.querySelector('#effects .tools button')")
    assert "d_z" in browser.execute_script(seen)


def test_a_table_downloads_as_csv(browser, page, tmp_path):
    open_page(browser, page("ablation"), width=1280)
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    click(browser, "document.querySelectorAll('#effects .tools button')[1]")
    end = time.monotonic() + 20
    while not (found := list(tmp_path.glob("*.csv"))):
        assert time.monotonic() < end, "nothing was downloaded"
        time.sleep(0.05)
    lines = list(csv.reader(io.StringIO(found[0].read_text(encoding="utf-8-sig"))))
    assert found[0].name == "table-of-contrasts.csv"
    assert len(lines[0]) == 23 and lines[0][:2] == ["Contrast", "Verdict"]  # folded columns too
    assert [line[0] for line in lines[1:]] == [row[0] for row in rows_of(browser, "#effects")]
    assert not errors(browser)


def test_a_link_of_the_contents_opens_what_is_folded_and_the_paragraph_is_copied(browser, page):
    open_page(browser, page("ablation"), width=1280)
    fold = "return document.querySelector('#methods details').open"
    assert not browser.execute_script(fold)
    click(browser, "document.querySelector('nav a[href=\"#methods\"]')")
    wait_for(browser, fold)
    click(browser, "document.querySelector('#conclusion .copy')")
    wait_for(browser, "return document.querySelector('#conclusion .copy').textContent === 'Copied'")
    assert not errors(browser)


def test_the_first_column_stays_on_a_telephone(browser, page):
    open_page(browser, page("ablation"), width=390)
    script = """const box = document.querySelector('#ranks .scroll'), left = (one) => one.getBoundingClientRect().left;
        box.scrollLeft = 200; return [box.scrollLeft, left(box.querySelector('tbody th')) - left(box)]"""
    moved, left = browser.execute_script(script)
    assert moved > 50 and abs(left) < 2


def test_the_keyboard_reaches_the_evidence_first(browser, page):
    from selenium.webdriver.common.keys import Keys

    open_page(browser, page("search"), width=1280)
    browser.switch_to.active_element.send_keys(Keys.TAB)
    focus = "return [document.activeElement.className, getComputedStyle(document.activeElement).outlineStyle]"
    assert browser.execute_script(focus) == ["skip", "solid"]
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(browser, "return document.activeElement.id === 'main'")


def test_a_running_study_asks_for_its_own_file_and_a_finished_one_does_not(browser, tmp_path):
    path = tmp_path / "report.html"
    write_whole(path, render(study(grid_rows()), Beside("Running: 1 of 3 trials.", True)))
    show_page(browser, path)
    assert "Running: 1 of 3 trials." in browser.execute_script("return document.body.innerText")
    count = "return document.querySelectorAll('meta[http-equiv=refresh]').length"
    assert browser.execute_script(count) == 1
    write_whole(path, render(study(grid_rows())))
    show_page(browser, path)
    assert browser.execute_script(count) == 0


@pytest.mark.parametrize("name", HOSTILE_STUDIES)
def test_a_hostile_study_gives_a_sound_page(browser, tmp_path, name):
    path = tmp_path / "report.html"
    write_whole(path, render(HOSTILE_STUDIES[name]()))
    for width, dark in ((390, False), (1280, True)):
        open_page(browser, path, width=width, dark=dark)
        assert_sound(browser, width)
        assert browser.execute_script("return typeof alerted") == "undefined"
    if name != "five thousand trials":
        assert not serious(browser)


def test_the_page_over_several_studies(browser, tmp_path):
    study_folder(tmp_path / "norms")
    study_folder(tmp_path / "half", runs=14)
    path = write_index([], tmp_path, tmp_path, None, faces=False)
    for width, dark in ((390, False), (1280, True), (2560, False)):
        show_page(browser, path, width=width, dark=dark)
        assert_sound(browser, width)
        assert not serious(browser)
    click(browser, "document.querySelectorAll('#studies thead .sort')[0]")
    assert [row[0] for row in rows_of(browser, "#studies")] == ["half", "norms"]
    click(browser, "document.querySelector('a[href=\"norms/report.html\"]')")
    wait_for(browser, "return document.documentElement.dataset.plots === 'drawn'")
