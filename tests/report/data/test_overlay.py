"""What is drawn on a picture stands where the points and the box are."""

import io

import numpy as np
from PIL import Image

from kpbench.faces.faces import KEYPOINTS
from kpbench.report.data.contact_sheet import SIDES
from kpbench.report.data.overlay import FRAME, overlay

POINTS = np.stack([np.arange(15) * 12.0 + 60, np.arange(15) * 8.0 + 70], axis=1)


def drawn(boxes, points):
    picture = Image.new("RGB", (300, 260), (90, 60, 30))
    return np.array(Image.open(io.BytesIO(overlay(picture, boxes, points))))


def test_points_have_the_colour_of_their_side():
    image = drawn([(40, 50, 200, 190)], POINTS[None])
    assert image.shape == (260, 300, 3)
    for name, (x, y) in zip(KEYPOINTS, POINTS.astype(int), strict=True):
        words = name.split("_")
        side = "left" if "left" in words else "right" if "right" in words else "middle"
        assert tuple(image[y, x]) == SIDES[side], name
    assert len(set(SIDES.values()) | {FRAME}) == 4


def test_the_frame_is_the_outermost_pixels_of_the_box():
    image = drawn([(40, 50, 200, 190)], POINTS[None])
    rows, columns = np.nonzero((image == FRAME).all(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 239, 40, 239)


def test_the_rest_of_the_picture_stays():
    image = drawn([(40, 50, 200, 190)], POINTS[None])
    assert (image[:50] == (90, 60, 30)).all()
    assert (drawn([], np.empty((0, 15, 2))) == (90, 60, 30)).all()


def test_what_lies_outside_is_left_out():
    image = drawn([(-50, -50, 100, 100)], POINTS[None] - 500)
    assert (image == FRAME).all(axis=2).sum() > 0


def test_several_faces_are_numbered():
    boxes = [(10, 10, 100, 100), (150, 10, 100, 100)]
    both = drawn(boxes, np.stack([POINTS + 900, POINTS + 900]))
    alone = drawn(boxes[:1], POINTS[None] + 900)
    rows, columns = np.nonzero((both != alone).any(axis=2)[:120, :120])
    assert len(rows) > 20 and max(rows.max(), columns.max()) < 40
