"""Points on a picture are those of the face cut out of it, carried back; what cannot be used is told, not lost."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.drawn.synthetic import generate
from kpbench.faces.pictures.boxes import widened
from kpbench.faces.pictures.detector import MARGIN, find_faces
from kpbench.models.reading import Model, in_batches
from kpbench.networks.families import build
from kpbench.studies import predict as studies
from kpbench.studies.floor import floors
from kpbench.studies.predict import (
    BATCH,
    PictureFaces,
    Skipped,
    network_of,
    predict_pictures,
    whole_picture,
)
from kpbench.task.benchmark import read_benchmark
from kpbench.training.predict import predict, predict_images
from tests.faces.real_data import COURSE_ZIP, needs_real_faces
from tests.pasted import on_picture, places, save_pasted

COORDINATES = read_benchmark().coordinates


def ridge(train, val):
    """A model that looks at every pixel and is fitted in a second."""
    *_, (_, network) = floors(train, val, COORDINATES)
    return network


@pytest.fixture(scope="module")
def drawn():
    faces = generate(400)
    val = faces.take(np.arange(340, 400))
    return ridge(faces.take(np.arange(340)), val), val


@pytest.fixture(scope="module")
def real():
    splits = load(str(COURSE_ZIP), val_share=0.1, test_share=0.1, seed=0)
    return ridge(splits.train, splits.val), splits.val


def as_network(network):
    return lambda images: predict_images(network, images, COORDINATES).astype(np.float64)


def lands_where_the_crop_says(network, val, folder):
    boxes = places(20)
    paths = save_pasted(folder, val, boxes)
    squares = {path: [(float(x), float(y), float(s), float(s))] for path, (x, y, s) in zip(paths, boxes, strict=True)}
    found = list(predict_pictures(as_network(network), paths, lambda path, grey: squares[path]))
    expected = predict(network, val.take(np.arange(20)), COORDINATES).astype(np.float64)
    assert [one.picture for one in found] == paths
    for one, points, box in zip(found, expected, boxes, strict=True):
        assert np.abs(one.points[0] - on_picture(points, box)).max() < 1, box
    # ... and the faces differ by far more than that, so that this is not the mean face.
    assert expected.std(axis=0).mean() > 1


def test_points_of_built_in_faces_land_where_the_crop_says(drawn, tmp_path):
    lands_where_the_crop_says(*drawn, tmp_path)


@needs_real_faces
def test_points_of_real_faces_land_where_the_crop_says(real, tmp_path):
    lands_where_the_crop_says(*real, tmp_path)


def test_a_face_pasted_in_its_own_size_is_the_face_to_a_bit(drawn, tmp_path):
    network, val = drawn
    (path,) = save_pasted(tmp_path, val, [(200, 100, 96)])
    (one,) = predict_pictures(as_network(network), [path], lambda path, grey: [(200.0, 100.0, 96.0, 96.0)])
    alone = predict(network, val.take(np.arange(1)), COORDINATES).astype(np.float64)
    assert np.array_equal(one.points, alone + np.array([200, 100]))
    Image.fromarray(val.images[0, 0]).save(tmp_path / "whole.png")
    (one,) = predict_pictures(as_network(network), [tmp_path / "whole.png"], whole_picture)
    assert np.array_equal(one.points, alone)


def brightest(images):
    """The centre of the light of each face, as all of its points."""
    light = images[:, 0].astype(np.float64)
    y, x = np.mgrid[:96, :96]
    weight = light.sum(axis=(1, 2))
    centre = np.stack([(light * x).sum(axis=(1, 2)) / weight, (light * y).sum(axis=(1, 2)) / weight], axis=1)
    return np.repeat(centre[:, None], 15, axis=1)


@pytest.mark.parametrize(
    "box", [(210, 130, 96, 96), (180.25, 100.5, 150, 90), (150, 90, 333, 301), (-40, -60, 520, 400)]
)
def test_a_spot_of_light_is_found_where_it_is(box, tmp_path):
    y, x = np.mgrid[:480, :640]
    spot = 250 * np.exp(-((x - 261.3) ** 2 + (y - 171.8) ** 2) / (2 * 6.0**2))
    Image.fromarray(spot.astype(np.uint8)).save(tmp_path / "spot.png")
    (one,) = predict_pictures(brightest, [tmp_path / "spot.png"], lambda path, grey: [box])
    assert np.abs(one.points - [261.3, 171.8]).max() < 0.15


def test_a_camera_that_was_turned_gives_points_on_the_upright_picture(tmp_path):
    y, x = np.mgrid[:100, :100]
    upright = Image.fromarray((250 * np.exp(-((x - 30) ** 2 + (y - 70) ** 2) / 50)).astype(np.uint8))
    turned = Image.Exif()
    turned[0x112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=turned)
    (one,) = predict_pictures(brightest, [tmp_path / "a.png"], whole_picture)
    assert np.abs(one.points - [30, 70]).max() < 0.2


def test_a_box_over_the_edge_sees_the_edge_repeated(tmp_path):
    Image.fromarray(np.full((60, 60), 90, np.uint8)).save(tmp_path / "a.png")
    seen = []

    def look(images):
        seen.append(images)
        return np.zeros((len(images), 15, 2))

    list(predict_pictures(look, [tmp_path / "a.png"], lambda path, grey: [(-50.0, -50.0, 80.0, 80.0)]))
    assert (seen[0] == 90).all()


def detected(val, folder, network):
    boxes = places(40, seed=1)
    paths = save_pasted(folder, val, boxes)
    found = predict_pictures(
        as_network(network), paths, lambda path, grey: [widened(b, MARGIN) for b in find_faces(grey)]
    )
    good, errors = 0, []
    for one, truth, box in zip(found, val.keypoints, boxes, strict=False):
        own = [np.linalg.norm(points - on_picture(truth, box), axis=1).mean() * 96 / box[2] for points in one.points]
        errors.append(min(own, default=np.inf))
        good += min(own, default=np.inf) < 12
    return good / len(boxes), float(np.median(errors))


def test_pasted_built_in_faces_are_found(drawn, tmp_path):
    network, val = drawn
    rate, error = detected(val, tmp_path, network)
    assert rate >= 0.75 and error < 7


@needs_real_faces
def test_pasted_real_faces_are_found(real, tmp_path):
    """Of all 298 the detector finds 291, `python benchmarks/detected_faces.py`."""
    network, val = real
    rate, error = detected(val, tmp_path, network)
    assert rate >= 0.9 and error < 5


def test_what_cannot_be_used_is_told_and_the_rest_has_points(tmp_path):
    for name in ("a", "c"):
        Image.fromarray(np.full((50, 70), 90, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    boxes = {"a": [(0.0, 0.0, 50.0, 50.0)], "c": [(70.0, 0.0, 50.0, 50.0)]}
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    found = list(predict_pictures(brightest, paths, lambda path, grey: boxes[path.stem]))
    why = {one.picture.stem: one.why for one in found if isinstance(one, Skipped)}
    assert set(why) == {"b", "c", "d"}
    assert "no picture" in why["b"] and "outside of the picture of 70 x 50 pixels" in why["c"] and "No such" in why["d"]
    (used,) = [one for one in found if isinstance(one, PictureFaces)]
    assert (used.picture.stem, used.width, used.height, used.points.shape) == ("a", 70, 50, (1, 15, 2))


def test_the_network_sees_batches_and_pictures_keep_their_order(tmp_path):
    Image.fromarray(np.full((40, 40), 90, np.uint8)).save(tmp_path / "a.png")
    calls = []

    def look(images):
        calls.append(len(images))
        return brightest(images)

    def find(path, grey):
        return [(0.0, 0.0, 40.0, 40.0)] * (len(calls) == 0)

    found = list(predict_pictures(look, [tmp_path / "a.png"] * (BATCH + 3), find))
    assert calls == [BATCH] and len(found) == BATCH + 3
    assert [len(one.boxes) for one in found] == [1] * BATCH + [0] * 3
    assert found[-1].points.shape == (0, 15, 2)


def test_rows_and_json_say_the_same(tmp_path):
    one = PictureFaces(tmp_path / "a.png", 9, 9, ((0.0, 1.0, 8.0, 7.0),), np.arange(30.0).reshape(1, 15, 2) + 0.12345)
    (row,), (face,) = list(one.rows()), list(one.as_json())
    assert len(row) == len(studies.COLUMNS) and row[:6] == (str(tmp_path / "a.png"), 1, 0, 1, 8, 7)
    assert dict(zip(studies.COLUMNS, row, strict=True))["nose_tip_y"] == 21.123
    assert face["points"]["nose_tip"] == (20.123, 21.123) and face["box"] == [0, 1, 8, 7]


class OneFace(nn.Module):
    """Takes one face alone, as a traced network may."""

    def forward(self, x):
        return x.reshape(1, -1)[:, :30]


class Mixing(nn.Module):
    """Gives faces of a batch the same points."""

    def forward(self, x):
        return x.mean(dim=0).reshape(1, -1)[:, :30].expand(len(x), -1)


@pytest.mark.parametrize("network", [OneFace(), Mixing()])
def test_a_network_that_takes_no_batches_sees_one_face_at_a_time(network):
    faces = generate(3)
    found = network_of(Model(in_batches(network), "m", COURSE_ZIP, 0))(faces.images)
    alone = [predict_images(network, faces.images[i : i + 1], COORDINATES) for i in range(3)]
    assert np.array_equal(found, np.concatenate(alone)) and found.std(axis=0).max() > 1


def test_a_model_gives_what_it_gives_to_the_scorer():
    network, faces = build({"family": "cnn"}).eval(), generate(3)
    found = network_of(Model(network, "m", COURSE_ZIP, 0))(faces.images)
    assert np.array_equal(found, predict(network, faces, COORDINATES))


class Endless(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 30), torch.inf)


def test_points_that_are_no_numbers_are_refused():
    with pytest.raises(UsageError, match="m gives points that are no finite numbers"):
        network_of(Model(Endless(), "m", COURSE_ZIP, 0))(generate(2).images)
