"""Pictures are listed in natural order, each once, and what is made of them never shares a file."""

from pathlib import Path

import pytest

from kpbench.errors import UsageError
from kpbench.faces.pictures.listing import list_pictures, natural, overlay_files


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_frames_come_in_natural_order():
    names = [
        "frame10.png",
        "frame9.png",
        "a2b10.png",
        "a2b9.png",
        "Frame1.png",
        "9.png",
        "10.png",
        "b.png",
        "frame09.png",
    ]
    ordered = [path.name for path in sorted(map(Path, names), key=natural)]
    assert ordered == [
        "9.png",
        "10.png",
        "a2b9.png",
        "a2b10.png",
        "b.png",
        "Frame1.png",
        "frame09.png",
        "frame9.png",
        "frame10.png",
    ]


def test_a_folder_gives_its_own_pictures_and_nothing_else(tmp_path):
    touch(tmp_path, "f2.JPG", "f10.jpeg", "notes.txt", ".f1.png", "below/f3.png", "f1.webp")
    assert [path.name for path in list_pictures([tmp_path])] == ["f1.webp", "f2.JPG", "f10.jpeg"]


def test_a_picture_named_twice_is_taken_once(tmp_path, monkeypatch):
    touch(tmp_path, "b.png", "a.png")
    monkeypatch.chdir(tmp_path)
    assert list_pictures([Path("b.png"), tmp_path, Path("./b.png")]) == [Path("b.png"), tmp_path / "a.png"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere", "no picture or folder at"),
        ("empty", "no picture .*: check the path"),
        ("above", "give its folders themselves"),
    ],
)
def test_places_without_pictures_are_refused(tmp_path, place, words):
    touch(tmp_path, "empty/notes.txt", "above/below/a.png")
    with pytest.raises(UsageError, match=words):
        list_pictures([tmp_path / place])


def test_overlays_are_named_as_their_pictures(tmp_path):
    pictures = [tmp_path / "a.jpg", tmp_path / "b.png"]
    assert overlay_files(pictures, Path("out")) == [Path("out/a.png"), Path("out/b.png")]


def test_pictures_that_would_share_a_name_keep_their_suffix(tmp_path):
    pictures = [tmp_path / name for name in ("a.jpg", "A.png", "b.png", "a.jpg.png")]
    names = [path.name for path in overlay_files(pictures, Path("out"))]
    assert names == ["a.jpg.png", "A.png.png", "b.png.png", "a.jpg.png.png"]


def test_pictures_of_several_folders_keep_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "in/one/a.png", "in/two/a.png")
    pictures = [Path("in/one/a.png"), Path("in/two/../two/a.png")]
    assert overlay_files(pictures, Path("out")) == [Path("out/one/a.png"), Path("out/two/a.png")]
