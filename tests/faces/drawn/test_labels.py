"""Version 3's labels: as far from what is drawn as a tracker's, and together where a tracker's are."""

import numpy as np
import pytest

from kpbench.faces.drawn.cast import cast
from kpbench.faces.drawn.labels import ASIDE, CONVENTION, JITTER, placed, table, tracked
from kpbench.faces.drawn.relief import raise_relief
from kpbench.faces.drawn.shape import reduce_to_15, shape_model
from kpbench.faces.faces import KEYPOINTS, mirrored_order

N = 600


@pytest.fixture(scope="module")
def errors() -> np.ndarray:
    """Labels less the drawn keypoints (N, 15, 2), in pixels, without what all labels have in common."""
    _, factors, points = cast(N, 0)
    lifted = raise_relief(points, factors).lift(reduce_to_15(points))
    jitter = np.random.default_rng(0).standard_normal((N, 15, 2))
    labels, view = tracked(factors, lifted, jitter)
    return np.asarray(labels - view.project(lifted) - table(CONVENTION) - ASIDE)


def test_labels_err_by_about_a_pixel(errors: np.ndarray) -> None:
    ahead = np.abs(cast(N, 0)[1]["yaw"]) < 10
    assert 0.8 < np.sqrt((errors[ahead] ** 2).mean()) < 1.4


def test_errors_are_shared_within_a_face_and_largest_at_the_brows(errors: np.ndarray) -> None:
    shared = errors.mean(axis=1)
    alone = errors.var(axis=(0, 1)) / 15
    assert (shared.var(axis=0) > 2 * alone).all()
    spread = dict(zip(KEYPOINTS, errors.std(axis=0).mean(axis=1), strict=True))
    assert spread["left_eyebrow_outer_end"] > 1.2 * spread["left_eye_center"]


def test_a_turned_heads_nose_is_put_too_far_out(errors: np.ndarray) -> None:
    yaw = cast(N, 0)[1]["yaw"].astype(float)
    nose, eyes = errors[:, KEYPOINTS.index("nose_tip"), 0], errors[:, :2, 0].mean(axis=1)
    slopes = [np.polyfit(yaw, error, 1)[0] for error in (nose, eyes)]  # pixels a degree
    assert slopes[0] > 0.03
    assert slopes[0] > 4 * abs(slopes[1])


def test_tables_are_mirror_images() -> None:
    order = list(mirrored_order())
    np.testing.assert_array_equal(table(CONVENTION)[order] * [-1, 1], table(CONVENTION))
    widths = table(JITTER, mirrored=False)
    np.testing.assert_array_equal(widths[order], widths)
    assert widths.min() > 0


def test_points_move_smoothly_and_jaws_widen() -> None:
    mean = shape_model().mean[None].repeat(2, axis=0)
    moved = placed(mean, {"jaw": np.array([0.0, 0.1])})
    np.testing.assert_allclose(moved[1, :17, 0], 1.1 * moved[0, :17, 0])
    np.testing.assert_array_equal(moved[0, 17:], moved[1, 17:])
    assert np.abs(moved[0] - mean[0]).max() < 4 / 26.44
