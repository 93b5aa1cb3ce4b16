"""One .npz of faces: shapes, types and words that are read, and all others refused in a line."""

import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts, silent
from kpbench.faces.readers.layouts import find_path
from tests.course_files import blob_faces

FACES = blob_faces(5)
GOOD = {"images": FACES.images, "keypoints": FACES.keypoints}


def saved(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "faces.npz", **arrays)
    return folder / "faces.npz"


def read(path: Path) -> Parts:
    found = find_path(path)
    assert found.layout == "npz_file"
    return found.read(silent)


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value).isprintable()
    assert "faces.npz" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(5, 1, 96, 96), (5, 96, 96), (5, 96, 96, 1)])
@pytest.mark.parametrize("flat", [False, True])
def test_grey_faces_of_96_stay_as_they_are(tmp_path, shape, flat):
    keypoints = FACES.keypoints.reshape(5, 30) if flat else FACES.keypoints
    parts = read(saved(tmp_path, images=FACES.images.reshape(shape), keypoints=keypoints))
    assert parts.train.digest() == FACES.digest()
    assert parts.notes == ()
    assert parts.train.subjects is None


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (FACES.images.astype(np.uint16) * 257, "divided by 257"),
        (FACES.images.astype(">u2") * 257, "divided by 257"),
        (FACES.images / 255, "multiplied by 255"),
        ((FACES.images / 255).astype(np.float32), "multiplied by 255"),
        (np.repeat(FACES.images[:, 0, :, :, None], 3, axis=3), "luma"),
        (np.asfortranarray(FACES.images), ""),
    ],
)
def test_a_conversion_is_told_and_gives_the_same_faces(tmp_path, images, said):
    parts = read(saved(tmp_path, images=images, keypoints=FACES.keypoints.astype(np.float64)))
    assert parts.train.digest() == FACES.digest()
    assert [said in note for note in parts.notes] == ([True] if said else [])


def test_large_colour_pictures_are_cut(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 200, 150, 3), dtype=np.uint8)
    keypoints = FACES.keypoints[:4] * 1.5
    parts = read(saved(tmp_path, images=images, keypoints=keypoints))
    assert parts.train.images.shape == (4, 1, 96, 96)
    assert any("4 of 4 faces cut out around their keypoints" in note for note in parts.notes)


def test_split_and_subjects_make_parts_and_people(tmp_path):
    parts = read(
        saved(
            tmp_path,
            **GOOD,
            split=np.array(["train", "val", "train", "test", "train"]),
            subjects=np.array(["Zoë", "ann", "Zoë", "bo", "bo"]),
        )
    )
    assert [(name, len(faces)) for name, faces in parts.items()] == [("train", 3), ("val", 1), ("test", 1)]
    assert parts.train.subjects.tolist() == [0, 0, 2]
    assert np.array_equal(parts.train.images, FACES.images[[0, 2, 4]])
    assert "1 people are in both train and test, as the data bring it" in parts.notes
    whole = read(saved(tmp_path, **GOOD, subjects=np.array([7, 7, 3, 1, 3], np.uint8))).train
    assert whole.subjects.tolist() == [7, 7, 3, 1, 3]


def test_nan_is_a_missing_label(tmp_path):
    keypoints = FACES.keypoints.copy()
    keypoints[1, 2] = np.nan
    assert np.isnan(read(saved(tmp_path, images=FACES.images, keypoints=keypoints)).train.keypoints[1, 2]).all()


def with_value(value: float) -> np.ndarray:
    keypoints = FACES.keypoints.copy()
    keypoints[1, 2, 0] = value
    return keypoints


