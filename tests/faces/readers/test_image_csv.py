"""Picture files with a CSV: which picture is meant, which columns, and what is refused."""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts, silent
from kpbench.faces.readers import image_csv
from kpbench.faces.readers.layouts import find_path, read_path
from tests.course_files import blob_faces, csv_rows, csv_text, write_course
from tests.faces.checks.drawn import drawn_faces
from tests.faces.picture_sets import names, save, table, write_pictures


def read(path: Path) -> Parts:
    found = find_path(path)
    assert found.layout == "image_csv"
    return found.read(silent)


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


def pack(path: Path, folder: Path, *, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, inside + str(file.relative_to(folder)))
    return path


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("packed", ["", "zip", "zip in a folder"])
def test_the_published_layout_gives_train_and_test_by_person(tmp_path, many, packed):
    train, test = blob_faces(12), blob_faces(8, seed=1)
    folder = tmp_path / "data"
    write_pictures(folder, train, inside="training", csv="training_frames_keypoints.csv", many=many)
    write_pictures(folder, test, inside="test", csv="test_frames_keypoints.csv", many=many)
    path = folder if not packed else pack(tmp_path / "x.zip", folder, inside="a b/" if "folder" in packed else "")
    parts = read(path)
    assert np.array_equal(parts.train.images, train.images)
    assert parts.train.keypoints == pytest.approx(train.keypoints, abs=1e-4)
    assert parts.test is not None
    assert np.array_equal(parts.test.images, test.images), "the same names, in another folder"
    assert parts.val is None
    assert parts.train.subjects.tolist() == [0, 1, 2, 3] * 3
    assert any("people are taken from the file names" in note for note in parts.notes)
    assert any("4 people are in both train and test" in note for note in parts.notes)
    assert any("68 points were reduced" in note for note in parts.notes) == many


@pytest.mark.parametrize("first", ["", "image", "file", "filename", "image_path", "Filename", "Unnamed: 0"])
def test_the_first_column_may_be_called_so(tmp_path, first):
    faces = blob_faces(4)
    write_pictures(tmp_path, faces)
    text = (tmp_path / "keypoints.csv").read_text()
    (tmp_path / "keypoints.csv").write_text(first + text.removeprefix("image"))
    assert len(read(tmp_path).train) == 4


@pytest.mark.parametrize("inside", ["", "images", "Bilder für ä", "keypoints", "train", "a/b/c"])
def test_pictures_are_found_beside_the_csv_and_in_folders(tmp_path, inside):
    faces = blob_faces(4)
    write_pictures(tmp_path, faces, inside=inside, csv="keypoints.csv")
    assert np.array_equal(read(tmp_path).train.images, faces.images)


@pytest.mark.parametrize(
    "name", ["Änne Müller 日本 1.png", "a b/c.png", "./a/../x.png", "a\\c.png", "C.PNG", "/abs/x.png"]
)
def test_odd_names_of_pictures_are_found(tmp_path, name):
    faces = blob_faces(1)
    place = {"/abs/x.png": "x.png", "./a/../x.png": "x.png", "a\\c.png": "a/c.png"}.get(name, name)
    save(tmp_path / place, faces.images[0, 0])
    (tmp_path / "k.csv").write_text(table([name], faces.keypoints), encoding="utf-8")
    assert np.array_equal(read(tmp_path).train.images, faces.images)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "I;16"])
def test_each_kind_of_picture_is_the_same_face_and_told(tmp_path, mode):
    faces = blob_faces(4)
    write_pictures(tmp_path, faces, mode=mode)
    parts = read(tmp_path)
    assert np.array_equal(parts.train.images, faces.images)
    assert any(note.startswith("4 of 4 pictures") for note in parts.notes)


def test_larger_pictures_are_cut_around_their_keypoints(tmp_path):
    faces = blob_faces(6)
    listed = names(6)
    for name, image in zip(listed, faces.images, strict=True):
        canvas = np.full((400, 250), 30, np.uint8)
        canvas[60:252, 20:212] = np.array(Image.fromarray(image[0]).resize((192, 192)))
        save(tmp_path / name, canvas, mode="RGB")
    points = (faces.keypoints.astype(float) + 0.5) * 2 - 0.5 + [20, 60]
    (tmp_path / "k.csv").write_text(table(listed, points))
    parts = read(tmp_path)
    centres = parts.train.keypoints.mean(axis=1)
    assert np.abs(centres - [47.9, 47.2]).max() < 5
    assert len(np.unique(centres.round(3), axis=0)) == 6, "not all at one place"
    assert any("6 of 6 faces cut out around their keypoints" in note for note in parts.notes)
    again = read(tmp_path).train
    assert again.digest() == parts.train.digest()
    for image, at in zip(parts.train.images, parts.train.keypoints, strict=True):
        dark = [image[0, round(float(y)), round(float(x))] for x, y in at]
        assert np.mean(dark) < image[0, 20:80, 20:80].mean() - 15, "the blobs are where the keypoints are"


