"""Reading a path: the layout that knows it, or a line that says what is there and what is missing."""

import zipfile
from pathlib import Path

import pytest

from kpbench.errors import UsageError
from kpbench.faces.parts import silent
from kpbench.faces.readers.csv_table import COORDINATES
from kpbench.faces.readers.layouts import LAYOUTS, read_path
from tests.course_files import write_course, write_zip


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_path(path, silent)
    assert str(caught.value).isprintable()
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_lacks_a_training_csv_is_refused_with_what_it_holds(tmp_path: Path, kind: str) -> None:
    folder = write_course(tmp_path / "course", train=0, val=1, test=1)
    (folder / "notes.txt").write_text("x")
    message = refusal(folder if kind == "folder" else write_zip(tmp_path / "x.zip", folder))
    assert "lacks training.csv" in message
    assert "holds notes.txt, test.csv, val.csv" in message


def test_an_empty_folder_and_a_folder_of_many_files_are_refused_briefly(tmp_path: Path) -> None:
    assert "holds no file" in refusal(tmp_path)
    for i in range(30):
        (tmp_path / f"{i}.png").write_text("x")
    assert "and 27 more" in refusal(tmp_path)


def test_kaggles_outer_zip_is_refused_with_the_zip_to_unpack(tmp_path: Path) -> None:
    write_zip(tmp_path / "outer" / "training.zip", write_course(tmp_path / "course", train=1, val=0, test=0))
    assert "unpack it and give training.zip" in refusal(write_zip(tmp_path / "all.zip", tmp_path / "outer"))
    message = refusal(tmp_path / "outer")
    assert message.endswith(f"no data set beside the zip: give {tmp_path / 'outer' / 'training.zip'}")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8")
    assert refusal(photo) == (
        f"{photo} is no data set: give a folder, .zip, .csv or .npz; pictures, COCO's JSON and a mapping lie together "
        "in a folder, give that"
    )


def test_each_layout_says_what_it_expects_and_takes_nothing_from_an_empty_place() -> None:
    for layout in LAYOUTS.values():
        assert layout.expects
        assert layout.version >= 1
        assert layout.find({}) == {}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("Image,x1,y1", "lacks left_eye_center_x, left_eye_center_y, right_eye_center_x and 27 more"),
        (",".join(["name", *map(str, range(135))]), "of the 136 columns of keypoints it lacks 135"),
        (",".join(["Image", *COORDINATES]), "its column Image would hold grey values; call it image"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_csv_of_pictures_that_is_not_quite_one_is_told_what_it_lacks(tmp_path: Path, header, says, kind) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "labels.csv").write_text(header + "\n" + ",".join(["a.png"] + ["1"] * header.count(",")) + "\n")
    message = refusal(folder if kind == "folder" else write_zip(tmp_path / "x.zip", folder))
    assert says in message
    assert "labels.csv" in message
    assert ("fewer points are not supported" in message) == ("lacks" in says)
    assert len(message) < 450 + len(str(tmp_path))


def test_a_column_image_of_file_names_is_told_as_that(tmp_path: Path) -> None:
    table = ",".join(["Image", *COORDINATES]) + "\n" + ",".join(["a.png"] + ["1"] * 30) + "\n"
    for name in ("training.csv", "labels.csv"):
        (tmp_path / name).write_text(table)
        message = refusal(tmp_path / name)
        assert "line 2, column Image: 'a.png' names a picture; call the column image, and make it the first" in message


def test_files_far_below_are_found_for_a_person(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "a" / "b" / "c" / "d" / "e" / "f", train=1, val=0, test=0)
    assert f"as a/b/c/d/e/f/training.csv: give {folder}" in refusal(tmp_path)


def test_files_too_far_below_are_found_for_a_person(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "outer" / "a" / "b", train=1, val=0, test=0)
    assert f"as a/b/training.csv: give {folder}" in refusal(tmp_path / "outer")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(folder / "training.csv", "a/b/training.csv")
    assert "unpack it and give its folder a/b" in refusal(tmp_path / "x.zip")
