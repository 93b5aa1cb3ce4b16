import base64
import io
import math

import numpy as np
import pytest
from PIL import Image

from kpbench.report.face_pictures import data_uri, face_groups, face_pictures
from kpbench.report.search.study_input import Examples
from tests.study_rows import examples


def test_the_png_holds_the_same_grey_values():
    grey = np.random.default_rng(0).integers(0, 256, (96, 96), dtype=np.uint8)
    data = base64.b64decode(data_uri(grey).removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), grey)


def test_a_whole_coordinate_is_the_middle_of_its_pixel():
    found = examples()
    point = face_pictures(found)[0].points[0]
    assert point.truth == (66.5, 36.5)


def test_the_distance_is_the_mean_over_known_keypoints():
    truth = np.full((1, 15, 2), np.nan, dtype=np.float32)
    truth[0, 0], truth[0, 1] = (10, 10), (20, 20)
    predicted = np.zeros((1, 15, 2), dtype=np.float32)
    predicted[0, 0], predicted[0, 1], predicted[0, 2] = (13, 14), (20, 21), (np.inf, 1)
    images = np.zeros((1, 1, 96, 96), dtype=np.uint8)
    (face,) = face_pictures(Examples(images, truth, predicted, np.array([2.5]), ["best"]))
    assert face.radial_px == pytest.approx(3.0)
    assert face.rmse_px == 2.5
    assert face.points[2].truth is None and face.points[2].predicted is None


def test_no_known_keypoint_has_no_distance():
    nothing = np.full((1, 15, 2), np.nan)
    images = np.zeros((1, 1, 96, 96), dtype=np.uint8)
    (face,) = face_pictures(Examples(images, nothing, nothing, np.array([np.nan]), ["worst"]))
    assert math.isnan(face.radial_px)


def test_faces_are_grouped_only_where_a_label_comes_twice():
    assert [(label, len(found)) for label, found in face_groups(examples())] == [("", 3)]
    groups = [(label, len(found)) for label, found in face_groups(examples(each=4))]
    assert groups == [("best", 3), ("median", 3), ("worst", 3)]


@pytest.mark.parametrize("broken", ["images", "truth", "predicted", "error", "label"])
def test_arrays_of_other_shapes_are_refused(broken):
    found = examples()
    arrays = {name: getattr(found, name) for name in ("images", "truth", "predicted", "error", "label")}
    arrays[broken] = arrays[broken][:2]
    with pytest.raises(ValueError, match="must"):
        Examples(**arrays)
