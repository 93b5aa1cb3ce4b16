"""Cutting a face out of a picture: a dot at a keypoint stays at the keypoint, and 96x96 stays as it is."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from kpbench.errors import UsageError
from kpbench.faces.drawn.shape import read_figures
from kpbench.faces.readers.crop import STILL, Square, box_square, crop, labelled_square, sway_of

MEAN = read_figures()["kaggle_mean"]


def placed(scale: float, x: float, y: float) -> np.ndarray:
    return MEAN * scale + np.array([x, y])


def spread(points: np.ndarray) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    scale=st.floats(0.3, 7),
    x=st.integers(-10, 60),
    y=st.integers(-10, 60),
    width=st.integers(-30, 90),
    height=st.integers(-30, 90),
    k=st.integers(0, 14),
    sway=st.tuples(*[st.floats(-2, 2)] * 3),
    boxed=st.booleans(),
)
def test_a_dot_drawn_at_a_keypoint_lands_on_the_moved_keypoint(scale, x, y, width, height, k, sway, boxed):
    points = placed(scale, x, y)
    size = np.maximum(np.ceil(points.max(axis=0)).astype(int) + np.array([width, height]), 40)
    size = np.maximum(size, np.ceil(points.max(axis=0) / 2).astype(int))
    dot = np.clip(np.round(points[k]).astype(int), 3, size - 4)
    points[k] = dot
    picture = np.zeros((size[1], size[0]), np.uint8)
    r = max(1, int(scale))
    assume(min(dot) > r and (dot < size - r - 1).all())  # else the edge repeats the dot, and its middle is elsewhere
    picture[max(0, dot[1] - r) : dot[1] + r + 1, max(0, dot[0] - r) : dot[0] + r + 1] = 255
    low = points.min(axis=0) - 20 * scale
    high = points.max(axis=0) + 20 * scale
    box = (*low.tolist(), *(high - low).tolist()) if boxed else None
    face, moved = crop(picture, points, where="x", box=box, sway=np.array(sway))
    reach = (r + 2) * np.ptp(moved[:, 0]) / np.ptp(points[:, 0]) + 2
    assume(moved[k].min() > reach and moved[k].max() < 95 - reach)  # the face has the whole dot
    at_y, at_x = np.mgrid[0:96, 0:96]
    weight = np.where(face > 60, face, 0).astype(float)
    seen = np.array([(at_x * weight).sum(), (at_y * weight).sum()]) / weight.sum()
    assert np.abs(seen - moved[k]).max() < 0.6


@settings(max_examples=60, deadline=None)
@given(scale=st.floats(0.4, 12), x=st.floats(0, 300), y=st.floats(0, 300))
def test_keypoints_get_kaggles_mean_centre_and_spread(scale, x, y):
    figures = read_figures()
    points = placed(scale, x, y)
    moved = labelled_square(points, 1000, 1000, STILL).move(points)
    assert moved.mean(axis=0) == pytest.approx(figures["kaggle_centre_mean"], abs=1e-6)
    assert spread(moved) == pytest.approx(float(figures["kaggle_spread_mean"]), rel=1e-6)


def test_a_few_keypoints_give_nearly_the_square_that_all_give():
    points = placed(3, 40, 20)
    whole = labelled_square(points, 500, 500, STILL)
    few = points.copy()
    few[2:10] = np.nan
    part = labelled_square(few, 500, 500, STILL)
    assert (part.left, part.top, part.side) == pytest.approx((whole.left, whole.top, whole.side), abs=0.5)


@pytest.mark.parametrize("known", [0, 1])
def test_without_two_keypoints_the_whole_picture_is_the_square(known):
    points = np.full((15, 2), np.nan)
    points[:known] = 5
    assert labelled_square(points, 200, 100, STILL) == Square(0.0, -50.0, 200.0)


def test_the_sway_follows_from_the_picture_and_has_kaggles_size():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (20, 30), dtype=np.uint8) for _ in range(400)]
    sways = [sway_of(picture) for picture in pictures]
    np.testing.assert_array_equal(sways[3], sway_of(pictures[3].copy()))
    values = np.array(sways)
    assert np.abs(values).max() <= 2
    assert values.std(axis=0) == pytest.approx([0.96] * 3, abs=0.09)  # of a normal clipped at 2
    points = placed(2, 0, 0)
    moved = np.array([labelled_square(points, 300, 300, sway).move(points) for sway in sways])
    figures = read_figures()
    assert moved.mean(axis=1).std(axis=0) == pytest.approx(0.96 * figures["kaggle_centre_sd"], rel=0.12)


def test_a_picture_of_96_stays_as_it_is_byte_for_byte():
    picture = np.random.default_rng(1).integers(0, 256, (96, 96), dtype=np.uint8)
    points = MEAN.copy()
    points[3] = np.nan
    face, moved = crop(picture, points, where="x", sway=np.ones(3), box=(3, 3, 40, 40))
    assert face.tobytes() == picture.tobytes()
    assert np.array_equal(moved, points.astype(np.float32), equal_nan=True)


def test_twice_as_large_comes_back_nearly_as_it_was():
    y, x = np.mgrid[0:96, 0:96]
    small = (128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 7)).astype(np.uint8)
    large = np.array(Image.fromarray(small).resize((192, 192), Image.Resampling.BICUBIC))
    face, moved = crop(large, (MEAN + 0.5) * 2 - 0.5, where="x", box=(0, 0, 192, 192))
    assert np.abs(face.astype(int) - small).mean() < 1
    assert np.abs(moved - MEAN).max() < 1e-4


def test_what_lies_outside_repeats_the_edge():
    picture = np.full((50, 60), 100, np.uint8)
    picture[:, 0] = 200
    face, _ = crop(picture, np.full((15, 2), 20.0), where="x", box=(-40, -10, 96, 70))
    assert face.min() >= 90
    assert (face[:, :30] == 200).all()
    assert abs(int(face[50, 80]) - 100) <= 1


def test_a_box_gives_a_square_around_its_middle():
    points = np.full((15, 2), 50.0)
    _, moved = crop(np.zeros((100, 200), np.uint8), points, where="x", box=(20, 10, 60, 80))
    assert moved[0] == pytest.approx([(50.5 - 10) * 96 / 80 - 0.5, (50.5 - 10) * 96 / 80 - 0.5])


@pytest.mark.parametrize(
    ("points", "box", "said"),
    [
        (placed(1, 1e6, 0), None, "more than one picture outside the picture"),
        (placed(1, 0, -1e5), None, "more than one picture outside"),
        (placed(0.01, 20, 20), None, "square of 0.953"),
        (placed(1, 0, 0), (90, 90, 9, 9), "outside the face cut out"),
        (placed(1, 0, 0), (0, 0, 5e5, 3), "square of 5e+05"),
    ],
)
def test_labels_that_make_no_face_are_refused(points, box, said):
    with pytest.raises(UsageError, match="somewhere: ") as caught:
        crop(np.zeros((120, 140), np.uint8), points, where="somewhere", box=box)
    assert said in str(caught.value)
    assert "correct or remove the row" in str(caught.value)


@given(left=st.floats(-500, 500), top=st.floats(-500, 500), side=st.floats(8, 5000))
def test_points_moved_into_the_face_come_back(left, top, side):
    square, points = Square(left, top, side), placed(3, 20, 30)
    assert np.allclose(square.back(square.move(points)), points, atol=1e-6)


@given(box=st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 200), st.integers(1, 200)))
def test_the_square_of_a_box_has_its_centre_and_its_longer_side(box):
    x, y, w, h = box
    square = box_square(box)
    assert square.side == max(w, h)
    assert (square.left + square.side / 2, square.top + square.side / 2) == (x + w / 2, y + h / 2)
