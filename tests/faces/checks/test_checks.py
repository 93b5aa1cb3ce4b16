"""The whole table: every planted fault is found and nothing else, clean faces are clean, real ones are as known."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kpbench.faces.checks.checks import CHECKS, has_errors, run_checks
from kpbench.faces.checks.pool import Row
from kpbench.faces.faces import KEYPOINTS, Faces, mirrored_order
from kpbench.faces.parts import Parts, silent
from kpbench.faces.readers.layouts import read_path
from tests.faces.checks.drawn import SHARES, changed, drawn_faces, given_parts, pool
from tests.faces.real_data import COURSE_ZIP, KAGGLE_ZIP, needs_real_faces

AT = {name: at for at, name in enumerate(KEYPOINTS)}


def found(parts: Parts) -> dict[tuple[str, str], list[tuple[Row, ...]]]:
    """(check, severity) -> rows of each finding."""
    rows: dict[tuple[str, str], list[tuple[Row, ...]]] = {}
    for finding in run_checks(pool(parts)):
        rows.setdefault((finding.check, finding.severity), []).append(finding.rows)
    return rows


def test_clean_drawn_faces_have_no_error_and_no_warning():
    for parts in (given_parts(), Parts(drawn_faces())):
        assert [finding.text for finding in run_checks(pool(parts)) if finding.severity != "note"] == []


def test_every_planted_fault_is_found_and_nothing_else():
    clean = given_parts()
    known = found(clean)
    train_images, train_labels = clean.train.images[:, 0], clean.train.keypoints

    def spoil_train(images, labels):
        images[1], labels[1] = images[0], labels[0] + 2  # a copy with other labels
        labels[2] = labels[2][list(mirrored_order())]  # left and right of the whole face
        pair = [AT["mouth_left_corner"], AT["mouth_right_corner"]]
        labels[3, pair] = labels[3, pair[::-1]]
        images[4], labels[4] = images[4][::-1, ::-1], 95 - labels[4]  # upside down
        labels[5, AT["nose_tip"]] = 0
        labels[6] = 0
        labels[7, AT["nose_tip"]] = labels[7, AT["mouth_center_top_lip"]]
        labels[8, AT["nose_tip"], 0] = 150
        labels[9, AT["mouth_center_bottom_lip"], 1] = 99
        images[10] = 90
        images[11] = np.where(np.indices(images[11].shape).sum(0) < 20, 200, 3)
        labels[12, AT["left_eye_center"]] += (-12, 12)
        labels[13] = labels[14]
        labels[15, AT["nose_tip"]] = np.nan
        lips = [AT["mouth_center_top_lip"], AT["mouth_center_bottom_lip"]]
        labels[16, lips] = labels[16, lips[::-1]]

    def spoil_val(images, labels):
        images[0], labels[0] = train_images[20], train_labels[20]
        paler = 20 + 0.8 * train_images[21].astype(float)
        images[1], labels[1] = np.roll(paler, 1, axis=1), train_labels[21] + (1, 0)

    val = changed(clean.val, spoil_val)
    subjects = val.subjects.copy()
    subjects[:2] = clean.train.subjects[40]
    val = Faces(val.images, val.keypoints, subjects)
    train, val_row = (lambda *rows: tuple(Row("train", row) for row in rows)), Row("val", 0)
    now = found(Parts(changed(clean.train, spoil_train), val, clean.test))
    planted = {
        ("same_picture", "error"): [(Row("train", 20), val_row)],
        ("same_picture", "warning"): [train(0, 1)],
        ("near_copy", "error"): [(Row("train", 21), Row("val", 1))],
        ("shared_people", "error"): [(val_row, Row("val", 1))],
        ("swapped", "error"): [train(2), train(3), train(16)],
        ("upside_down", "error"): [train(4)],
        ("placeholder", "error"): [train(5), train(6)],
        ("at_one_place", "warning"): [train(7)],
        ("far_outside", "error"): [train(8)],
        ("outside", "note"): [train(9)],
        ("blank", "error"): [train(10)],
        ("blank", "warning"): [train(11)],
        ("outlier", "warning"): [train(12)],
        ("same_labels", "warning"): [train(13, 14)],
        ("missing", "note"): [train(15)],
    }
    new = {key: [rows for rows in here if rows not in known.get(key, [])] for key, here in now.items()}
    assert {key: rows for key, rows in new.items() if rows} == planted


def test_parts_that_are_small_scaled_or_unlike():
    clean = given_parts()
    moved = changed(clean.test, lambda images, labels: labels.__iadd__(np.float32(6)))
    few = clean.val.take(np.arange(12))
    scaled = Faces(clean.val.images, clean.val.keypoints / 96, clean.val.subjects)
    assert ("unlike_train", "warning") in found(Parts(clean.train, clean.val, moved))
    assert ("small", "warning") in found(Parts(clean.train, few, clean.test))
    checks = {check for check, _ in found(Parts(clean.train, scaled, clean.test))}
    assert "scaled" in checks
    assert not checks & {"at_one_place", "placeholder", "swapped"}


def test_a_source_that_cannot_be_split_is_an_error_not_a_crash():
    one = drawn_faces().take(np.array([0]))
    findings = run_checks(pool(Parts(one)))
    assert [finding.check for finding in findings if finding.severity == "error"] == ["unusable"]
    assert "too few to split off" in findings[0].text

    none = changed(drawn_faces().take(np.arange(5)), lambda images, labels: labels.fill(np.nan))
    assert "no complete row" in run_checks(pool(Parts(none)))[0].text


def test_errors_come_first_and_are_told_from_warnings():
    clean = given_parts()
    blank = changed(clean.train, lambda images, labels: images.__setitem__(3, 0))
    findings = run_checks(pool(Parts(blank, clean.val, clean.test)))
    assert findings[0].severity == "error"
    assert has_errors(findings)
    assert not has_errors(findings[1:])


def test_the_table_names_its_own_checks_and_explanations_come_before():
    order = list(CHECKS)
    for name, check in CHECKS.items():
        assert check.title
        assert all(order.index(other) < order.index(name) for other in check.unless), name


def test_a_finding_is_plain_json():
    (finding,) = [f for f in run_checks(pool(given_parts(val=12, test=60))) if f.check == "small"]
    assert finding.as_json() == {
        "check": "small",
        "severity": "warning",
        "text": "only 12 complete val faces; below 50 scores on them are mostly chance",
        "rows": [],
        "numbers": {"faces": 12.0},
    }


def counts(path: Path) -> Counter[tuple[str, str]]:
    return Counter((finding.check, finding.severity) for finding in run_checks(pool(read_path(path, silent))))


@needs_real_faces
def test_what_is_wrong_with_the_real_course_faces():
    assert counts(COURSE_ZIP) == {
        ("at_one_place", "warning"): 3,
        ("outlier", "warning"): 1,
        ("near_copy", "note"): 3,  # frames of one moment, within train, within val, within test
    }


@needs_real_faces
def test_kaggles_near_copies_stay_in_one_split_where_people_are_unknown():
    """By the hash of each picture alone 24 pairs of them lie in two splits: the same person at the same moment."""
    found_here = counts(KAGGLE_ZIP)
    assert SHARES["seed"] == 20
    assert found_here == {
        ("at_one_place", "warning"): 2,
        ("outlier", "warning"): 1,
        ("near_copy", "note"): 1,
        ("missing", "note"): 1,
    }


@pytest.mark.parametrize("quality", [20, 60])
def test_a_recompressed_copy_across_splits_is_a_leak(quality, tmp_path):
    clean = given_parts()
    Image.fromarray(clean.train.images[30, 0]).save(tmp_path / "x.jpg", quality=quality)
    copy = np.asarray(Image.open(tmp_path / "x.jpg"))
    test = changed(clean.test, lambda images, labels: images.__setitem__(7, copy))
    assert found(Parts(clean.train, clean.val, test))["near_copy", "error"] == [(Row("train", 30), Row("test", 7))]
