"""The cache: built once, rebuilt when broken, done without where nothing can be written."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kpbench.faces.faces import Faces
from kpbench.faces.library.cache import cache_folder, cached
from kpbench.faces.parts import Parts
from tests.course_files import blob_faces


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KPBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "faces"


def parts(seed: int = 0) -> Parts:
    faces = blob_faces(4, seed=seed, people=2)
    light = np.array([0.5, 0.25, 1, 2])
    hats = np.array(["none", "straw", "none", "bowler"])
    train = Faces(faces.images, faces.keypoints, faces.subjects, {"light": light, "hat": hats})
    return Parts(train, test=blob_faces(2, seed=9), notes=("one note", "zwei für alle"))


def never() -> Parts:
    raise AssertionError("built again")


def counted(built: list[int]) -> Callable[[], Parts]:
    def build() -> Parts:
        built.append(1)
        return parts()

    return build


def assert_equal(one: Parts, other: Parts) -> None:
    assert one.notes == other.notes
    assert [name for name, _ in one.items()] == [name for name, _ in other.items()]
    for (_, a), (_, b) in zip(one.items(), other.items(), strict=True):
        assert a.digest() == b.digest()
        assert (a.subjects is None) == (b.subjects is None)
        assert a.subjects is None or np.array_equal(a.subjects, b.subjects)
        assert list(a.conditions) == list(b.conditions)
        assert all(np.array_equal(a.conditions[name], b.conditions[name]) for name in a.conditions)


def test_a_second_call_reads_what_the_first_one_built(folder: Path) -> None:
    first = cached("key", parts)
    assert_equal(cached("key", never), first)
    assert [file.suffix for file in folder.iterdir()] == [".npz"]


def test_cached_faces_are_read_only() -> None:
    cached("key", parts)
    train = cached("key", never).train
    assert not train.images.flags.writeable
    assert not train.conditions["light"].flags.writeable


def test_another_key_is_another_thing() -> None:
    cached("key 1", parts)
    assert cached("key 2", lambda: parts(1)).train.digest() == parts(1).train.digest()
    assert cached("key 1", never).train.digest() == parts().train.digest()


@pytest.mark.parametrize("damage", ["empty", "torn", "bit", "header", "text", "other arrays", "wrong shape"])
def test_a_broken_file_is_built_again_without_a_word(folder: Path, damage: str) -> None:
    first = cached("key", parts)
    (file,) = folder.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 4
    if damage == "header":
        content[40:80] = b"{" * 40
    cut = {"empty": 0, "torn": len(content) * 2 // 3}.get(damage, len(content))
    file.write_bytes(b"not an archive" if damage == "text" else content[:cut])
    if damage == "other arrays":
        np.savez(file, something=np.zeros(3))
    if damage == "wrong shape":
        np.savez(file, **{"train/images": np.zeros((2, 96), np.uint8), "train/keypoints": np.zeros(2), "notes": [""]})
    built: list[int] = []
    assert_equal(cached("key", counted(built)), first)
    assert built == [1]
    assert_equal(cached("key", never), first)


def test_where_nothing_can_be_written_the_parts_come_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    for _ in range(2):
        built: list[int] = []
        got = cached("key", counted(built))
        assert built == [1]
        assert got.train.digest() == parts().train.digest()
        assert got.notes[:2] == parts().notes
        assert len(got.notes) == 3
        assert str(tmp_path / "cache" / "faces") in got.notes[2]
        assert "could not be kept" in got.notes[2]


def test_a_full_disk_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(stream, **_: object) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", half)
    assert "No space left on device" in cached("key", parts).notes[-1]
    assert list(folder.iterdir()) == []


def test_an_error_while_building_passes_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(AssertionError, match="built again"):
        cached("key", never)
    assert not folder.exists() or list(folder.iterdir()) == []


def test_many_at_once_get_the_same(folder: Path) -> None:
    start = threading.Barrier(4)
    digests = []

    def work() -> None:
        start.wait()
        digests.extend(cached("key", parts).train.digest() for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [parts().train.digest()] * 20
    assert len(list(folder.iterdir())) == 1


def test_the_users_cache_folder_is_used_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KPBENCH_CACHE")
    assert cache_folder().parts[-2:] == ("kpbench", "faces")
    monkeypatch.setenv("KPBENCH_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere/faces")