def nan_image() -> np.ndarray:
    images = (FACES.images / 255).astype(np.float32)
    images[3, 0, 5, 5] = np.nan
    return images


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": nan_image()}, "NaN or an infinite value in a picture"),
        ({"images": FACES.images.astype(np.float32)}, "expected 0 to 1"),
        ({"images": FACES.images.astype(np.int32)}, "type int32"),
        ({"images": FACES.images.astype(np.uint16)}, "unknown scale"),
        ({"images": FACES.images.astype(object)}, "Python objects"),
        ({"images": np.zeros(5, [("a", "u1")])}, "records"),
        ({"images": FACES.images[:, :, :, :, None]}, "images has shape"),
        ({"images": FACES.images[:0], "keypoints": FACES.keypoints[:0]}, "at least one face"),
        ({"images": FACES.images[0]}, "for 1 images"),
        ({"images": np.zeros((5, 96, 96, 4), np.uint8)}, "images has shape"),
        ({"keypoints": FACES.keypoints[:4]}, "keypoints has shape (4, 15, 2), expected (5, 15, 2)"),
        ({"keypoints": FACES.keypoints[:, :14]}, "keypoints has shape"),
        ({"keypoints": FACES.keypoints.astype(int)}, "keypoints are of type int64"),
        ({"keypoints": FACES.keypoints.astype(str)}, "keypoints are of type <U"),
        ({"keypoints": with_value(np.inf)}, "infinite keypoint"),
        ({"keypoints": with_value(-200)}, "face 1: the keypoint (-200"),
        ({"keypoints": with_value(1e30)}, "face 1: the keypoint (1e+30"),
        ({"split": np.array(["train"] * 4)}, "split is"),
        ({"split": np.array(["train"] * 4 + ["dev"])}, "split has 'dev'"),
        ({"split": np.array(["val"] * 5)}, "split has no train"),
        ({"split": np.arange(5)}, "split is int64"),
        ({"subjects": np.arange(4)}, "subjects is"),
        ({"subjects": np.arange(5) / 2}, "subjects is float64"),
    ],
)
def test_wrong_arrays_are_refused_by_name(tmp_path, change, said):
    assert said in refusal(saved(tmp_path, **{**GOOD, **change}))


@pytest.mark.parametrize("lacking", ["images", "keypoints"])
def test_a_missing_array_is_named(tmp_path, lacking):
    arrays = {name: array for name, array in GOOD.items() if name != lacking}
    assert f"no array '{lacking}'; it holds {next(iter(arrays))}" in refusal(saved(tmp_path, **arrays))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = saved(tmp_path, **GOOD)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "whole .npz" in refusal(path)


def test_a_changed_bit_is_found(tmp_path):
    path = saved(tmp_path, **GOOD)
    content = bytearray(path.read_bytes())
    content[10_000] ^= 1
    path.write_bytes(content)
    assert "the zip is broken" in refusal(path)


def test_a_header_that_promises_more_than_there_is_takes_no_memory(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 96, 96)})
    path = tmp_path / "faces.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", stream.getvalue() + b"\0" * 100)
        archive.writestr("keypoints.npy", b"nonsense")
    assert "do not fill the shape" in refusal(path)


def test_an_array_that_is_a_zip_bomb_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "faces.npz", images=np.zeros((3000, 96, 96), np.uint8), keypoints=FACES.keypoints)
    assert "zip bomb" in refusal(tmp_path / "faces.npz")


def test_a_folder_may_hold_one_and_two_are_refused(tmp_path):
    saved(tmp_path, **GOOD)
    assert len(read(tmp_path).train) == 5
    np.savez(tmp_path / "second.npz", **GOOD)
    assert "two data sets in one place" in refusal(tmp_path)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 5),
    compressed=st.booleans(),
    people=st.booleans(),
    split=st.booleans(),
)
def test_what_is_written_is_read_again(seed, n, compressed, people, split):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-96, 192, (n, 15, 2)).astype(np.float32)
    points[rng.random((n, 15)) < 0.2] = np.nan
    faces = Faces(
        rng.integers(0, 256, (n, 1, 96, 96), dtype=np.uint8), points, rng.integers(0, 3, n) if people else None
    )
    words = np.array(["train", *rng.choice(["train", "val", "test"], n - 1)])
    arrays = {"images": faces.images, "keypoints": faces.keypoints}
    arrays |= {"subjects": faces.subjects} if people else {}
    arrays |= {"split": words} if split else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ä b.npz"
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        parts = read(path)
    for name, part in parts.items():
        wanted = faces.take(np.flatnonzero(words == name)) if split else faces
        assert part.digest() == wanted.digest()
        assert (part.subjects is None) == (not people)
        assert not people or np.array_equal(part.subjects, wanted.subjects)
    assert sum(len(part) for _, part in parts.items()) == n


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damaged_bytes_give_faces_or_a_usage_error(data):
    stream = io.BytesIO()
    np.savez(stream, images=FACES.images[:1], keypoints=FACES.keypoints[:1], split=np.array(["train"]))
    content = bytearray(stream.getvalue())
    ends = [*range(300), *range(len(content) - 900, len(content))]
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.sampled_from(ends))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.npz"
        path.write_bytes(content)
        try:
            assert len(read(path).train) == 1
        except UsageError as error:
            assert str(error).isprintable()
