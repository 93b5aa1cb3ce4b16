"""NME's cumulative distribution, AUC, failure rate and PCK: by hand, and against a fine grid."""

import numpy as np
import pytest
from scipy import integrate

from kpbench.faces.faces import KEYPOINTS
from kpbench.statistics.normalised_errors import (
    EYE_CENTRES,
    OUTER_CORNERS,
    auc,
    ced,
    eye_distance,
    failure_rate,
    pck,
)


def test_the_eyes_are_the_centres_and_the_outer_corners():
    assert [KEYPOINTS[at] for at in EYE_CENTRES] == ["left_eye_center", "right_eye_center"]
    assert [KEYPOINTS[at] for at in OUTER_CORNERS] == ["left_eye_outer_corner", "right_eye_outer_corner"]


def test_the_distance_of_the_eyes_by_hand():
    faces = np.zeros((3, 15, 2))
    faces[0, 0], faces[0, 1] = (60, 40), (30, 80)  # 30, 40: 50
    faces[0, 3], faces[0, 5] = (66, 40), (6, 40)
    faces[1, 0] = (0.5, 0)
    faces[2, 0] = (1, 0)
    assert eye_distance(faces).tolist() == pytest.approx([50.0, np.nan, 1.0], nan_ok=True)
    assert eye_distance(faces, OUTER_CORNERS)[0] == 60.0


def test_the_distribution_by_hand():
    """Four faces; at 0.08: three of four. The area is that of their steps: 0.06 + 0.04 + 0 of 4 times 0.08, and 0."""
    nme = [0.02, 0.04, 0.08, 0.16]
    assert ced(nme, [0.0, 0.02, 0.039, 0.04, 0.08, 0.1, 0.2]).tolist() == [0, 0.25, 0.25, 0.5, 0.75, 0.75, 1]
    assert auc(nme) == pytest.approx((0.06 + 0.04) / (4 * 0.08))
    assert failure_rate(nme) == 0.25
    assert auc([0.0, 0.0]) == 1.0 and auc([0.08, 0.5]) == 0.0
    assert failure_rate([0.08]) == 0.0  # at the threshold is not above it


@pytest.mark.parametrize("seed", range(3))
def test_the_area_is_the_integral_of_the_curve(seed):
    nme = np.random.default_rng(seed).gamma(2.0, 0.03, 200)
    grid = np.linspace(0.0, 0.08, 200_001)
    assert auc(nme) == pytest.approx(integrate.trapezoid(ced(nme, grid), grid) / 0.08, abs=1e-5)
    assert failure_rate(nme) == pytest.approx(1.0 - ced(nme, [0.08])[0])
    assert ced(nme, grid[::10_000]).tolist() == [np.mean([one <= at for one in nme]) for at in grid[::10_000]]


def test_correct_keypoints_by_hand():
    assert pck([[0.01, 0.05], [0.06, 0.2]], 0.05) == 0.5
    assert pck([[0.01, 0.05], [0.06, 0.2]], 0.1) == 0.75
