"""Pages and lines on a data set: everything named, nothing sealed drawn, nothing requested, every text escaped."""

import base64
import re

import numpy as np
import pytest
from PIL import Image

from kpbench.faces.checks.checks import findings_of
from kpbench.faces.checks.overview import overview, sample
from kpbench.faces.checks.pool import Finding, Row
from kpbench.faces.parts import Parts
from kpbench.report.data.page import ALL_PICTURES, FINDINGS, check_page, show_page
from kpbench.report.data.words import NARROW, WIDTH, check_lines, count_by_severity, show_lines
from kpbench.report.face_pictures import png
from tests.course_files import blob_faces
from tests.faces.checks.drawn import changed, pool


def drawn(page: str) -> set[bytes]:
    return {base64.b64decode(text) for text in re.findall(r'href="data:image/png;base64,([^"]+)"', page)}


@pytest.fixture(scope="module")
def spoilt():
    """A pool in which every face of train and test has two keypoints at one place, and its findings."""

    def change(images, labels):
        labels[:, 10] = labels[:, 13]

    found = pool(Parts(changed(blob_faces(60), change), blob_faces(10, seed=1), changed(blob_faces(9, seed=2), change)))
    return found, tuple(findings_of("at_one_place", found))


def test_no_face_of_the_sealed_test_is_on_a_page(spoilt):
    found, findings = spoilt
    sealed = {png(Image.fromarray(found.images[at])) for at in np.flatnonzero(found.split == "test")}
    findings = [*findings, Finding("same_labels", "warning", "two", (Row("train", 1), Row("test", 2)))]
    page = check_page("blobs", findings[::-1], found, ())
    assert png(Image.fromarray(found.images[1])) in drawn(page)
    assert not drawn(page) & sealed
    assert "1 face of the sealed test is not drawn" in page
    assert "at_one_place" in page
    rows = sample(found, 20, seed=0)
    shown = show_page(overview("blobs", found), found, rows, seed=0)
    assert drawn(shown) == {png(Image.fromarray(found.images[at])) for at in rows}
    with pytest.raises(ValueError, match="sealed test"):
        show_page(overview("blobs", found), found, np.flatnonzero(found.split == "test")[:1], seed=0)


def test_a_split_off_test_is_sealed_too():
    found = pool(Parts(changed(blob_faces(60), lambda images, labels: labels[:, 10].fill(0))))
    sealed = {png(Image.fromarray(found.images[at])) for at in np.flatnonzero(found.split == "test")}
    findings = tuple(findings_of("placeholder", found))
    assert sealed
    assert len(findings) == 60
    page = check_page("blobs", findings, found, ())
    assert drawn(page)
    assert not drawn(page) & sealed


def test_long_pages_are_cut_and_say_so(spoilt):
    found, findings = spoilt
    many = [finding for finding in findings if finding.check == "at_one_place"]
    assert len(many) > FINDINGS
    page = check_page("blobs", many, found, ())
    assert f"{len(many) - FINDINGS} further findings" in page
    assert len(drawn(page)) <= ALL_PICTURES


def test_pages_request_nothing_and_escape_every_text(spoilt):
    found, findings = spoilt
    evil = "<script>alert(1)</script>"
    pages = [
        check_page(evil, [*findings, Finding("blank", "error", evil)], found, (evil,)),
        show_page(overview(evil, found, (evil,)), found, sample(found, 3, seed=0), seed=0),
    ]
    for page in pages:
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert "default-src 'none'" in page
        assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
        assert "url(" not in page


def test_lines_fit_a_terminal(spoilt):
    found, findings = spoilt
    checked = list(check_lines("blobs", findings, found, ("a note " * 30,)))
    shown = list(show_lines(overview("blobs", found, ("a note " * 30,))))
    assert max(map(len, checked)) <= WIDTH and max(map(len, shown)) <= NARROW
    text = "\n".join([*checked, *shown])
    assert "train row 0; train row 1; train row 2" in text
    assert re.search(r"warning +at_one_place +69", text)
    assert re.search(r"train +60 +\? +60 rows", text)
    assert re.search(r"nose tip +- +- +- +\d\d\.\d", text)


def test_the_verdict_counts():
    kinds = ["error", "note", "note"]
    assert count_by_severity([Finding("blank", kind, "x") for kind in kinds]) == "1 error, no warning, 2 notes"
