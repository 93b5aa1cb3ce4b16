"""The files of a data set, in a folder, in a zip or one alone: listed, hashed and read, never unpacked."""

import hashlib
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from kpbench.errors import UsageError

LARGEST_MEMBER = 2 * 1024**3
"""Bytes a zip member may unpack to; Kaggle's whole training.csv has 240 million."""

LARGEST_RATIO = 100
"""How far a member past `RATIO_FREE` bytes may be packed; files of grey values pack about 4 to 1."""

RATIO_FREE = 16 * 1024**2

MOST_FILES = 200_000
"""Files listed in one place; the largest published sets of faces have as many."""

MAPPING = "/mapping"
"""Name, among the files of a data set, of the file that was given with `--mapping`; no relative name begins so."""

LONGEST_LINE = 1024**2
"""Characters in a line; a row of 9,216 grey values and 30 coordinates has at most 40,000."""

_BROKEN = (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError, RuntimeError, struct.error)
"""What reading a broken file or zip raises."""


def shown(text: object) -> str:
    """`text` on one printable line."""
    line = str(text)
    return line if line.isprintable() else ascii(line)


@contextmanager
def os_errors(doing: str, remedy: str) -> Iterator[None]:
    """Turns an OSError within into a UsageError: `cannot {doing}: why; {remedy}`."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot {doing}: {error.strerror or error}; {remedy}") from None


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file on disk, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class DataFile:
    """One file: `disk` itself, or the `member` of the zip at `disk`; `size` in bytes when unpacked."""

    disk: Path
    size: int
    member: str | None = None

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return shown(self.disk.name if self.member is None else PurePosixPath(self.member).name)

    @property
    def where(self) -> str:
        """Where to find it, for messages."""
        return shown(self.disk) if self.member is None else f"{shown(self.member)} in {shown(self.disk)}"


def files_at(path: Path, *, deepest: int = 1) -> dict[str, DataFile]:
    """The files in a folder or a zip, by relative name; a file alone has the name "".

    Args:
        deepest: how many folders deep below the top is looked. Hidden files and the leavings of a Mac are left out
            below the first folder.

    Raises:
        UsageError: nothing is there, it cannot be read, the zip is broken, a member's path leaves the zip, or there
            are more than `MOST_FILES`.
    """
    files: dict[str, DataFile] = {}
    with os_errors(f"read {shown(path)}", "check its permissions"):
        for name, file in _listed(path, deepest):
            files[name] = file
            if len(files) > MOST_FILES:
                raise UsageError(f"{shown(path)} holds more than {MOST_FILES:,} files; give the data set's own folder")
    return dict(sorted(files.items()))


def _listed(path: Path, deepest: int) -> Iterator[tuple[str, DataFile]]:
    if path.is_dir():
        yield from _in_folder(path, "", deepest)
    elif path.suffix.lower() == ".zip" and path.is_file():
        yield from _in_zip(path, deepest)
    elif path.is_file():
        yield "", DataFile(path, path.stat().st_size)
    elif path.exists():
        raise UsageError(f"{shown(path)} is neither a folder nor a plain file: give a folder, a .zip or a .csv")
    else:
        raise UsageError(
            f"no file or folder at {shown(path)}: check the path, or use the built-in data set 'synthetic'"
        )


def _in_folder(folder: Path, above: str, deepest: int) -> Iterator[tuple[str, DataFile]]:
    for entry in os.scandir(folder):
        if entry.is_file():
            yield above + entry.name, DataFile(Path(entry.path), entry.stat().st_size)
        elif deepest and entry.is_dir() and not (entry.name.startswith(".") or entry.name == "__MACOSX"):
            if not os.access(entry.path, os.R_OK | os.X_OK):
                continue
            yield from _in_folder(Path(entry.path), f"{above}{entry.name}/", deepest - 1)


def _in_zip(path: Path, deepest: int) -> Iterator[tuple[str, DataFile]]:
    seen = set()
    for member in zip_members(path, f"{shown(path)} is not a whole zip file", "fetch it again"):
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in (place.parts or ("",))[0]:
            raise UsageError(
                f"{shown(path)} holds a path that leaves the zip: {shown(member.filename)}; "
                "do not trust this file, get it from its source"
            )
        if member.is_dir() or not 1 <= len(place.parts) <= 1 + deepest or place.parts[0] == "__MACOSX":
            continue
        if str(place) in seen:
            raise UsageError(f"{shown(path)} holds {shown(place)} twice: pack it again with one of them")
        seen.add(str(place))
        yield str(place), DataFile(path, member.file_size, member.filename)


def zip_members(path: Path, fault: str, remedy: str) -> list[zipfile.ZipInfo]:
    """What is in a zip; a UsageError of `fault` and `remedy` where it is broken."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except _BROKEN as error:
        raise UsageError(f"{fault} ({shown(error)}): it may be cut short, {remedy}") from None