def test_an_empty_label_is_nan_and_the_row_is_kept(tmp_path):
    faces = blob_faces(4)
    keypoints = faces.keypoints.copy()
    keypoints[2, 5] = np.nan
    write_pictures(tmp_path, Faces(faces.images, keypoints))
    assert np.argwhere(np.isnan(read(tmp_path).train.keypoints)).tolist() == [[2, 5, 0], [2, 5, 1]]


def test_a_csv_alone_has_its_pictures_in_its_folder(tmp_path):
    faces = blob_faces(4)
    write_pictures(tmp_path, faces, csv="test_labels.csv", inside="images")
    assert np.array_equal(read(tmp_path / "test_labels.csv").train.images, faces.images)


def test_a_training_csv_of_pictures_is_not_taken_for_one_of_grey_values(tmp_path):
    write_pictures(tmp_path, blob_faces(4), csv="training.csv", inside="training")
    assert len(read(tmp_path).train) == 4


def test_a_csv_of_grey_values_is_still_the_other_layout(tmp_path):
    write_course(tmp_path, train=2, val=1, test=1)
    save(tmp_path / "x.png", blob_faces(1).images[0, 0])
    assert find_path(tmp_path).layout == "csv_files"
    assert image_csv.find({}) == {}


def test_it_is_cached_as_any_path_is(tmp_path, monkeypatch):
    monkeypatch.setenv("KPBENCH_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "x", blob_faces(4))
    heard = []
    first = read_path(tmp_path / "x", lambda what, share: heard.append(what))
    assert set(heard) == {"reading the pictures of train"}
    assert read_path(tmp_path / "x", None).train.digest() == first.train.digest()
    save(tmp_path / "x" / names(4)[0], 255 - blob_faces(4).images[0, 0])
    assert read_path(tmp_path / "x", silent).train.digest() != first.train.digest()


def rewritten(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Person_b_00.png", "nobody.png", ["line 3", "no picture 'nobody.png'", "remove the row"]),
        ("Person_b_00.png", "../../../etc/passwd", ["line 3", "no picture"]),
        ("Person_b_00.png", "keypoints.csv", ["line 3", "no picture"]),
        ("Person_b_00.png", "", ["line 3", "no picture ''"]),
        ("Person_b_00.png,", "Person_b_00.png,abc", ["line 3", "left_eye_center_x", "not a number"]),
        ("Person_b_00.png,", "Person_b_00.png,1,", ["line 3", "32 fields where the header has 31"]),
        ("Person_b_00.png,", "Person_b_00.png,nan", ["line 3", "not a number"]),
        ("Person_b_00.png,", "Person_b_00.png,-9999999", ["line 3", "left_eye_center_x", "outside"]),
        ("nose_tip_x", "left_eye_center_x", ["lacks"]),
        ("image,", "picture,", ["lacks"]),
    ],
)
def test_a_wrong_csv_is_refused_with_line_and_remedy(tmp_path, old, new, said):
    write_pictures(tmp_path, blob_faces(4))
    rewritten(tmp_path / "keypoints.csv", old, new)
    with pytest.raises(UsageError) as caught:
        find_path(tmp_path).read(silent)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize("value", [5_000.0, -300.0, 999_999.0, np.inf])
def test_negative_and_huge_coordinates_are_refused(tmp_path, value):
    faces = blob_faces(3)
    keypoints = faces.keypoints.copy()
    keypoints[1, 4, 0] = value
    write_pictures(tmp_path, Faces(faces.images, keypoints))
    message = refusal(tmp_path)
    assert "line 3" in message
    assert "outside" in message or "not finite" in message


def test_slightly_outside_is_kept(tmp_path):
    faces = blob_faces(3)
    keypoints = faces.keypoints.copy()
    keypoints[1, 4, 0] = -7.25
    write_pictures(tmp_path, Faces(faces.images, keypoints))
    assert read(tmp_path).train.keypoints[1, 4, 0] == -7.25


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 30])
def test_an_image_that_is_no_image_is_refused_with_its_row(tmp_path, content):
    write_pictures(tmp_path, blob_faces(3))
    (tmp_path / names(3)[2]).write_bytes(content)
    message = refusal(tmp_path)
    assert "keypoints.csv, line 4, Person_c_00.png" in message
    assert "replace or remove it" in message


def test_a_truncated_image_is_refused(tmp_path):
    write_pictures(tmp_path, blob_faces(3))
    file = tmp_path / names(3)[1]
    file.write_bytes(file.read_bytes()[:-400])
    assert "the picture is broken" in refusal(tmp_path)


def test_two_csvs_of_a_part_no_train_and_two_pictures_of_a_name_are_refused(tmp_path):
    faces = blob_faces(3)
    write_pictures(tmp_path / "a", faces, csv="one.csv")
    write_pictures(tmp_path / "a", faces, csv="two.csv")
    assert "both of the train part" in refusal(tmp_path / "a")
    write_pictures(tmp_path / "b", faces, csv="test.csv")
    assert "no file of the train part" in refusal(tmp_path / "b")
    write_pictures(tmp_path / "c", faces, inside="left")
    write_pictures(tmp_path / "c", faces, inside="right")
    assert "is there more than once" in refusal(tmp_path / "c")


