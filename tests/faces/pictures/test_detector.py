"""The detector finds pasted faces of any size where they are, and none where there is none."""

import numpy as np
import pytest
from PIL import Image

from kpbench.faces.drawn.synthetic import generate
from kpbench.faces.pictures.detector import LONGEST, find_faces
from tests.pasted import pasted

FACES = generate(12)


def is_face(box, place):
    (x, y, w, h), (left, top, side) = box, place
    return w == h and abs(x + w / 2 - left - side / 2) < side / 4 and abs(y + h / 2 - top - side / 2) < side / 4


def test_a_picture_of_any_size_is_searched():
    """A face found on 640 x 480 pixels is found on eight times as many a side, at the same place."""
    small = pasted(FACES.images[0, 0], (200, 100, 200))
    (box,) = [box for box in find_faces(small) if is_face(box, (200, 100, 200))]
    large = np.array(Image.fromarray(small).resize((5120, 3840), Image.Resampling.BICUBIC))
    assert max(large.shape) > LONGEST
    (again,) = [box for box in find_faces(large) if is_face(box, (1600, 800, 1600))]
    assert np.abs(np.array(again) / 8 - box).max() < 15


def test_the_largest_face_is_the_first():
    picture = pasted(FACES.images[0, 0], (20, 200, 120))
    picture[100:400, 300:600] = np.array(Image.fromarray(FACES.images[0, 0]).resize((300, 300)))
    boxes = find_faces(picture)
    assert is_face(boxes[0], (300, 100, 300)) and is_face(boxes[1], (20, 200, 120))


@pytest.mark.parametrize("shape", [(1, 1), (20, 400), (300, 300)])
def test_there_is_no_face_where_none_is(shape):
    assert find_faces(np.full(shape, 120, np.uint8)) == []
