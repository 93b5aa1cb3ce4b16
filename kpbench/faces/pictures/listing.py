"""Which pictures a command line names, in natural order, and what the files made of them are called."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from kpbench.errors import UsageError
from kpbench.faces.readers.files import os_errors, shown
from kpbench.faces.readers.pictures import SUFFIXES


def list_pictures(places: Iterable[Path]) -> list[Path]:
    """The pictures at the places, each once: a file as it is, whatever its name; of a folder those directly in it.

    Raises:
        UsageError: nothing is at a place, or a folder has no picture.
    """
    found: dict[Path, Path] = {}
    for place in places:
        with os_errors(f"read {shown(place)}", "check its permissions"):
            if place.is_dir():
                pictures = _in_folder(place)
            elif place.is_file():
                pictures = [place]
            else:
                raise UsageError(f"no picture or folder at {shown(place)}: check the path")
            for picture in pictures:
                found.setdefault(picture.resolve(), picture)
    return list(found.values())


def _in_folder(folder: Path) -> list[Path]:
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    pictures = [path for path in inside if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not pictures:
        below = "; give its folders themselves" if any(path.is_dir() for path in inside) else ""
        raise UsageError(
            f"no picture ({', '.join(SUFFIXES)}) in the folder {shown(folder)}{below or ': check the path'}"
        )
    return sorted(pictures, key=natural)


def natural(path: Path) -> tuple[list[int | str], str]:
    """A key that sorts numbers in names by value: frame9 before frame10."""
    words = re.split(r"([0-9]+)", path.name.casefold())
    return [int(word) if at % 2 else word for at, word in enumerate(words)], path.name


def overlay_files(pictures: Sequence[Path], folder: Path) -> list[Path]:
    """For each picture a file of its own in the folder: pictures of several folders keep those below what they share.

    It is named as the picture with the suffix `.png`; where two of a folder would share a name, every file keeps its
    picture's whole name before `.png`.
    """
    absolute = [picture.parent.resolve() / picture.name for picture in pictures]
    shared = os.path.commonpath([path.parent for path in absolute])
    places = [path.relative_to(shared) for path in absolute]
    short = [folder / place.with_name(place.stem + ".png") for place in places]
    if max(Counter(str(path).casefold() for path in short).values()) == 1:
        return short
    return [folder / place.with_name(place.name + ".png") for place in places]