def test_a_picture_that_is_a_zip_bomb_is_refused(tmp_path):
    write_pictures(tmp_path / "x", blob_faces(1))
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "x" / "keypoints.csv", "keypoints.csv")
        archive.writestr(names(1)[0], b"\0" * 20 * 1024**2)
    assert "zip bomb" in refusal(tmp_path / "x.zip")


def test_no_row_is_refused(tmp_path):
    write_pictures(tmp_path, blob_faces(1))
    (tmp_path / "keypoints.csv").write_text((tmp_path / "keypoints.csv").read_text().splitlines()[0])
    assert "no row below the header" in refusal(tmp_path)


def test_wrong_rows_missing_pictures_and_points_outside_are_told_together(tmp_path):
    faces = blob_faces(9)
    keypoints = faces.keypoints.astype(np.float64)
    keypoints[6, 3] = 5_000
    write_pictures(tmp_path, Faces(faces.images, keypoints.astype(np.float32)))
    rewritten(tmp_path / "keypoints.csv", f"{names(9)[0]},", f"{names(9)[0]},x")
    for at in (2, 4, 5):
        (tmp_path / names(9)[at]).unlink()
    message = refusal(tmp_path)
    assert message.startswith(f"5 rows are wrong: {tmp_path}/keypoints.csv, line 2, column left_eye_center_x: 'x")
    assert message.endswith(
        f"; line 4: no picture '{names(9)[2]}' is there; add it or remove the row; "
        f"line 6: no picture '{names(9)[4]}' is there; add it or remove the row; "
        f"line 7: no picture '{names(9)[5]}' is there; add it or remove the row; and 1 more; correct or remove the rows"
    )


def test_a_repeated_row_is_called_that_and_makes_no_person_of_a_picture(tmp_path):
    faces = blob_faces(40)
    for at, image in enumerate(faces.images):
        save(tmp_path / f"{at:03}.png", image[0])
    listed = [f"{at:03}.png" for at in range(40)]
    points = faces.keypoints.astype(float)
    (tmp_path / "k.csv").write_text(table(listed, points))
    clean = read(tmp_path)
    (tmp_path / "k.csv").write_text(table([*listed, listed[3]], np.concatenate([points, points[3:4]])))
    again = read(tmp_path)
    assert clean.notes == ()
    assert again.notes == ("1 row repeats another row exactly: the same picture with the same points; remove it",)
    assert again.train.subjects is None
    assert again.train.origins is not None
    assert again.train.origins[40].tolist() == ["003.png", "k.csv, line 42"]


def test_two_faces_of_one_picture_stay_in_one_split(tmp_path):
    faces = drawn_faces().take(np.arange(0, 300, 5))
    listed = [f"{at // 2:02}.png" for at in range(60)]
    points = faces.keypoints.astype(float)
    points[1::2, :, 0] += 96
    for at in range(0, 60, 2):
        save(tmp_path / "p" / listed[at], np.concatenate(faces.images[at : at + 2, 0], axis=1))
    (tmp_path / "k.csv").write_text(table(listed, points))
    splits = load(str(tmp_path), val_share=0.15, test_share=0.15, seed=20)
    place: dict[str, set[str]] = {}
    for part, found in (("train", splits.train), ("val", splits.val), ("test", splits.test.open(lambda: None))):
        assert found.subjects is None, "a picture is no person"
        for name, _ in found.origins.tolist():
            place.setdefault(name, set()).add(part)
    assert len(place) == 30
    assert {len(parts) for parts in place.values()} == {1}
    assert splits.leak == ""
    assert "30 pictures have several faces; those of a picture are kept in one split" in splits.notes


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(1, 4), many=st.booleans())
def test_what_is_written_is_read_again(data, n, many):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    points = rng.uniform(-96, 192, (n, 15, 2)).astype(np.float32)
    if not many:
        points[rng.random((n, 15)) < 0.2] = np.nan
    faces = Faces(rng.integers(0, 256, (n, 1, 96, 96), dtype=np.uint8), points)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), faces, many=many)
        again = read(Path(folder)).train
    assert np.array_equal(again.images, faces.images)
    assert np.allclose(again.keypoints, faces.keypoints, atol=1e-3, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_csv_bytes_give_faces_or_a_usage_error(data):
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), blob_faces(2))
        csv = Path(folder) / "keypoints.csv"
        content = bytearray(csv.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        csv.write_bytes(content)
        try:
            faces = find_path(Path(folder)).read(silent).train
        except UsageError as error:
            assert str(error).isprintable()
        else:
            assert not np.isinf(faces.keypoints).any()


def test_kaggles_rows_with_a_picture_name_first_are_kaggles(tmp_path):
    rows = [["x.png", *row] for row in csv_rows(blob_faces(2))]
    (tmp_path / "training.csv").write_text(
        csv_text(rows, header=["image", *(c for c in table([], np.zeros((0, 15, 2))).strip().split(",")[1:]), "Image"])
    )
    assert find_path(tmp_path).layout == "csv_files"