def content_digest(files: Mapping[str, DataFile]) -> str:
    """SHA-256 over which files there are and the bytes on disk that hold them, in hex.

    Raises:
        UsageError: one of them cannot be read.
    """
    total = hashlib.sha256()
    known: dict[Path, str] = {}
    for name, file in sorted(files.items()):
        if file.disk not in known:
            with os_errors(f"read {file.where}", "check its permissions"):
                known[file.disk] = file_sha256(file.disk)
        total.update(f"{name}\0{file.member}\0{known[file.disk]}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def text_lines(file: DataFile) -> Iterator[str]:
    """The lines of a UTF-8 file with their line ends, one at a time.

    Raises:
        UsageError: the file cannot be read, is not UTF-8 text or has an endless line; in a zip also a member that
            is broken, encrypted or unpacks to more than `LARGEST_MEMBER` bytes or `LARGEST_RATIO` times its size.
    """
    number = 0
    try:
        with (
            ExitStack() as stack,
            _opened(file, {}, stack) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text,
        ):
            while line := text.readline(LONGEST_LINE):
                number += 1
                if len(line) == LONGEST_LINE:
                    raise UsageError(
                        f"{file.where}, line {number}: more than {LONGEST_LINE:,} characters; this is no keypoint CSV"
                    )
                yield line
    except UnicodeDecodeError:
        raise UsageError(
            f"{file.where}, near line {number + 1}: not UTF-8 text (packed, or a picture?); save it as CSV in UTF-8"
        ) from None
    except _BROKEN as error:
        if file.member is None:
            raise UsageError(f"cannot read {file.where} past line {number}: {shown(error)}") from None
        raise _broken_zip(f"{file.where}, near line {number + 1}", error) from None


Content = Callable[[DataFile], bytes]
"""From a file its bytes."""


@contextmanager
def contents(*, largest: int = LARGEST_MEMBER) -> Iterator[Content]:
    """What reads whole files, each zip opened once however many of its members are read.

    The function within raises UsageError: the file cannot be read or has more than `largest` bytes; in a zip also
    as `text_lines`.
    """
    archives: dict[Path, zipfile.ZipFile] = {}
    with ExitStack() as stack:

        def content(file: DataFile) -> bytes:
            if file.size > largest:
                raise UsageError(f"{file.where} has {file.size:,} bytes, more than the {largest:,} allowed")
            try:
                with _opened(file, archives, stack) as stream:
                    return stream.read(file.size)
            except (*_BROKEN, KeyError) as error:
                if file.member is None:
                    raise UsageError(f"cannot read {file.where}: {shown(error)}; check its permissions") from None
                raise _broken_zip(file.where, error) from None

        yield content


def _opened(file: DataFile, archives: dict[Path, zipfile.ZipFile], stack: ExitStack) -> IO[bytes]:
    if file.member is None:
        return file.disk.open("rb")
    if file.disk not in archives:
        archives[file.disk] = stack.enter_context(zipfile.ZipFile(file.disk))
    _refuse_unsafe(file, archives[file.disk].getinfo(file.member))
    return archives[file.disk].open(file.member)


def _broken_zip(where: str, error: Exception) -> UsageError:
    return UsageError(f"{where}: the zip is broken ({shown(error) or type(error).__name__}): fetch it again")


def _refuse_unsafe(file: DataFile, member: zipfile.ZipInfo) -> None:
    if member.flag_bits & 0x1:
        raise UsageError(f"{file.where} is encrypted: unpack it with its password and give the folder")
    if member.file_size > LARGEST_MEMBER:
        raise UsageError(
            f"{file.where} would unpack to {member.file_size:,} bytes, more than the {LARGEST_MEMBER:,} allowed"
        )
    if member.file_size > RATIO_FREE and member.file_size > LARGEST_RATIO * member.compress_size:
        raise UsageError(
            f"{file.where} would unpack to {member.file_size:,} bytes from {member.compress_size:,}, more than "
            f"{LARGEST_RATIO} to 1: this is a zip bomb, or unpack it and give the folder"
        )
