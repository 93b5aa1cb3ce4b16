"""The CSV reader: what goes in comes out, and whatever else goes in is one readable line."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, Faces
from kpbench.faces.readers.course_csv import carries_labels, read_keypoint_csv
from kpbench.faces.readers.csv_table import COORDINATES, HIGHEST, LOWEST
from kpbench.faces.readers.files import DataFile
from tests.course_files import COLUMNS, blob_faces, csv_rows, csv_text

ROWS = csv_rows(blob_faces(3, seed=5))
HEADER = [*COLUMNS, "Image"]


def as_file(path: Path, content: str | bytes) -> DataFile:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DataFile(path, path.stat().st_size)


def read(path: Path, content: str | bytes) -> Faces:
    return read_keypoint_csv(as_file(path, content))


def refusal(path: Path, content: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read(path, content)
    message = str(caught.value)
    assert message.isprintable(), "one line"
    assert len(message) < 600
    assert str(path) in message
    return message


def changed(row: int, column: str, value: str) -> str:
    rows = [list(fields) for fields in ROWS]
    rows[row][HEADER.index(column)] = value
    return csv_text(rows)


def picture(*, at: int, value: str) -> str:
    values = ROWS[1][-1].split()
    values[at] = value
    return " ".join(values)


coordinates = st.floats(LOWEST, HIGHEST, width=32)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    points=st.lists(
        st.lists(st.one_of(coordinates, st.just(math.nan)), min_size=30, max_size=30), min_size=1, max_size=3
    ),
    order=st.permutations(range(31)),
    ends=st.tuples(st.sampled_from(["\n", "\r\n", "\r"]), st.booleans()),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_written_faces_are_read_back_in_any_column_order(
    seed: int, points: list[list[float]], order: list[int], ends: tuple[str, bool], mark: bytes
) -> None:
    n = len(points)
    line_end, last_line_ends = ends
    faces = Faces(
        np.random.default_rng(seed).integers(0, 256, (n, 1, 96, 96), dtype=np.uint8),
        np.array(points, dtype=np.float32).reshape(n, len(KEYPOINTS), 2),
    )
    rows = [[row[i] for i in order] for row in csv_rows(faces)]
    text = csv_text(rows, header=[HEADER[i] for i in order]).replace("\n", line_end)
    if not last_line_ends:
        text = text.removesuffix(line_end)
    with tempfile.TemporaryDirectory() as folder:
        again = read(Path(folder) / "faces.csv", mark + text.encode())
    assert np.array_equal(again.images, faces.images)
    assert np.array_equal(again.keypoints, faces.keypoints, equal_nan=True)


fields = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-1e400", "1_0", "１２", "1e3", "0x10", "1,2", '"', '"1"', "\x00", "\n", "-97", "192"]
    ),
    st.text(max_size=12),
    st.floats().map(str),
)


@settings(max_examples=120, deadline=None)
@given(row=st.integers(0, 2), column=st.sampled_from(HEADER), value=fields)
def test_one_damaged_field_gives_faces_or_a_usage_error(row: int, column: str, value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.csv"
        file = as_file(path, changed(row, column, value).encode("utf-8", "surrogatepass"))
        try:
            faces = read_keypoint_csv(file)
        except UsageError as error:
            assert str(error).isprintable()
            assert str(path) in str(error)
        else:
            known = faces.keypoints[np.isfinite(faces.keypoints)]
            assert known.min() >= LOWEST
            assert known.max() <= HIGHEST
            assert not np.isinf(faces.keypoints).any()
            assert len(faces) == 3


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_give_faces_or_a_usage_error(data: st.DataObject) -> None:
    content = bytearray(csv_text(ROWS).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(Path(folder) / "faces.csv", bytes(content))
        except UsageError as error:
            assert str(error).isprintable()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ["is empty"]),
        (b"\n\n\n", ["is empty"]),
        (csv_text([]), ["no row below the header"]),
        (csv_text([], header=["left_eye_center_x", "Image"]), ["line 1", "left_eye_center_y", "28 more"]),
        (csv_text([row[:-1] for row in ROWS], header=COLUMNS), ["line 1", "missing column Image"]),
        (csv_text([row[1:] for row in ROWS], header=HEADER[1:]), ["missing column left_eye_center_x;"]),
        (csv_text(ROWS, header=["nose_tip_y", *HEADER[1:]]), ["missing column left_eye_center_x"]),
        (csv_text([["1", *row] for row in ROWS], header=["nose_tip_x", *HEADER]), ["nose_tip_x is there 2 times"]),
        (csv_text(ROWS).replace(",", "\t"), ["missing column left_eye_center_x and 30 more", "fewer points"]),
        (csv_text([ROWS[0], ROWS[1][:7], ROWS[2]]), ["line 3", "7 fields", "31"]),
        (csv_text([[*ROWS[0], "1"]]), ["line 2", "32 fields"]),
        (changed(1, "Image", " ".join(ROWS[1][-1].split()[:-1])), ["line 3", "Image", "9,215", "9,216"]),
        (changed(1, "Image", ROWS[1][-1] + " 7"), ["line 3", "Image", "9,217"]),
        (changed(0, "Image", ""), ["line 2", "Image", "0 grey values"]),
        (changed(1, "Image", picture(at=77, value="256")), ["line 3", "Image", "'256'", "0 to 255"]),
        (changed(1, "Image", picture(at=0, value="-1")), ["line 3", "'-1'", "0 to 255"]),
        (changed(1, "Image", picture(at=9215, value="12.5")), ["line 3", "'12.5'", "whole number"]),
        (changed(1, "Image", picture(at=5, value="x" * 10_000)), ["line 3", "'xxxxx", "whole number"]),
        (changed(2, "nose_tip_x", "abc"), ["line 4", "nose_tip_x", "'abc'", "not a number"]),
        (changed(2, "nose_tip_x", "1_0"), ["line 4", "nose_tip_x", "'1_0'", "not a number"]),
        (changed(2, "nose_tip_x", "１２"), ["line 4", "not a number"]),
        (changed(2, "nose_tip_y", "-inf"), ["line 4", "nose_tip_y", "'-inf'", "not finite", "leave the field empty"]),
        (changed(2, "nose_tip_y", "inf"), ["nose_tip_y", "not finite"]),
        (changed(0, "nose_tip_x", "192.5"), ["line 2", "nose_tip_x", "'192.5'", "-96 to 192"]),
        (changed(0, "nose_tip_x", "-96.5"), ["line 2", "'-96.5'", "outside"]),
        (changed(0, "nose_tip_x", '"' + "1\n" * 100_000 + '"'), ["line", "field larger than field limit"]),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", ["line 1", "not UTF-8 text"]),
        (csv_text(ROWS).encode("utf-16"), ["line 1", "not UTF-8 text"]),
        (csv_text(ROWS[:1]).encode() + b"\xff,\n", ["near line ", "not UTF-8 text"]),
        (b"0" * (3 * 1024**2), ["line 1", "more than 1,048,576 characters"]),
    ],
)
def test_bad_files_are_refused_with_line_column_and_remedy(
    tmp_path: Path, content: str | bytes, said: Sequence[str]
) -> None:
    message = refusal(tmp_path / "faces.csv", content)
    for words in said:
        assert words in message


def test_bounds_leading_zeros_spaces_and_other_columns_are_accepted(tmp_path: Path) -> None:
    rows = [list(fields) for fields in ROWS]
    rows[0][0], rows[0][1], rows[1][0] = "-96", " 192.0 ", "1.5e1"
    rows[1][-1] = "  " + picture(at=3, value="007") + " "
    text = csv_text(
        [["a,b".replace(",", " "), *row] for row in rows], header=["ImageId", *(f" {name}" for name in HEADER)]
    )
    faces = read(tmp_path / "faces.csv", text)
    assert faces.keypoints[0, 0].tolist() == [-96, 192]
    assert faces.keypoints[1, 0, 0] == 15
    assert faces.images[1].ravel()[3] == 7


def test_rows_that_are_wrong_are_told_together(tmp_path: Path) -> None:
    rows = [list(fields) for fields in ROWS * 3]
    rows[0][4], rows[2][0], rows[7][-1] = "abc", "999", "1 2"
    message = refusal(tmp_path / "faces.csv", csv_text([*rows, ["1", "2"]]))
    assert message.startswith("4 rows are wrong: ")
    assert message.count(str(tmp_path)) == 1
    for words in ("line 2, column ", "; line 4, column ", "; line 9, column Image: 2 grey", "; line 11: 2 fields"):
        assert words in message


def test_semicolons_and_decimal_commas_of_a_spreadsheet_are_read(tmp_path: Path) -> None:
    text = csv_text(ROWS)
    plain = read(tmp_path / "a.csv", text)
    assert "." in text
    found = read(tmp_path / "b.csv", text.replace(",", ";").replace(".", ","))
    assert found.digest() == plain.digest()
    german = text.replace(",", ";").replace(".", ",")
    for name, before in (("hint", "sep=;\n"), ("blank", "\n"), ("both", "\nSEP=;\n\n")):
        assert read(tmp_path / f"{name}.csv", before + german).digest() == plain.digest()
    wrong = german.splitlines()
    wrong[2] = wrong[2].replace(";", ";x", 1)
    # The lines of the file are counted.
    assert "line 4, " in refusal(tmp_path / "wrong.csv", "\n".join(["sep=;", *wrong]))
    assert "is not a number" in refusal(tmp_path / "c.csv", changed(1, "nose_tip_x", '"12,5"'))
    assert "is not a number" in refusal(tmp_path / "d.csv", text.replace(",", ";").replace("1.", "1,1.", 1))


@pytest.mark.parametrize("word", ["nan", "NaN", " NAN "])
def test_a_coordinate_called_nan_is_missing(tmp_path: Path, word: str) -> None:
    faces = read(tmp_path / "faces.csv", changed(1, HEADER[2], word))
    assert np.argwhere(np.isnan(faces.keypoints)).tolist() == [[1, 1, 0]]


def test_an_empty_coordinate_is_nan_and_its_row_is_kept(tmp_path: Path) -> None:
    faces = read(tmp_path / "faces.csv", changed(1, "nose_tip_y", ""))
    at = COORDINATES.index("nose_tip_y")
    assert np.argwhere(np.isnan(faces.keypoints)).tolist() == [[1, at // 2, 1]]


def test_progress_grows_from_0_to_1_and_names_the_file(tmp_path: Path) -> None:
    file = as_file(tmp_path / "faces.csv", csv_text(csv_rows(blob_faces(12))))
    heard: list[tuple[str, float]] = []
    read_keypoint_csv(file, progress=lambda what, share: heard.append((what, share)))
    shares = [share for _, share in heard]
    assert {what for what, _ in heard} == {"reading faces.csv"}
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(set(shares))
    assert len(shares) >= 12
    assert shares[6] == pytest.approx(0.5, abs=0.05)


def test_a_file_carries_labels_if_any_keypoint_column_is_there(tmp_path: Path) -> None:
    assert carries_labels(as_file(tmp_path / "a.csv", "nose_tip_x,Image\n"))
    assert not carries_labels(as_file(tmp_path / "b.csv", "ImageId,Image\n"))
    with pytest.raises(UsageError, match="is empty"):
        carries_labels(as_file(tmp_path / "c.csv", ""))
