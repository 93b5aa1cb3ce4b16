"""The documentation as a site, in a real browser from disk: built strictly, it asks for nothing elsewhere."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.report.search.test_page_in_browser import browser, errors, requests, show_page

__all__ = ["browser"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if find_spec("mkdocs") is None:
        missing = "the packages of kpbench[docs] are missing (make docs)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return folder


def pages():
    return sorted(path.stem for path in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", [*pages(), "CONTRIBUTING", "CHANGELOG", "reports/LOG"])
def test_a_page_from_disk_asks_for_nothing_elsewhere(browser, site, page):
    for width, dark in ((390, False), (1280, True)):
        requests(browser)
        show_page(browser, site / f"{page}.html", width=width, dark=dark)
        asked = requests(browser)
        assert asked and all(address.startswith(("file:", "data:", "blob:")) for address in asked)
        assert not errors(browser)
        assert browser.execute_script("return document.querySelector('h1').textContent.length") > 3
        across = browser.execute_script("return document.documentElement.scrollWidth")
        assert across <= width, f"{page} is {across} pixels wide in a window of {width}"


def test_what_lies_outside_of_docs_is_in_the_site(site):
    for path in ("examples/notebook.py", "reports/heads/report.html", "benchmarks/speed/figures.json"):
        assert (site / path).read_bytes() == (ROOT / path).read_bytes()
    assert "reports/heads/report.html" in (site / "findings.html").read_text(encoding="utf-8")


def test_each_name_of_kpbench_is_documented(site):
    import kpbench

    text = (site / "api.html").read_text(encoding="utf-8")
    for name in set(kpbench.__all__) - {"__version__"}:
        assert f'.{name}"' in text and getattr(kpbench, name).__doc__.split(".")[0].split("`")[0] in text, name
