"""The page of `data check` on a telephone: nothing scrolls sideways, four cards are two and two."""

import pytest

from kpbench.faces.checks.checks import run_checks
from kpbench.faces.parts import Parts
from kpbench.report.data.page import check_page
from tests.course_files import blob_faces
from tests.faces.checks.drawn import changed, pool
from tests.report.search.test_page_in_browser import browser, errors, show_page

__all__ = ["browser"]

pytestmark = pytest.mark.browser


def test_a_page_of_many_findings_fits_390_pixels(browser, tmp_path):
    def spoil(images, labels):
        labels[0, 10] = 0
        labels[1] = labels[1, :, ::-1]
        labels[2, 3] = 190
        labels[3, 3, 0] = float("nan")
        images[4] = 7
        labels[5, 10] = labels[5, 13]

    found = pool(Parts(changed(blob_faces(80), spoil), blob_faces(9, seed=1), blob_faces(9, seed=2)))
    findings = run_checks(found)
    assert {"transposed", "far_outside", "at_one_place"} <= {finding.check for finding in findings}
    (tmp_path / "page.html").write_text(check_page("blobs", findings, found, ()), encoding="utf-8")
    show_page(browser, tmp_path / "page.html", width=390)
    assert not errors(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    wide = "return [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
    assert browser.execute_script(wide) == 0
    tops = browser.execute_script(
        "return [...document.querySelectorAll('.tiles > div')].map(one => one.getBoundingClientRect().top)"
    )
    assert len(tops) == 4
    assert tops[0] == tops[1] < tops[2] == tops[3]
