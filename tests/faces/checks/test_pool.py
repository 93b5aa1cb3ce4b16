"""The pool: every row of the source, in the split that a search would put it in."""

from dataclasses import replace

import numpy as np

from kpbench.faces.checks.near_copies import copies_in
from kpbench.faces.checks.pool import pool_of
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts, complete_only
from kpbench.faces.split import split
from tests.course_files import blob_faces
from tests.faces.checks.drawn import SHARES


def partial(faces: Faces, *rows: int) -> Faces:
    labels = faces.keypoints.copy()
    labels[list(rows), 3] = np.nan
    return Faces(faces.images, labels, faces.subjects)


def test_splits_are_those_of_a_search():
    for train in (blob_faces(60, people=12), blob_faces(60)):
        parts = Parts(partial(train, 4, 9), val=partial(blob_faces(20, seed=1), 2))
        found = pool_of("blobs", parts, **SHARES)
        kept = complete_only("blobs", parts)
        made = split("blobs", kept, **SHARES, copies=copies_in(kept))
        assert found.made == {"test"}
        assert [str(found.place(at)) for at in np.flatnonzero(found.split == "")] == [
            "train row 4 (left out)", "train row 9 (left out)", "val row 2 (left out)",
        ]  # fmt: skip
        assert str(found.place(int(np.flatnonzero(found.split == "test")[0]))).endswith(" (test)")
        test = made.test.open(lambda: None)
        for name, faces in (("train", made.train), ("val", made.val), ("test", test)):
            np.testing.assert_array_equal(found.images[found.split == name], faces.images[:, 0])


def test_a_face_of_a_picture_file_is_named_by_it_and_its_split():
    origins = np.array([(f"p/{at}.png", f"k.csv, line {at + 2}") for at in range(9)])
    faces = replace(partial(blob_faces(9), 3), origins=origins)
    found = pool_of("blobs", Parts(faces, blob_faces(5, seed=1), blob_faces(4, seed=2)), **SHARES)
    assert str(found.place(2)) == "train row 2", "the other parts have no files"
    alone = pool_of("blobs", Parts(faces), **SHARES)
    used = str(alone.split[2])
    assert str(alone.place(2)) == f"p/2.png (k.csv, line 4, {used})"
    assert alone.place(2).short == "p/2.png"
    assert alone.place(2).as_json() == {
        "part": "train", "row": 2, "split": used, "picture": "p/2.png", "label": "k.csv, line 4"
    }  # fmt: skip
    assert str(alone.place(3)) == "p/3.png (k.csv, line 5, left out)"


def test_given_parts_stay_what_they_are():
    parts = Parts(blob_faces(9), blob_faces(5, seed=1), blob_faces(4, seed=2))
    found = pool_of("blobs", parts, **SHARES)
    assert found.split.tolist() == found.part.tolist() == ["train"] * 9 + ["val"] * 5 + ["test"] * 4
    assert found.open_rows().tolist() == [True] * 14 + [False] * 4
    assert found.row.tolist() == [*range(9), *range(5), *range(4)]
    assert found.subjects is None
    assert found.problem == ""
