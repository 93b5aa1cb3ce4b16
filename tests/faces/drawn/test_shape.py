"""The geometry of faces: mirror images, the reduction to 15 points, expressions, the camera's view."""

import numpy as np
import pytest

from kpbench.faces.drawn.shape import (
    expressed,
    mirror,
    mirrored_order68,
    read_figures,
    reduce_to_15,
    shape_model,
    view_of,
)
from kpbench.faces.faces import KEYPOINTS, mirrored_order

STILL = {"mouth_open": 0.0, "smile": 0.0, "pucker": 0.0, "brow_raise": 0.0, "eye_open": 1.0}
AHEAD = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "scale": 26.44, "shift_x": 0.0, "shift_y": 0.0}


def factors(**changed: float) -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in (STILL | AHEAD | changed).items()}


def solid() -> np.ndarray:
    """The mean face's 15 keypoints with their depth, (1, 15, 3)."""
    model = shape_model()
    return reduce_to_15(np.concatenate([model.mean, model.depth[:, None]], axis=1))[None]


def test_the_mirror_of_the_mirror_is_the_face() -> None:
    order = mirrored_order68()
    np.testing.assert_array_equal(order[order], np.arange(68))
    np.testing.assert_allclose(mirror(shape_model().mean, order), shape_model().mean, atol=1e-12)


def test_reduction_and_mirror_agree() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((3, 68, 2))
    one = reduce_to_15(mirror(points, mirrored_order68()))
    np.testing.assert_allclose(one, mirror(reduce_to_15(points), mirrored_order()))


def test_reduction_takes_the_named_points() -> None:
    points = np.arange(68.0)[:, None] * [1, 10]
    named = dict(zip(KEYPOINTS, reduce_to_15(points)[:, 0], strict=True))
    assert named["left_eye_center"] == pytest.approx(np.mean(range(42, 48)))
    assert (named["right_eye_outer_corner"], named["left_eye_inner_corner"]) == (36, 42)
    assert (named["nose_tip"], named["mouth_center_top_lip"], named["mouth_center_bottom_lip"]) == (30, 51, 57)


def test_the_mean_face_is_kaggles() -> None:
    figures = read_figures()
    pixels = reduce_to_15(shape_model().mean) * figures["kaggle_spread_mean"] + figures["kaggle_centre_mean"]
    assert np.abs(pixels - figures["kaggle_mean"]).max() < 0.6


def test_the_nose_is_ahead_of_the_eyes_and_the_ears_behind() -> None:
    depth = shape_model().depth
    assert depth[30] > depth[36:48].max() > depth[[0, 16]].max()


def test_expressions_move_what_they_name() -> None:
    mean = shape_model().mean[None]
    still = expressed(mean, factors())[0]
    assert still[66, 1] - still[62, 1] == pytest.approx(0, abs=1e-9), "lips are closed"
    talking = expressed(mean, factors(mouth_open=1.0))[0]
    assert talking[57, 1] - still[57, 1] == pytest.approx(0.4)
    np.testing.assert_array_equal(talking[27:48], still[27:48])
    smiling = expressed(mean, factors(smile=1.0))[0]
    assert smiling[54, 0] - smiling[48, 0] > still[54, 0] - still[48, 0]
    assert smiling[54, 1] < still[54, 1]
    surprised = expressed(mean, factors(brow_raise=1.0))[0]
    assert (surprised[17:27, 1] < still[17:27, 1]).all()
    blinking = expressed(mean, factors(eye_open=0.0))[0]
    assert abs(blinking[41, 1] - blinking[37, 1]) < 0.04 < still[41, 1] - still[37, 1]


@pytest.mark.parametrize(("name", "axis", "sign"), [("yaw", 0, 1), ("pitch", 1, -1)])
def test_the_nose_goes_where_the_head_turns(name: str, axis: int, sign: int) -> None:
    points = solid()
    there = view_of(factors(**{name: 20.0}), points).project(points)[0]
    ahead = view_of(factors(), points).project(points)[0]
    moved = there[10] - there[:2].mean(axis=0) - (ahead[10] - ahead[:2].mean(axis=0))
    assert sign * moved[axis] > 3


def test_roll_turns_clockwise_in_the_picture() -> None:
    points = solid()
    seen = view_of(factors(roll=10.0), points).project(points)[0]
    left, right = seen[0], seen[1]
    assert np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])) == pytest.approx(10, abs=0.5)


def test_a_mirrored_head_gives_a_mirrored_picture() -> None:
    rng = np.random.default_rng(1)
    points = solid() + 0.1 * rng.standard_normal((1, 15, 3))
    turned = factors(yaw=15.0, pitch=-6.0, roll=4.0, shift_x=1.5, shift_y=2.0)
    seen = view_of(turned, points).project(points)[0]
    flipped = points[:, list(mirrored_order())] * [-1, 1, 1]
    back = factors(yaw=-15.0, pitch=-6.0, roll=-4.0, shift_x=-1.5, shift_y=2.0)
    other = view_of(back, flipped).project(flipped)[0]
    expected = seen[list(mirrored_order())]
    expected[:, 0] = 2 * read_figures()["kaggle_centre_mean"][0] - expected[:, 0]
    np.testing.assert_allclose(other, expected, atol=1e-9)


def test_pixels_look_back_at_what_they_show() -> None:
    points = solid()
    view = view_of(factors(yaw=12.0, roll=-7.0, shift_x=2.0), points)
    x, y = view.unproject(96)
    seen = np.einsum("ij,nj->ni", view.rotation[0], points[0])[:, :2]
    column, row = np.rint(view.project(points)[0]).astype(int).T
    np.testing.assert_allclose(np.stack([x[0, row, column], y[0, row, column]], axis=1), seen, atol=0.75 / 26.44)
