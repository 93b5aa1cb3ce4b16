"""Folders, zips and files alone: listed, hashed and read, or refused in one line."""

import os
import random
import zipfile
from pathlib import Path

import pytest

from kpbench.errors import UsageError
from kpbench.faces.readers import files
from kpbench.faces.readers.files import content_digest, files_at, shown, text_lines
from tests.course_files import write_course, write_zip


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_course(tmp_path_factory.mktemp("data") / "course", train=4, val=2, test=2)


def zipped(path: Path, members: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def refusal(path: Path) -> str:
    """The message with which listing `path`, or reading all it lists, is refused."""
    with pytest.raises(UsageError) as caught:
        for file in files_at(path).values():
            for _ in text_lines(file):
                pass
    message = str(caught.value)
    assert message.isprintable(), "one line"
    assert shown(path) in message
    return message


@pytest.mark.parametrize("inside", ["", "faces", "Bilder ä"])
def test_a_folder_and_a_zip_of_it_hold_the_same_lines(course: Path, tmp_path: Path, inside: str) -> None:
    top = course if not inside else course.parent
    packed = files_at(write_zip(tmp_path / "ein zip ü.zip", course, inside=inside))
    loose = files_at(top)
    for name in ("training.csv", "val.csv", "test.csv"):
        in_zip = packed[f"{inside}/{name}" if inside else name]
        on_disk = loose[name if not inside else f"{course.name}/{name}"]
        assert (in_zip.name, in_zip.size) == (on_disk.name, on_disk.size) == (name, on_disk.disk.stat().st_size)
        assert list(text_lines(in_zip)) == list(text_lines(on_disk))


def test_a_file_alone_has_no_relative_name(course: Path) -> None:
    assert [(name, file.disk) for name, file in files_at(course / "val.csv").items()] == [("", course / "val.csv")]


def test_deeper_folders_and_leavings_of_a_mac_are_not_listed(tmp_path: Path) -> None:
    members = {"a.csv": "1", "top/b.csv": "2", "top/deep/c.csv": "3", "__MACOSX/a.csv": "4"}
    assert list(files_at(zipped(tmp_path / "x.zip", members))) == ["a.csv", "top/b.csv"]
    (tmp_path / "top" / "deep").mkdir(parents=True)
    (tmp_path / "top" / "b.csv").write_text("2")
    (tmp_path / "top" / "deep" / "c.csv").write_text("3")
    assert list(files_at(tmp_path)) == ["top/b.csv", "x.zip"]


def test_the_digest_follows_the_content_not_the_place(course: Path, tmp_path: Path) -> None:
    there, here = files_at(course), files_at(write_course(tmp_path / "again", train=4, val=2, test=2))
    assert content_digest(there) == content_digest(here)
    assert content_digest(there) != content_digest({"training.csv": there["training.csv"]})
    with (tmp_path / "again" / "val.csv").open("a") as stream:
        stream.write("\n")
    assert content_digest(there) != content_digest(here)


def test_nothing_there_is_said_with_a_way_on(tmp_path: Path) -> None:
    message = refusal(tmp_path / "no such\nthing.zip")
    assert "no file or folder" in message
    assert "synthetic" in message


def test_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.zip"
    os.mkfifo(pipe)
    assert "neither a folder nor a plain file" in refusal(pipe)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_zip_cut_short_is_refused(course: Path, tmp_path: Path, share: float) -> None:
    whole = write_zip(tmp_path / "whole.zip", course).read_bytes()
    torn = tmp_path / "torn.zip"
    torn.write_bytes(whole[: int(share * len(whole))])
    message = refusal(torn)
    assert "not a whole zip" in message
    assert "fetch it again" in message


def test_corruption_that_shows_while_reading_is_refused_with_member_and_line(course: Path, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bad.zip", course)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("training.csv")
    middle = member.header_offset + 30 + len("training.csv") + member.compress_size // 2
    content[middle : middle + 40] = b"\0" * 40
    path.write_bytes(content)
    message = refusal(path)
    assert "training.csv" in message
    assert "near line" in message
    assert "fetch it again" in message


def test_one_changed_bit_in_a_stored_member_is_found_by_its_checksum(course: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "bit.zip", {"val.csv": (course / "val.csv").read_text()}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[20_000] ^= 1
    path.write_bytes(content)
    assert "CRC" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_any_damage_to_a_zip_is_harmless_or_a_usage_error(tmp_path: Path, method: int) -> None:
    draw = random.Random(1)
    whole = zipped(
        tmp_path / "whole.zip", {"training.csv": "a,b\n1,2\n" * 9, "val.csv": "c\n" * 40}, method
    ).read_bytes()
    refused = 0
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path = tmp_path / "bad.zip"
        path.write_bytes(content)
        try:
            for file in files_at(path).values():
                assert sum(map(len, text_lines(file))) < 1000
        except UsageError as error:
            refused += 1
            assert str(error).isprintable()
    assert refused > 100


@pytest.mark.parametrize(
    "name", ["../training.csv", "a/../../b.csv", "/etc/training.csv", "..\\training.csv", "C:\\t.csv"]
)
def test_a_path_that_leaves_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    message = refusal(zipped(tmp_path / "evil.zip", {"training.csv": "a", name: "b"}))
    assert "leaves the zip" in message
    assert name in message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "twice.zip", {"training.csv": "a", "./training.csv": "b"})
    assert "training.csv twice" in refusal(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "locked.zip", {"training.csv": "a" * 100})
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1
    path.write_bytes(content)
    message = refusal(path)
    assert "training.csv" in message
    assert "encrypted: unpack it with its password" in message


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"training.csv": "0 " * (10 * 1024**2)})
    message = refusal(path)
    assert "20,971,520 bytes" in message
    assert "100 to 1" in message


def test_a_member_past_the_largest_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "big.zip", {"training.csv": "a,b\n" * 100})
    assert len(list(text_lines(files_at(path)["training.csv"]))) == 100
    monkeypatch.setattr(files, "LARGEST_MEMBER", 399)
    message = refusal(path)
    assert "400 bytes" in message
    assert "399 allowed" in message


def test_a_member_that_lies_about_its_size_is_not_read_past_it(tmp_path: Path) -> None:
    path = zipped(tmp_path / "liar.zip", {"training.csv": "a,b\n" * 100})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (8).to_bytes(4, "little")
    path.write_bytes(content)
    assert "CRC" in refusal(path)
