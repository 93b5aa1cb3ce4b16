"""The layout of the course and of Kaggle: which files it takes, and what it says of the others."""

from pathlib import Path

import numpy as np
import pytest

from kpbench.errors import UsageError
from kpbench.faces.parts import Parts, silent
from kpbench.faces.readers import course_csv
from kpbench.faces.readers.files import files_at
from tests.course_files import blob_faces, csv_rows, csv_text, write_course, write_zip


def read(path: Path) -> Parts:
    return course_csv.read(course_csv.find(files_at(path)), silent)


def test_the_course_folder_has_three_parts_in_the_order_of_the_files(tmp_path: Path) -> None:
    parts = read(write_course(tmp_path, train=3, val=2, test=1))
    assert [(name, len(faces)) for name, faces in parts.items()] == [("train", 3), ("val", 2), ("test", 1)]
    assert np.array_equal(parts.train.images, blob_faces(3, seed=0).images)
    assert np.array_equal(parts.items()[2][1].keypoints, blob_faces(1, seed=2).keypoints)
    assert parts.notes == ()


@pytest.mark.parametrize(
    ("val", "test", "names"), [(2, 0, ["train", "val"]), (0, 2, ["train", "test"]), (0, 0, ["train"])]
)
def test_what_the_folder_lacks_is_no_part(tmp_path: Path, val: int, test: int, names: list[str]) -> None:
    parts = read(write_course(tmp_path, train=2, val=val, test=test))
    assert [name for name, _ in parts.items()] == names


def test_kaggles_test_csv_without_labels_is_not_used_and_this_is_said(tmp_path: Path) -> None:
    write_course(tmp_path, train=2, val=0, test=0)
    picture = csv_rows(blob_faces(1))[0][-1]
    (tmp_path / "test.csv").write_text(csv_text([["1", picture]], header=["ImageId", "Image"]))
    parts = read(tmp_path)
    assert parts.test is None
    assert len(parts.notes) == 1
    assert "test.csv has no keypoint columns" in parts.notes[0]


def test_a_test_csv_with_some_labels_is_refused(tmp_path: Path) -> None:
    write_course(tmp_path, train=2, val=0, test=0)
    (tmp_path / "test.csv").write_text("nose_tip_x,Image\n1,2\n")
    with pytest.raises(UsageError, match=r"test\.csv, line 1: missing column left_eye_center_x and 28 more"):
        read(tmp_path)


def test_one_top_folder_in_a_zip_is_looked_into(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "x.zip", write_course(tmp_path / "c", train=2, val=1, test=1), inside="Fotos für morgen"
    )
    assert len(read(path).items()) == 3


def test_a_csv_alone_is_the_train_part_whatever_its_name_and_neighbours(tmp_path: Path) -> None:
    write_course(tmp_path, train=2, val=1, test=1)
    (tmp_path / "training.csv").rename(tmp_path / "Meine Gesichter.CSV")
    assert [(name, len(faces)) for name, faces in read(tmp_path / "Meine Gesichter.CSV").items()] == [("train", 2)]


@pytest.mark.parametrize("names", [("a", "b"), (".", "a")])
def test_two_data_sets_in_one_place_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write_course(tmp_path / "both" / name, train=1, val=0, test=0)
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "both")
    assert str(tmp_path / "both") in str(caught.value)
    assert "a/training.csv" in str(caught.value)
    assert "give the one you mean" in str(caught.value)


def test_other_files_are_another_layout(tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("x")
    (tmp_path / "note.txt").write_text("x")
    assert course_csv.find(files_at(tmp_path)) == {}
    assert course_csv.find(files_at(tmp_path / "note.txt")) == {}
