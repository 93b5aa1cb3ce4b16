"""Add a data set to the library, from a path or from where it is published."""

import json
import re
import shutil
from pathlib import Path

from pydantic import TypeAdapter

from kpbench.errors import UsageError, lookup
from kpbench.faces.datasets import DATASETS
from kpbench.faces.library import library
from kpbench.faces.library.cache import cache_folder
from kpbench.faces.library.download import fetch, name_of
from kpbench.faces.library.kaggle import fetch_competition
from kpbench.faces.library.library import About
from kpbench.faces.library.sources import SOURCES
from kpbench.faces.parts import Progress, silent
from kpbench.faces.readers.files import file_sha256, os_errors, shown
from kpbench.faces.readers.layouts import find_path
from kpbench.whole_file import write_whole

FIRST = "first_downloads.json"
"""Beside the data sets: name -> SHA-256 of the first download that was accepted."""

_DIGESTS = TypeAdapter(dict[str, str])


def add(
    name: str, path: Path, *, mapping: Path | None = None, replace: bool = False, progress: Progress = silent
) -> About:
    """Reads the faces at a path and keeps them as `name`, rows that lack a keypoint among them.

    Args:
        mapping: a TOML of keypoint names, for COCO's JSON.
        replace: whether an added data set of that name is exchanged.

    Raises:
        UsageError: the name is none or is taken, the data cannot be read, or the library cannot be written.
    """
    check_free(name, replace=replace)
    found = find_path(path, mapping=mapping)
    parts = found.read(progress)  # past the cache: the library keeps them
    return library.write(name, parts, source=shown(path), layout=found.layout, content=found.digest, replace=replace)


def get(
    name: str,
    *,
    to: Path | None = None,
    sha256: str | None = None,
    replace: bool = False,
    progress: Progress = silent,
) -> About:
    """Downloads a data set of `SOURCES` and keeps it under its name.

    Args:
        to: folder in which the downloaded file is kept, and used where it is there; without it the file is deleted
            once its faces are in the library.
        sha256: the digest that the file must have; without it the table's, else that of the first download.
        replace: whether the added data set of that name is exchanged.

    Raises:
        UsageError: an unknown name, a name that is taken, a failed download, another digest, or what `add` raises.
    """
    source = lookup(SOURCES, name, "source")
    check_free(name, replace=replace)
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 {shown(sha256)[:80]!a} is no SHA-256: 64 hex digits")
    expected = sha256 or source.sha256
    if source.competition is not None:
        file = fetch_competition(source.competition, source.url)
    else:
        file = _download(source.url, to, expected, progress)
    keep = to is not None or source.competition is not None  # Kaggle's client has a cache of its own
    try:
        digest = file_sha256(file) if file.is_file() else None
        if digest is not None:
            _check(source.url, digest, expected, _before(name))
        found = find_path(file)
        parts = found.read(progress)
    except UsageError:
        if not keep:
            file.unlink(missing_ok=True)
        raise
    origin = {"source": source.url, "layout": found.layout, "content": found.digest}
    about = library.write(name, parts, **origin, download=digest, replace=replace)
    if digest is not None:
        first = library.library_folder() / FIRST
        with os_errors(f"write {shown(first)}", "free some space"):
            write_whole(first, json.dumps(_first_downloads() | {name: digest}, indent=2) + "\n")
    if not keep:
        file.unlink(missing_ok=True)
    return about


def check_free(name: str, *, replace: bool) -> None:
    """Refuses a built-in name, and what `library.check_free` refuses, before anything is read for it."""
    if name in DATASETS:
        raise UsageError(f"{name!r} is a built-in data set; choose another name")
    library.check_free(name, replace=replace)


def _download(url: str, to: Path | None, expected: str | None, progress: Progress) -> Path:
    kept = None if to is None else to / name_of(url)
    if kept is not None and kept.is_file():
        return kept
    file = fetch(url, cache_folder().parent / "downloads", say=progress, sha256=expected)
    if kept is None:
        return file
    draft = kept.with_name(kept.name + ".part")
    with os_errors(f"write to {shown(kept.parent)}", "choose another folder with --to"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(file, draft)  # perhaps on another disk
            draft.replace(kept)
        finally:
            draft.unlink(missing_ok=True)
    file.unlink()
    return kept


def _before(name: str) -> str | None:
    """The digest of the first download under this name, which outlives `data remove`."""
    if known := _first_downloads().get(name):
        return known
    try:
        return library.read_about(name).download if library.has(name) else None
    except UsageError:  # damaged, which is why it is replaced
        return None


def _first_downloads() -> dict[str, str]:
    try:
        return _DIGESTS.validate_json((library.library_folder() / FIRST).read_bytes())
    except (OSError, ValueError):
        return {}


def _check(url: str, digest: str, expected: str | None, before: str | None) -> None:
    if expected is not None and digest != expected.lower():
        raise UsageError(f"{url}: the file has the SHA-256 {digest}, expected {expected.lower()}; do not trust it")
    if expected is None and before is not None and digest != before:
        raise UsageError(
            f"{url}: the file has the SHA-256 {digest}, at the first download it had {before}; "
            f"find out why, then accept the new one with --sha256 {digest}"
        )
