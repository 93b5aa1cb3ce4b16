"""Who is on each picture, where the file names say so: `Person_Name_12.jpg` is Person_Name."""

import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.parts import Parts

LEAST_PEOPLE = 3
"""Fewer different names are more likely folders, cameras or dates."""

_NAMED = re.compile(r"(?P<person>.*[^\W\d_].*?)[_ -]\d{1,4}")
_THINGS = re.compile(
    r"(?i)[\W_\d]*(image|img|imag|frame|face|photo|picture|pic|dsc|dscn|crop|sample|video|vid|train|training|test|val|"
    r"screenshot|scan|left|right|subject)[\W_\d]*"
)


def people(names: Sequence[str]) -> NDArray[np.int64] | None:
    """For each picture file (N,) the number of its person, or None where the names do not say it of every one.

    They do where each is a name, a separator and a number, there are at least `LEAST_PEOPLE` different names, fewer
    than pictures, and not one is a word for a picture. Numbers follow the alphabet.
    """
    found = [_NAMED.fullmatch(PurePosixPath(name).stem) for name in names]
    persons = [match["person"] for match in found if match]
    different = sorted(set(persons))
    if len(persons) < len(names) or not LEAST_PEOPLE <= len(different) < len(names):
        return None
    if any(_THINGS.fullmatch(person) for person in different):
        return None
    return np.unique(persons, return_inverse=True)[1].astype(np.int64)


def shared_people_notes(parts: Parts) -> list[str]:
    """One sentence for each two parts that have people in common: a score on such a part is flattered."""
    known = [(name, set(faces.subjects.tolist())) for name, faces in parts.items() if faces.subjects is not None]
    return [
        f"{len(those & these):,} people are in both {one} and {other}, as the data bring it"
        for (one, those), (other, these) in combinations(known, 2)
        if those & these
    ]
