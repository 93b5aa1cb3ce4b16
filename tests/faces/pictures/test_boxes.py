"""Boxes are read by name from a CSV, and one that cannot be is refused in a line that says where."""

import os
from pathlib import Path

import pytest

from kpbench.errors import UsageError
from kpbench.faces.pictures.boxes import check_inside, parse_box, read_boxes, widened
from kpbench.faces.readers.files import shown

PICTURES = [Path("one/a.png"), Path("two/a.png"), Path("one/b.png")]


def written(folder, text):
    (folder / "boxes.csv").write_text(text)
    return folder / "boxes.csv"


def test_rows_are_boxes_of_the_pictures_that_they_name(tmp_path):
    text = "w,picture,x,y,h,more\n3,two/a.png,1,2,4,z\n3,b.png,-1.5,0,4,z\n9,two/a.png,5,6,8,z\n1,c.png,0,0,1,z\n"
    boxes, others = read_boxes(written(tmp_path, text), PICTURES)
    assert boxes == {PICTURES[1]: [(1, 2, 3, 4), (5, 6, 9, 8)], PICTURES[2]: [(-1.5, 0, 3, 4)]}
    assert others == ["c.png"]


def test_names_are_taken_as_paths(tmp_path):
    place = tmp_path / "x" / "a.png"
    text = f"picture,x,y,w,h\n.\\x\\a.png,1,2,3,4\n{place},5,6,7,8\n"
    boxes, _ = read_boxes(written(tmp_path, text), [place])
    assert boxes == {place: [(1, 2, 3, 4), (5, 6, 7, 8)]}


def test_a_name_that_is_no_utf8_is_taken_as_predict_writes_it(tmp_path):
    place = Path(os.fsdecode(b"one/m\xe9.png"))
    text = f"picture,x,y,w,h\n{shown(place)},1,2,3,4\n"
    assert read_boxes(written(tmp_path, text), [*PICTURES, place]) == ({place: [(1, 2, 3, 4)]}, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.png,1,2,3,4\n", "no column picture in the first line"),
        ("picture,x,y,w\nb.png,1,2,3\n", "no column h in the first line"),
        ("picture,x,y,w,h\na.png,1,2,3,4\n", r"line 2: a.png could be one/a.png or two/a.png"),
        ("picture,x,y,w,h\nb.png,1,2,3\n", "line 2: 4 fields where the header has 5"),
        ("picture,x,y,w,h\nb.png,1,two,3,4\n", "line 2, column y: 'two' is not a number"),
        ("picture,x,y,w,h\nb.png,1,,3,4\n", "line 2: no box"),
        ("picture,x,y,w,h\nb.png,1,2,0,4\n", "line 2: no box"),
        ("picture,x,y,w,h\nc.png,1,2,3,4\n", "no row names one of the pictures; the first names c.png"),
        ("picture,x,y,w,h\n", "no row below the header"),
        ("", "is empty"),
    ],
)
def test_files_that_say_no_boxes_are_refused(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read_boxes(written(tmp_path, text), PICTURES)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*none\.csv: No such file"):
        read_boxes(tmp_path / "none.csv", PICTURES)
    (tmp_path / "b.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        read_boxes(tmp_path / "b.csv", PICTURES)


def test_a_word_is_a_box():
    assert parse_box("1,-2.5,3,4e1") == (1, -2.5, 3, 40)


@pytest.mark.parametrize(
    "word", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,nan,4", "1,2,inf,4", "1,2,3,-4", "1e9,2,3,4"]
)
def test_a_word_that_is_no_box_is_refused(word):
    with pytest.raises(UsageError, match="--box"):
        parse_box(word)


def test_a_margin_keeps_the_centre():
    assert widened((10, 20, 100, 50), 0.1) == (0, 15, 120, 60)
    assert widened((10, 20, 100, 50), 0.0) == (10, 20, 100, 50)


@pytest.mark.parametrize("box", [(-90, 0, 100, 20), (199, 0, 100, 20), (0, 99, 20, 20), (0, -19.5, 20, 20)])
def test_a_box_over_the_edge_is_one(box):
    check_inside(box, 200, 100, "a.png")


@pytest.mark.parametrize("box", [(200, 0, 20, 20), (-20, 0, 20, 20), (0, 100, 20, 20), (0, -20, 20, 20)])
def test_a_box_outside_is_refused(box):
    with pytest.raises(UsageError, match=r"a\.png: the box .* lies outside of the picture of 200 x 100 pixels"):
        check_inside(box, 200, 100, "a.png")


@pytest.mark.parametrize("side", [7, 20_000])
def test_a_box_too_small_or_large_is_refused(side):
    with pytest.raises(UsageError, match="a longer side of"):
        check_inside((0, 0, side, 5), 200, 100, "a.png")
