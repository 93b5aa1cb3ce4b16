"""Which keypoints of a COCO category are the benchmark's 15: a TOML of `kpbench_name = "coco_name"` lines."""

import tomllib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import UsageError, nearest
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.readers.crop import Points
from kpbench.faces.readers.files import DataFile, contents

LARGEST_MAPPING = 1024**2

Mapped = dict[str, tuple[str, ...]]
"""For some of the 15 keypoints the names in COCO whose mean they are."""


def read_mapping(file: DataFile) -> Mapped:
    """The mapping in a TOML file; a keypoint without a line has no label.

    Raises:
        UsageError: the file is no TOML, names a keypoint that the benchmark does not have, or maps none.
    """
    try:
        with contents(largest=LARGEST_MAPPING) as content:
            raw = tomllib.loads(content(file).decode("utf-8-sig"))
    except ValueError as error:
        raise UsageError(f"{file.where}: cannot be read as TOML: {error}") from None
    mapped: Mapped = {}
    for name, value in raw.items():
        if name not in KEYPOINTS:
            raise UsageError(f"{file.where}: unknown keypoint {name!a}; {nearest(name, KEYPOINTS)}")
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(one, str) and one for one in names):
            raise UsageError(f'{file.where}: {name} must be a COCO name, or a list of names: {name} = "left_eye"')
        mapped[name] = tuple(names)
    if not mapped:
        raise UsageError(f'{file.where} maps no keypoint; write lines such as nose_tip = "nose"')
    return mapped


def mapped_indices(mapped: Mapped, names: Sequence[str], where: str) -> dict[int, list[int]]:
    """For each mapped one of the 15 keypoints the indices of its sources among a category's names.

    Raises:
        UsageError: the mapping, which is at `where`, names a keypoint that the category does not have.
    """
    for source in (source for sources in mapped.values() for source in sources):
        if source not in names:
            raise UsageError(f"{where}: the category has no keypoint {source!a}; {nearest(source, names)}")
    at = {name: i for i, name in enumerate(names)}
    return {KEYPOINTS.index(name): [at[source] for source in sources] for name, sources in mapped.items()}


def mapped_points(indices: Mapping[int, list[int]], flat: NDArray[np.float64]) -> Points:
    """The 15 points (15, 2) of an annotation's numbers (3 K,), x, y and visibility; NaN where one is not labelled."""
    numbers = flat.reshape(-1, 3)
    known = np.where(numbers[:, 2:] > 0, numbers[:, :2], np.nan)
    points = np.full((len(KEYPOINTS), 2), np.nan)
    for keypoint, sources in indices.items():
        points[keypoint] = known[sources].mean(axis=0)
    return points
