"""The contact sheet: every face at its place, keypoints where they belong, in colours by side."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kpbench.faces.faces import KEYPOINTS, mirrored_order
from kpbench.report.data.contact_sheet import SIDES, _columns, contact_sheet, side_of
from kpbench.report.face_pictures import png
from kpbench.whole_file import write_whole
from tests.course_files import blob_faces

COMMITTED = Path(__file__).parents[3] / "docs" / "faces.png"


def test_sides():
    for name, partner in zip(KEYPOINTS, mirrored_order(), strict=True):
        sides = {side_of(name), side_of(KEYPOINTS[partner])}
        assert sides in ({"left", "right"}, {"middle"})


def test_faces_and_keypoints_are_where_they_belong():
    faces = blob_faces(7)
    labels = np.full((7, 15, 2), np.nan)
    labels[4, 0], labels[4, 1], labels[4, 10] = (70, 30), (20, 31), (48, 60)
    labels[5, 10] = (300, -50)
    sheet = contact_sheet(faces.images[:, 0], labels, columns=3, pixels=96, gap=2)
    assert sheet.size == (3 * 98 + 2, 3 * 98 + 2)
    seen = np.asarray(sheet.convert("RGB"))
    tile = seen[100:196, 100:196]
    assert [tuple(tile[y, x]) for x, y in ((70, 30), (20, 31), (48, 60))] == list(SIDES.values())
    first = seen[2:98, 2:98, 0].astype(int)
    assert np.abs(first - faces.images[0, 0]).max() <= 4
    assert (seen[-50:, -50:] == seen[0, 0]).all()  # the last places are empty


@given(st.integers(1, 400))
def test_the_sheet_is_wide_and_nearly_full(count):
    across = _columns(count)
    down = -(-count // across)
    assert 1 <= across <= count
    assert across * down - count < across
    assert across >= down - 1


def test_no_face_is_an_error():
    with pytest.raises(ValueError, match="no face"):
        contact_sheet(np.zeros((0, 96, 96), np.uint8), np.zeros((0, 15, 2)))


def test_a_file_is_whole_or_not_there(tmp_path):
    faces = blob_faces(2)
    content = png(contact_sheet(faces.images[:, 0], faces.keypoints))
    write_whole(tmp_path / "sheet.png", content)
    assert Image.open(io.BytesIO((tmp_path / "sheet.png").read_bytes())).mode == "P"
    with pytest.raises(OSError, match="No such file"):
        write_whole(tmp_path / "no" / "sheet.png", content)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "sheet.png"]


def test_the_committed_sheet_shows_120_faces():
    assert COMMITTED.stat().st_size < 1_000_000
    with Image.open(COMMITTED) as sheet:
        assert sheet.size == (12 * 124 + 4, 10 * 124 + 4)
        found = np.asarray(sheet.convert("RGB")).astype(int)
    for side in ("left", "right"):
        dots = (found == SIDES[side]).all(axis=2).reshape(-1, 1492)
        tiles = [dots[y + 4 : y + 124, x + 4 : x + 124].any() for y in range(0, 1240, 124) for x in range(0, 1488, 124)]
        assert all(tiles)
        assert len(tiles) == 120
