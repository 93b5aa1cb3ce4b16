"""Reading a path: the layout that knows it, or a line that says what is there and what is missing."""

from pathlib import Path

import pytest

from kpbench.errors import UsageError
from kpbench.faces.parts import silent
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
    assert "and 22 more" in refusal(tmp_path)


def test_kaggles_outer_zip_is_refused_with_the_zip_to_unpack(tmp_path: Path) -> None:
    write_zip(tmp_path / "outer" / "training.zip", write_course(tmp_path / "course", train=1, val=0, test=0))
    assert "unpack it and give training.zip" in refusal(write_zip(tmp_path / "all.zip", tmp_path / "outer"))
    assert "holds training.zip; give training.zip; it lacks" in refusal(tmp_path / "outer")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8")
    assert "is no data set" in refusal(photo)


def test_each_layout_says_what_it_expects_and_takes_nothing_from_an_empty_place() -> None:
    for layout in LAYOUTS.values():
        assert layout.expects
        assert layout.version >= 1
        assert layout.find({}) == {}
