"""The overview: counts that add up, moments that numpy gives, nothing of the sealed test but counts."""

import json
from dataclasses import replace

import numpy as np

from kpbench.faces.checks.overview import overview, sample
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts
from tests.course_files import blob_faces
from tests.faces.checks.drawn import changed, pool


def with_conditions(faces: Faces) -> Faces:
    rows = np.arange(len(faces))
    places = np.array(["in", "out"])[rows % 2]
    return replace(faces, conditions={"yaw": rows / rows[-1] * 2 - 1, "light": rows % 3 == 0, "place": places})


def test_counts_and_moments():
    train = changed(blob_faces(40, people=8), lambda images, labels: labels[:5, 10].fill(np.nan))
    found = overview("blobs", pool(Parts(train, blob_faces(10, seed=1, people=2), blob_faces(12, seed=2, people=3))))
    assert [(split.split, split.faces, split.people, split.left_out) for split in found.splits] == [
        ("train", 35, 8, 5),
        ("val", 10, 2, 0),
        ("test", 12, 3, 0),
    ]
    nose = found.keypoints[10]
    assert nose.missing == {"train": 5, "val": 0, "test": 0}
    np.testing.assert_allclose(nose.mean, train.keypoints[5:, 10].mean(axis=0, dtype=float))
    np.testing.assert_allclose(nose.sd, train.keypoints[5:, 10].astype(float).std(axis=0))
    assert found.grey_mean.least == train.images[5:].reshape(35, -1).mean(axis=1).min()


def test_nothing_of_the_test_but_counts():
    train, val = blob_faces(40), blob_faces(10, seed=1)
    one = overview("blobs", pool(Parts(train, val, blob_faces(12, seed=2))))
    other = overview("blobs", pool(Parts(train, val, blob_faces(12, seed=3))))
    assert one == other


def test_the_sample_is_of_train_and_depends_on_the_seed():
    found = pool(Parts(blob_faces(60, people=12)))
    rows = sample(found, 20, seed=3)
    assert set(found.split[rows]) == {"train"}
    assert len(set(rows.tolist())) == 20
    assert rows.tolist() == sample(found, 20, seed=3).tolist()
    assert rows.tolist() != sample(found, 20, seed=4).tolist()
    assert len(sample(found, 1000, seed=0)) == (found.split == "train").sum()


def test_conditions_and_unknown_numbers_are_plain_json():
    train = changed(with_conditions(blob_faces(30)), lambda images, labels: labels[:, 3].fill(np.nan))
    found = overview("blobs", pool(Parts(train)))
    assert found.conditions["yaw"].least == -1
    assert found.kinds == {"light": 2, "place": 2}
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert plain["keypoints"][3]["mean"] == [None, None]
    assert plain["keypoints"][3]["missing"] == {"train": 30}
