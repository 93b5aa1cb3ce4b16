"""The library: kept whole or not at all, replaced in one step, readable whatever another process does."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from kpbench import __version__
from kpbench.errors import UsageError
from kpbench.faces import datasets
from kpbench.faces.datasets import load
from kpbench.faces.faces import Faces
from kpbench.faces.library import library
from kpbench.faces.parts import Parts
from tests.course_files import blob_faces, write_course


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KPBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "faces"


def parts(seed: int = 0, n: int = 20) -> Parts:
    faces = blob_faces(n, seed=seed, people=10)
    keypoints = faces.keypoints.copy()
    keypoints[:3, 4] = np.nan
    return Parts(Faces(faces.images, keypoints, faces.subjects), blob_faces(4, seed=9), notes=("one note",))


def written(name: str = "mine", seed: int = 0, *, replace: bool = False) -> library.About:
    return library.write(
        name, parts(seed), source="there.zip", layout="csv_files", content="ab", download="cd", replace=replace
    )


def stray(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.startswith(".draft")]


def test_what_is_written_is_read_again_with_what_is_known_of_it(folder):
    about = written()
    again = library.read("mine")
    assert again.train.digest() == parts().train.digest()
    assert again.val is not None
    assert np.array_equal(again.train.subjects, parts().train.subjects)
    assert again.notes == ("one note",)
    assert library.read_about("mine") == about
    assert about.counts["train"].model_dump() == {"faces": 20, "complete": 17, "people": 10}
    assert about.counts["val"].model_dump() == {"faces": 4, "complete": 4, "people": None}
    assert (about.source, about.download, about.version) == ("there.zip", "cd", __version__)
    assert library.names() == ["mine"]
    assert stray(folder) == []


def test_load_takes_a_name_drops_partial_rows_and_splits(folder, tmp_path, monkeypatch):
    written()
    splits = load("mine", val_share=0.2, test_share=0.2, seed=1)
    assert splits.name == "mine"
    assert splits.notes[:2] == ("one note", "3 of 20 train rows dropped: a keypoint is missing")
    monkeypatch.chdir(tmp_path)
    write_course(tmp_path / "mine", train=2, val=1, test=1)
    assert len(load("mine", val_share=0.2, test_share=0.2, seed=1).val) == 4, "the library goes before a path"
    assert len(load("./mine", val_share=0.2, test_share=0.2, seed=1).train) == 2
    with pytest.raises(UsageError, match="did you mean 'mine'"):
        load("mien", val_share=0.2, test_share=0.2, seed=1)


def test_a_built_in_name_goes_first(monkeypatch):
    written("synthetic")
    monkeypatch.setitem(
        datasets.DATASETS, "synthetic", datasets.DataSet("stand-in", lambda _: Parts(blob_faces(9, people=9)))
    )
    splits = load("synthetic", val_share=0.2, test_share=0.2, seed=1)
    assert len(splits.train) + len(splits.val) + len(splits.test) == 9


@pytest.mark.parametrize("name", ["", "Mine", "a b", "ä", "../x", "a/b", ".x", "-x", "x" * 41, "a\n", "con.fig"])
def test_other_than_plain_names_are_refused(folder, name):
    with pytest.raises(UsageError, match="is no name for a data set") as caught:
        written(name)
    assert str(caught.value).isprintable()
    assert not folder.exists()
    assert not library.has(name)


def test_a_name_that_is_taken_is_refused_unless_replaced(folder):
    first = written()
    with pytest.raises(UsageError, match="'mine' is there already; choose another name, or give --replace"):
        written(seed=1)
    assert library.read_about("mine") == first
    second = written(seed=1, replace=True)
    assert library.read("mine").train.digest() == parts(1).train.digest()
    assert sorted(file.name for file in (folder / "mine").iterdir()) == ["about.json", second.faces]


def test_a_kill_between_draft_and_rename_leaves_no_data_set_and_is_swept_out(folder, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        shutil.copytree(next(folder.glob(".draft-*")), folder / ".draft-left")  # what a killed process leaves
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(library, "_publish", killed)
        with pytest.raises(Killed):
            written()
    assert stray(folder) == [".draft-left"]
    assert library.names() == []
    assert not library.has("mine")
    written()
    assert stray(folder) == []
    assert library.names() == ["mine"]


@pytest.mark.parametrize("step", [1, 2])
def test_a_kill_while_replacing_leaves_the_old_or_the_new(folder, monkeypatch, step):
    class Killed(BaseException):
        pass

    written()
    real, calls = Path.replace, []

    def replace(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == step:
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(Killed):
            written(seed=1, replace=True)
    assert library.read("mine").train.digest() == parts().train.digest()
    written(seed=1, replace=True)
    assert library.read("mine").train.digest() == parts(1).train.digest()
    assert len(list((folder / "mine").iterdir())) == 2


def test_a_full_disk_leaves_nothing(folder, monkeypatch):
    def half(stream, **_: object) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", half)
        with pytest.raises(UsageError, match="No space left on device; make room, or set KPBENCH_DATA"):
            written()
    assert stray(folder) == []
    assert library.names() == []
    first = written()
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", half)
        with pytest.raises(UsageError):
            written(seed=1, replace=True)
    assert library.read_about("mine") == first
    assert library.read("mine").train.digest() == parts().train.digest()


def test_a_library_that_cannot_be_written_is_one_line(folder):
    folder.parent.write_text("a file")
    with pytest.raises(UsageError, match="cannot write to"):
        written()
    assert library.names() == []
    assert not library.has("mine")


@pytest.mark.parametrize("damage", ["gone", "empty", "torn", "bit", "other", "counts"])
def test_damaged_arrays_are_refused_with_the_remedy(folder, damage):
    file = folder / "mine" / written().faces
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "other":
        np.savez(file, x=np.zeros(2))
    elif damage == "counts":
        about = folder / "mine" / "about.json"
        about.write_text(about.read_text().replace('"complete": 17', '"complete": 16'))
    else:
        content[len(content) // 2] ^= 4
        file.write_bytes(content[: {"empty": 0, "torn": 5000}.get(damage, len(content))])
    with pytest.raises(UsageError, match="again with --replace"):
        library.read("mine")
    written(replace=True)
    assert library.read("mine").train.digest() == parts().train.digest()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "mine"}', "\xff"])
def test_a_damaged_about_is_refused_and_can_be_replaced_and_removed(folder, text):
    written()
    (folder / "mine" / "about.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"about\.json: it is damaged; add the data set again with --replace"):
        library.read("mine")
    written(replace=True)
    assert len(library.read("mine").train) == 20
    (folder / "mine" / "about.json").write_text(text, encoding="latin-1")
    library.remove("mine")
    assert library.names() == []


def test_remove_takes_out_and_unknown_names_are_refused(folder):
    written()
    written("other")
    library.remove("mine")
    assert library.names() == ["other"]
    assert not (folder / "mine").exists()
    assert stray(folder) == []
    for name in ("mine", "", "..", "a" * 300, "\0"):
        with pytest.raises(UsageError, match="no added data set") as caught:
            library.remove(name)
        assert str(caught.value).isprintable()
    written()


def test_a_reader_sees_the_old_or_the_new_while_it_is_replaced_again_and_again(folder):
    written()
    known = {parts(seed).train.digest() for seed in range(3)}
    stop = time.monotonic() + 1.5
    wrong: list[object] = []

    def read() -> None:
        while time.monotonic() < stop:
            try:
                if library.read("mine").train.digest() not in known:
                    wrong.append("torn")
            except Exception as error:
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    seed = 0
    while time.monotonic() < stop:
        seed = (seed + 1) % 3
        written(seed=seed, replace=True)
    for reader in readers:
        reader.join()
    assert wrong == []


def test_of_two_writers_of_a_name_one_wins(folder):
    start = threading.Barrier(4)
    ends: list[str] = []

    def write(seed: int) -> None:
        start.wait()
        try:
            written(seed=seed)
            ends.append("written")
        except UsageError:
            ends.append("refused")

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["refused", "refused", "refused", "written"]
    assert len(library.read("mine").train) == 20


def test_a_writer_that_holds_the_library_too_long_is_told(folder, monkeypatch):
    monkeypatch.setattr(library, "LOCK_SECONDS", 0.05)
    folder.mkdir(parents=True)
    program = f"""
from filelock import FileLock
with FileLock({str(folder / ".lock")!r}):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another kpbench writes"):
            written()
        holder.communicate("\n")
    written()
    assert FileLock(folder / ".lock").is_locked is False


def test_the_users_data_folder_is_used_unless_another_is_named(monkeypatch):
    monkeypatch.delenv("KPBENCH_DATA")
    assert library.library_folder().parts[-2:] == ("kpbench", "faces")
    monkeypatch.setenv("KPBENCH_DATA", os.sep + "somewhere")
    assert library.library_folder() == Path("/somewhere/faces")
