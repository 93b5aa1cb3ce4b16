"""Faces with missing labels join training alone, and never a picture or a person of val or test."""

from dataclasses import replace

import numpy as np
import pytest

from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import KEYPOINTS, Faces, SealedFaces, Splits
from kpbench.faces.partial import with_partial_faces
from kpbench.faces.parts import Parts
from tests.faces.real_data import KAGGLE_ZIP, needs_real_faces

SHARES = {"val_share": 0.15, "test_share": 0.15, "seed": 20}


def some_faces(n, *, start=0, missing=(), subjects=None):
    """`n` different pictures; rows in `missing` lack all keypoints but the nose."""
    pictures = np.zeros((n, 1, 96, 96), np.uint8)
    pictures[:, 0, 0, 0] = np.arange(start, start + n)
    points = np.full((n, 15, 2), 40, np.float32)
    for row in missing:
        points[row, [k for k in range(15) if KEYPOINTS[k] != "nose_tip"]] = np.nan
    return Faces(pictures, points, None if subjects is None else np.array(subjects, np.int64))


def splits(train, val, test):
    return Splits("made", train, val, SealedFaces(test), ("5 of 9 train rows dropped: a keypoint is missing",))


def test_partial_faces_follow_the_complete_ones_and_a_note_counts_them():
    train = some_faces(6, missing=(1, 4))
    whole = train.take(np.array([0, 2, 3, 5]))
    found = with_partial_faces(splits(whole, some_faces(2, start=50), some_faces(2, start=60)), Parts(train))
    assert len(found.train) == 6
    assert np.isfinite(found.train.keypoints[:4]).all()
    assert np.isfinite(found.train.keypoints[4:]).all(axis=2).sum(axis=1).tolist() == [1, 1]
    assert found.notes == ("2 faces with missing labels added to train for a masked loss",)
    assert found.digest() != splits(whole, some_faces(2, start=50), some_faces(2, start=60)).digest()


def test_half_a_keypoint_is_none():
    train = some_faces(2, missing=(1,))
    points = train.keypoints.copy()
    points[1, 0, 0] = 12.0  # x without y
    parts = Parts(Faces(train.images, points))
    found = with_partial_faces(
        splits(train.take(np.array([0])), some_faces(1, start=50), some_faces(1, start=60)), parts
    )
    assert np.isnan(found.train.keypoints[1, 0]).all()


@pytest.mark.parametrize("where", ["val", "test"])
def test_a_picture_or_a_person_of_val_or_test_stays_out(where):
    train = some_faces(4, missing=(1, 2, 3), subjects=[1, 2, 3, 4])
    same_picture, same_person = some_faces(1, start=1, subjects=[90]), some_faces(1, start=70, subjects=[3])
    other = Faces(
        np.concatenate([same_picture.images, same_person.images]),
        np.concatenate([same_picture.keypoints, same_person.keypoints]),
        np.array([90, 3], np.int64),
    )
    calm = some_faces(1, start=80, subjects=[99])
    val, test = (other, calm) if where == "val" else (calm, other)
    found = with_partial_faces(splits(train.take(np.array([0])), val, test), Parts(train))
    assert found.train.subjects.tolist() == [1, 4]
    assert "1 faces with missing labels added" in found.notes[-1]
    assert "2 more show a picture or a person of val or test" in found.notes[-1]


def test_data_without_partial_faces_refuse_them():
    train = some_faces(3)
    before = splits(train, some_faces(1, start=50), some_faces(1, start=60))
    with pytest.raises(UsageError, match="made has no face with missing labels"):
        with_partial_faces(before, Parts(train))


@needs_real_faces
def test_kaggles_partial_rows_leave_val_and_test_as_they_are():
    complete = load(str(KAGGLE_ZIP), **SHARES)
    partial = load(str(KAGGLE_ZIP), **SHARES, labels="partial")
    assert partial.val.digest() == complete.val.digest()
    assert partial.test.digest() == complete.test.digest()
    assert partial.held_out() == complete.held_out() and partial.digest() != complete.digest()
    assert len(partial.train) - len(complete.train) == 700
    assert np.isfinite(partial.train.keypoints[-1]).all(axis=1).sum() == 4


def test_joined_faces_keep_what_both_know():
    one = some_faces(2, subjects=[1, 2])
    named = replace(one, origins=np.array([("a.png", "line 2"), ("b.png", "line 3")]))
    assert named.joined(named).origins.tolist() == [*named.origins.tolist(), *named.origins.tolist()]
    assert named.joined(one).origins is None and named.joined(one).subjects.tolist() == [1, 2, 1, 2]
