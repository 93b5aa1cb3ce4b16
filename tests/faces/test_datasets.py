"""`load`: a name or a path in, three splits out, the second time from the cache."""

import time
from pathlib import Path

import numpy as np
import pytest

from kpbench.errors import UsageError
from kpbench.faces.datasets import DATASETS, SYNTHETIC_FACES, load
from kpbench.faces.drawn import synthetic
from kpbench.faces.faces import Faces, Splits, mirrored_order
from kpbench.faces.readers import course_csv
from tests.course_files import blob_faces, csv_rows, csv_text, write_course, write_zip
from tests.faces.checks.drawn import drawn_faces
from tests.faces.real_data import COURSE_ZIP, KAGGLE_ZIP, needs_real_faces


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPBENCH_CACHE", str(tmp_path / "cache"))


def loaded(source: str | Path, **options) -> Splits:
    return load(str(source), **{"val_share": 0.15, "test_share": 0.15, "seed": 20, **options})


def sizes(splits: Splits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.val), len(splits.test)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Stands in for the generator, so that `synthetic` is quick here; the calls it got."""
    calls = []

    def generate(n: int = SYNTHETIC_FACES, *, seed: int = 0, version: int) -> Faces:
        calls.append((n, seed))
        return blob_faces(40, seed=seed + version, people=10)

    monkeypatch.setattr(synthetic, "generate", generate)
    return calls


def test_synthetic_is_drawn_once_and_split_by_subject(drawn: list[tuple[int, int]]) -> None:
    heard: list[tuple[str, float]] = []
    splits = loaded("synthetic", progress=lambda what, share: heard.append((what, share)))
    assert drawn == [(2140, 0)]
    assert heard == [("drawing faces", 0.0), ("drawing faces", 1.0)]
    assert splits.name == "synthetic"
    assert all("split off by subject" in note for note in splits.notes)
    parts = [splits.train, splits.val, splits.test.open(lambda: None)]
    assert sum(len(set(faces.subjects.tolist())) for faces in parts if faces.subjects is not None) == 10
    assert loaded("synthetic").digest() == splits.digest()
    assert drawn == [(2140, 0)]


def test_another_version_of_the_generator_is_drawn_again(
    drawn: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded("synthetic")
    monkeypatch.setattr(synthetic, "VERSION", synthetic.VERSION + 1)
    loaded("synthetic")
    assert len(drawn) == 2


def test_the_faces_of_earlier_studies_have_a_name_of_their_own(drawn: list[tuple[int, int]]) -> None:
    assert loaded("synthetic@2").name == "synthetic@2"
    assert loaded("synthetic@2").digest() != loaded("synthetic").digest()
    assert len(drawn) == 2


def test_a_name_goes_before_a_folder_of_that_name(
    drawn: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_course(tmp_path / "synthetic", train=2, val=1, test=1)
    monkeypatch.chdir(tmp_path)
    assert sum(sizes(loaded("synthetic"))) == 40
    assert sizes(loaded("./synthetic")) == (2, 1, 1)


def test_each_data_set_has_a_title() -> None:
    assert all(data.title for data in DATASETS.values())


@pytest.mark.parametrize(
    "source",
    ["course", "./course", "{}/course", "{}/kurs ü 日本.zip", "~/course", "{}/COURSE.ZIP", "{}/course/../course"],
)
def test_a_path_is_known_by_its_looks_or_because_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    write_course(tmp_path / "course", train=3, val=2, test=1)
    write_zip(tmp_path / "kurs ü 日本.zip", tmp_path / "course")
    write_zip(tmp_path / "COURSE.ZIP", tmp_path / "course")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    splits = loaded(source.format(tmp_path))
    assert sizes(splits) == (3, 2, 1)
    assert splits.name == ("kurs_u" if "kurs" in source else "course")
    assert splits.notes == ()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("facial_keypoints.zip", "facial_keypoints"),
        ("kaggle/training.zip", "kaggle"),
        ("Face Data (v2)/archive.zip", "face_data_v2"),
        ("日本.zip", "faces"),
        ("x" * 90 + ".zip", "x" * 40),
        ("../../etc; rm.zip", "etc_rm"),
    ],
)
def test_the_name_of_a_path_is_safe_for_folders(tmp_path: Path, place: str, name: str) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    write_zip(inside / place, write_course(tmp_path / "course", train=1, val=1, test=1))
    assert loaded(f"{inside}/{place}").name == name


def test_the_working_folder_as_a_path_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_course(tmp_path / "Meine Daten", train=1, val=1, test=1))
    assert loaded(".").name == "meine_daten"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("syntetic", "unknown data set 'syntetic'; did you mean 'synthetic'?"),
        ("faces", "or give a path"),
        ("", "unknown data set ''"),
        ("a\nb", "or give a path"),
        ("nowhere.zip", "no file or folder at nowhere.zip"),
        ("nowhere/data", "no file or folder at nowhere/data"),
        ("~nobody-of-that-name/x", "cannot find ~nobody-of-that-name/x"),
        ("./a\0b", "no file or folder"),
        ("ä" * 300, "unknown data set"),
        ("ä" * 300 + ".zip", "File name too long"),
    ],
)
def test_what_is_neither_name_nor_path_is_refused_with_a_way_on(source: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(source)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_second_start_does_not_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_course(tmp_path / "course")
    heard: list[str] = []
    first = loaded(folder, progress=lambda what, share: heard.append(what))
    read = {f"reading {part}.csv" for part in ("training", "val", "test")}
    assert set(heard) == {*read, "looking for near-copies"}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(course_csv, "read_keypoint_csv", refuse)
    heard.clear()
    again = loaded(folder, progress=lambda what, share: heard.append(what))
    assert again.digest() == first.digest()
    assert heard == []
    assert loaded(write_course(tmp_path / "elsewhere")).digest() == first.digest(), "the content is the key"
    with pytest.raises(AssertionError, match="parsed again"):
        loaded(write_course(tmp_path / "course", seed=1))


def test_partial_rows_are_dropped_and_the_rest_split_the_same_way_from_the_cache(tmp_path: Path) -> None:
    rows = csv_rows(blob_faces(30))
    for row in rows[:10]:
        row[7] = ""
    (tmp_path / "training.csv").write_text(csv_text(rows))
    first, second = loaded(tmp_path / "training.csv"), loaded(tmp_path / "training.csv")
    assert sum(sizes(first)) == 20
    assert first.notes == second.notes
    assert first.notes[0] == "10 of 30 train rows dropped: a keypoint is missing"
    assert first.notes[-1].endswith(" groups was kept in one split"), "blobs are much alike"
    assert first.digest() == second.digest()
    assert np.isfinite(first.train.keypoints).all()


def test_a_file_without_a_complete_row_is_refused_each_time(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(csv_text([["", *row[1:]] for row in csv_rows(blob_faces(3))]))
    for _ in range(2):
        with pytest.raises(UsageError, match=r"x\.csv: no complete row in the train part: each of its 3 faces"):
            loaded(tmp_path / "x.csv")


def test_refused_data_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(csv_text([[*row[:-1], "1 2 3"] for row in csv_rows(blob_faces(2))]))
    with pytest.raises(UsageError, match=r"x\.csv, line 2, column Image: 3 grey values, expected 9,216"):
        loaded(tmp_path / "x.csv")
    assert not (tmp_path / "cache").exists()


@needs_real_faces
def test_the_real_course_zip_has_its_faces() -> None:
    splits = loaded(COURSE_ZIP)
    assert sizes(splits) == (1546, 298, 296)
    assert (splits.name, splits.notes, splits.leak) == ("facial_keypoints", (), "")
    assert splits.digest() == "7c6258e90495e9ac", "published studies are on these faces"


@needs_real_faces
def test_the_real_kaggle_zip_has_its_partial_rows_dropped_and_counted() -> None:
    splits = loaded(KAGGLE_ZIP)
    assert splits.name == "kaggle"
    assert splits.notes[0] == "700 of 2,246 train rows dropped: a keypoint is missing"
    assert splits.notes[1].startswith("no test split in the data: 232 of 1,546 training faces split off by hash of the")
    assert splits.notes[-1].startswith(
        "86 training faces show the picture of another, exactly or nearly; each of these 39 groups"
    )
    assert splits.leak == ""
    assert sizes(splits) == (1082, 232, 232)


@needs_real_faces
@pytest.mark.slow
@pytest.mark.parametrize("source", [COURSE_ZIP, KAGGLE_ZIP])
def test_a_second_start_on_real_faces_is_ten_times_faster(source: Path) -> None:
    start = time.perf_counter()
    first = loaded(source)
    cold = time.perf_counter() - start
    warm = []
    for _ in range(3):
        start = time.perf_counter()
        assert loaded(source).digest() == first.digest()
        warm.append(time.perf_counter() - start)
    assert min(warm) < cold / 10


@pytest.mark.parametrize(
    ("scale", "remedy"), [(lambda k: (k - 48) / 48, "write 48 x label + 48"), (lambda k: k / 96, "write 96 x label")]
)
@pytest.mark.parametrize("labels", ["complete", "partial"])
def test_labels_that_are_no_pixels_are_refused_with_the_remedy(tmp_path: Path, scale, remedy: str, labels: str) -> None:
    faces = blob_faces(40)
    np.savez(tmp_path / "x.npz", images=faces.images, keypoints=scale(faces.keypoints))
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path / "x.npz", labels=labels)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'x.npz'}: all train labels lie between ")
    assert message.endswith(remedy)
    assert "\n" not in message


def test_errors_of_single_faces_are_counted_in_a_line(tmp_path: Path) -> None:
    faces = drawn_faces().take(np.arange(0, 300, 5))
    images, keypoints = faces.images.copy(), faces.keypoints.copy()
    np.savez(tmp_path / "clean.npz", images=images, keypoints=keypoints)
    assert loaded(tmp_path / "clean.npz").faults == ""
    images[1] = 90
    keypoints[[2, 3]] = keypoints[[2, 3], :, ::-1]
    keypoints[4, 10] = 0
    keypoints[5] = keypoints[5][list(mirrored_order())]
    np.savez(tmp_path / "x.npz", images=images, keypoints=keypoints)
    splits = loaded(tmp_path / "x.npz")
    assert splits.faults == (
        "data check finds 5 errors (nothing to see 1, placeholders for labels 1, x and y exchanged 2, sides exchanged "
        "1); `kpbench data check` names them"
    )
    assert splits.warnings == (splits.faults,)
