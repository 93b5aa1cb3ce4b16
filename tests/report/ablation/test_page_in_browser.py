"""The page of an ablation in a real browser, opened from disk."""

import pytest

from kpbench.whole_file import write_whole
from tests.ablation_rows import CROSSED
from tests.report.ablation.test_page import page_of
from tests.report.search.test_page_in_browser import PLOT_SIZES, WIDTHS, browser, errors, open_page, requests

__all__ = ["browser"]

pytestmark = pytest.mark.browser

STUDIES = {
    "crossed": ({"factors": CROSSED, "crossed": True, "diverged": [(2, 3)]}, 17),
    "one factor": ({"seeds": 16}, 8),
    "nothing yet": ({"runs": 0}, 0),
}


@pytest.mark.parametrize(("options", "plots"), STUDIES.values(), ids=STUDIES)
def test_the_page_from_disk(browser, tmp_path, options, plots):
    path = tmp_path / "report ü.html"
    write_whole(path, page_of(tmp_path / "study", **options))
    for width in WIDTHS:
        open_page(browser, path, width=width, dark=width == 800)
        assert not errors(browser)
        asked = requests(browser)
        assert path.as_uri() in asked
        assert all(address.startswith(("file:", "data:", "blob:")) for address in asked), asked
        sizes = browser.execute_script(PLOT_SIZES)
        assert len(sizes) == plots
        assert all(wide > 100 and high > 60 and marks for _, wide, high, marks in sizes), sizes
        across = browser.execute_script("return document.documentElement.scrollWidth")
        assert across <= width, f"the page is {across} pixels wide in a window of {width}"
