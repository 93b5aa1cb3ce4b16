"""Left and right, up and down, whatever the face's tilt, size and place."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpbench.faces.checks.checks import run_checks
from kpbench.faces.checks.orientation import ORDERS, PAIRS, swapped, transposed, upside_down
from kpbench.faces.checks.pool import Finding, Pool, plain_pool
from kpbench.faces.faces import KEYPOINTS, mirrored_order
from kpbench.faces.parts import Parts
from tests.faces.checks.drawn import drawn_faces


@pytest.fixture(autouse=True, scope="module")
def drawn() -> None:
    """Before hypothesis looks at the clock."""
    drawn_faces()


def labelled(*keypoints: np.ndarray) -> Pool:
    n = len(keypoints)
    part = np.full(n, "train")
    return Pool(np.zeros((n, 96, 96), np.uint8), np.array(keypoints, float), part, np.arange(n), part)


def turned(points: np.ndarray, degrees: float, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - 48) @ turn.T * scale + 48 + shift


def face(at: int = 0) -> np.ndarray:
    return drawn_faces().keypoints[at].astype(float)


def upright() -> np.ndarray:
    """The face whose eyes are nearest to level."""
    eyes = drawn_faces().keypoints[:, 0] - drawn_faces().keypoints[:, 1]
    return face(int(np.abs(eyes[:, 1] / eyes[:, 0]).argmin()))


def only(findings) -> Finding:
    (finding,) = findings
    return finding


@given(st.integers(0, 300), st.floats(-25, 25), st.floats(0.4, 1.5), st.floats(-20, 20))
def test_a_tilted_face_has_its_sides_right_and_mirrored_labels_do_not(at, degrees, scale, shift):
    points = turned(face(at), degrees, scale, shift)
    assert list(swapped(labelled(points))) == []
    assert list(upside_down(labelled(points))) == []
    found = only(swapped(labelled(points[list(mirrored_order())])))
    assert "left and right of the whole face (6 of 6 pairs)" in found.text


@given(st.integers(0, 300), st.integers(0, len(ORDERS) - 1))
def test_one_exchanged_pair_is_named(at, which):
    one, other = ORDERS[which].one, ORDERS[which].other
    points = face(at)
    gap = np.linalg.norm(points[one] - points[other])
    points[[one, other]] = points[[other, one]]
    findings = list(swapped(labelled(points)))
    if "eyebrow" in KEYPOINTS[one] and which >= len(PAIRS) and gap < 18:
        return  # the ends of a brow that a turned head hides may look exchanged
    found = findings[0]
    assert found.severity == "error"
    assert {one, other} <= set(found.keypoints)
    assert "whole face" not in found.text


def test_upside_down_and_on_its_side():
    over = only(upside_down(labelled(turned(face(), 180))))
    assert over.severity == "error"
    assert "upside down" in over.text
    side = only(upside_down(labelled(turned(upright(), 75))))
    assert side.severity == "warning"
    assert 50 < abs(side.numbers["degrees"]) < 91
    assert list(swapped(labelled(turned(face(), 180)))) == []


def test_kaggles_four_points_are_enough_and_fewer_say_nothing():
    points = np.full((15, 2), np.nan)
    few = [KEYPOINTS.index(name) for name in ("left_eye_center", "right_eye_center", "nose_tip")]
    points[few] = face()[few]
    assert list(swapped(labelled(points))) == []
    points[few[:2]] = points[few[1::-1]]
    assert "left_eye_center and right_eye_center" in only(swapped(labelled(points))).text
    points[few[2]] = np.nan
    assert list(swapped(labelled(points))) == []
    assert list(upside_down(labelled(np.full((15, 2), np.nan), np.full((15, 2), 40.0)))) == []


@given(st.integers(0, 300), st.floats(-10, 10))
def test_exchanged_x_and_y_are_told_as_that_and_a_turned_or_mirrored_face_is_not(at, degrees):
    points = turned(face(at), degrees)
    assert only(transposed(labelled(points[:, ::-1]))).text == "train row 0: x and y look exchanged"
    for other in (points, points[list(mirrored_order())], turned(points, 90), turned(points, -90), turned(points, 180)):
        assert list(transposed(labelled(other))) == []


def test_exchanged_x_and_y_are_one_finding_of_the_whole_table():
    faces = drawn_faces().take(np.arange(300))
    keypoints = faces.keypoints.copy()
    keypoints[[3, 8]] = keypoints[[3, 8], :, ::-1]
    found = run_checks(plain_pool(Parts(replace(faces, keypoints=keypoints))))
    assert [(finding.check, finding.rows[0].row) for finding in found if finding.severity == "error"] == [
        ("transposed", 3), ("transposed", 8),
    ]  # fmt: skip
    assert not [finding for finding in found if finding.check in ("swapped", "upside_down", "outlier")]
