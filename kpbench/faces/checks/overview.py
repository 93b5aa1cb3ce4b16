"""What is in a data set, in numbers: counts, missing labels, where keypoints lie, grey levels, conditions."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from kpbench.faces.checks.pool import Pool
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.parts import PARTS


@dataclass(frozen=True)
class SplitCounts:
    """How much a split holds.

    Attributes:
        people: None where nobody knows.
        made: whether it is split off the train part.
        rows, left_out: of the part of this name in the source, and how many of them lack a label; 0 where `made`.
    """

    split: str
    faces: int
    people: int | None
    made: bool
    rows: int
    left_out: int


@dataclass(frozen=True)
class KeypointNumbers:
    """Missing labels of a keypoint by part of the source, and mean and sd of its place in train, (x, y) in pixels."""

    keypoint: str
    missing: Mapping[str, int]
    mean: tuple[float, float]
    sd: tuple[float, float]


@dataclass(frozen=True)
class Range:
    """Least, median, mean, largest and standard deviation of something over the training faces."""

    least: float
    median: float
    mean: float
    largest: float
    sd: float


@dataclass(frozen=True)
class Overview:
    """A data set in numbers; of the sealed test it holds counts and missing labels only.

    Attributes:
        grey_mean, grey_sd: over the training pictures, of each picture's mean and standard deviation of grey values.
        conditions: numeric ones over the training faces; other conditions by their number of values in `kinds`.
    """

    name: str
    splits: tuple[SplitCounts, ...]
    keypoints: tuple[KeypointNumbers, ...]
    grey_mean: Range
    grey_sd: Range
    conditions: Mapping[str, Range]
    kinds: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Plain values for a JSON object; a number that is not known is None."""
        plain: dict[str, object] = json.loads(TypeAdapter(Overview).dump_json(self))
        return plain


def overview(name: str, pool: Pool, notes: tuple[str, ...] = ()) -> Overview:
    """The numbers of a pool; `notes` are those of its source.

    A pool without a training face (it cannot be loaded) is described by the rows of its train part.
    """
    train = pool.split == "train"
    if not train.any():
        train = pool.part == "train"
    grey = pool.images[train].reshape(int(train.sum()), -1)
    conditions, kinds = {}, {}
    for condition, values in pool.conditions.items():
        if np.issubdtype(values.dtype, np.number) and not np.issubdtype(values.dtype, np.complexfloating):
            conditions[condition] = _range(np.asarray(values[train], dtype=np.float64))
        else:
            kinds[condition] = len(np.unique(values[train]))
    return Overview(
        name,
        tuple(_counts(pool, split) for split in PARTS if (pool.split == split).any()),
        _keypoints(pool, train),
        _range(grey.mean(axis=1)),
        _range(grey.std(axis=1)),
        conditions,
        kinds,
        notes,
    )


def sample(pool: Pool, count: int, *, seed: int) -> NDArray[np.intp]:
    """At most `count` training faces drawn at random without replacement, as places in the pool."""
    train = np.flatnonzero((pool.split == "train") & pool.open_rows())
    return np.random.default_rng(seed).permutation(train)[:count]


def _counts(pool: Pool, split: str) -> SplitCounts:
    inside, rows = pool.split == split, pool.part == split
    return SplitCounts(
        split=split,
        faces=int(inside.sum()),
        people=None if pool.subjects is None else len(np.unique(pool.subjects[inside])),
        made=split in pool.made,
        rows=int(rows.sum()),
        left_out=int((rows & ~pool.complete()).sum()),
    )


def _keypoints(pool: Pool, train: NDArray[np.bool_]) -> tuple[KeypointNumbers, ...]:
    gone = pool.lacks()
    parts = [part for part in PARTS if (pool.part == part).any()]
    numbers = []
    for at, keypoint in enumerate(KEYPOINTS):
        known = pool.keypoints[train & ~gone[:, at], at]
        x, y = known.mean(axis=0).tolist() if len(known) else (math.nan, math.nan)
        sd_x, sd_y = known.std(axis=0).tolist() if len(known) else (math.nan, math.nan)
        missing = {part: int(gone[pool.part == part, at].sum()) for part in parts}
        numbers.append(KeypointNumbers(keypoint, missing, (x, y), (sd_x, sd_y)))
    return tuple(numbers)


def _range(values: NDArray[np.floating]) -> Range:
    known = values[np.isfinite(values)]
    figures = (np.min, np.median, np.mean, np.max, np.std)
    return Range(*(float(figure(known)) if len(known) else math.nan for figure in figures))
