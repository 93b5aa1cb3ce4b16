"""The page of a verification in a real browser, opened from disk."""

import pytest

from kpbench.analysis.verify import read_verification
from kpbench.report.verify.page import render_verify
from kpbench.whole_file import write_whole
from tests.report.search.test_page_in_browser import PLOT_SIZES, WIDTHS, browser, errors, open_page, requests
from tests.report.verify.test_page import STATES
from tests.verify_rows import verify_folder

__all__ = ["browser"]

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("state", "plots"), [("turned", 3), ("partial", 0)])
def test_the_page_from_disk(browser, tmp_path, state, plots):
    path = tmp_path / "report.html"
    write_whole(path, render_verify(read_verification(verify_folder(tmp_path / "v", **STATES[state]))))
    for width in WIDTHS:
        open_page(browser, path, width=width, dark=width == 800)
        assert not errors(browser)
        assert all(address.startswith(("file:", "data:", "blob:")) for address in requests(browser))
        sizes = browser.execute_script(PLOT_SIZES)
        assert len(sizes) == plots
        assert all(wide > 100 and high > 60 and marks for _, wide, high, marks in sizes), sizes
        across = browser.execute_script("return document.documentElement.scrollWidth")
        assert across <= width, f"the page is {across} pixels wide in a window of {width}"
