"""Incomplete rows are dropped and counted; a part without a complete one is refused."""

import numpy as np
import pytest

from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts, complete_only
from tests.course_files import blob_faces


def with_gaps(n: int, gaps: list[int]) -> Faces:
    faces = blob_faces(n)
    keypoints = faces.keypoints.copy()
    keypoints[gaps, 3, 1] = np.nan
    return Faces(faces.images, keypoints)


def test_incomplete_rows_are_dropped_and_counted_by_part() -> None:
    parts = complete_only("x.zip", Parts(with_gaps(5, [0, 3]), with_gaps(3, []), with_gaps(2, [1]), notes=("first",)))
    assert parts.notes == (
        "first",
        "2 of 5 train rows dropped: a keypoint is missing",
        "1 of 2 test rows dropped: a keypoint is missing",
    )
    assert np.array_equal(parts.train.images, blob_faces(5).images[[1, 2, 4]])
    assert [len(faces) for _, faces in parts.items()] == [3, 3, 1]
    assert all(np.isfinite(faces.keypoints).all() for _, faces in parts.items())


def test_complete_parts_pass_as_they_are() -> None:
    parts = Parts(blob_faces(2), notes=("one",))
    again = complete_only("x.zip", parts)
    assert again.train is parts.train
    assert (again.val, again.test, again.notes) == (None, None, ("one",))


def test_a_part_without_a_complete_row_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"x\.zip: no complete row in the val part: each of its 2 faces lacks a keypoint"
    ):
        complete_only("x.zip", Parts(blob_faces(2), with_gaps(2, [0, 1])))
