"""Error by condition: how a network's error changes with what is known of how each face was taken or drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from kpbench.statistics.corrections import exploratory_p

WORDS = 6
"""A condition with at most this many values is shown value by value, others in thirds."""

FEWEST = 8
"""Faces or people below which a condition is not tested."""


@dataclass(frozen=True)
class Slice:
    """The faces on which a condition has a value or lies in a third.

    Attributes:
        mse: mean over these faces, in the units that came in.
    """

    label: str
    faces: int
    mse: float


@dataclass(frozen=True)
class ConditionError:
    """One condition; exploratory.

    Attributes:
        unit: what counts as one observation: a person where every person has a single value, else a face.
        slices: by value, or low, middle and high third.
        p: of no relation between condition and log MSE (Spearman for numbers, Kruskal and Wallis for words).
        p_adjusted: Benjamini and Hochberg over all conditions tested.
    """

    name: str
    unit: Literal["face", "person"]
    slices: tuple[Slice, ...]
    p: float
    p_adjusted: float


def error_by_condition(
    face_mse: ArrayLike, conditions: Mapping[str, NDArray[np.generic]], subjects: NDArray[np.int64] | None = None
) -> tuple[ConditionError, ...]:
    """Conditions by how clearly the error changes with them, the clearest first; constant ones are left out.

    Faces of one person are no independent witnesses of what that person has for good: such a condition is tested on
    the people's mean log errors.

    Args:
        face_mse: (N,) positive and finite.
        conditions: name -> (N,) numbers or words.
        subjects: (N,) people, where known.

    Raises:
        ValueError: lengths differ, or an MSE is not positive and finite.
    """
    mse = np.asarray(face_mse, dtype=np.float64)
    if not bool(np.all(np.isfinite(mse) & (mse > 0.0))) or any(
        len(values) != len(mse) for values in conditions.values()
    ):
        raise ValueError("give one positive finite MSE and one value of each condition for each face")
    tested = []
    for name, values in conditions.items():
        unit, x, y = _units(values, np.log(mse), subjects)
        if len(np.unique(x)) < 2 or len(x) < FEWEST:
            continue
        tested.append((name, unit, _slices(values, mse), _p(x, y)))
    adjusted = exploratory_p([p for *_, p in tested])
    found = [ConditionError(*one, p_adjusted=p) for one, p in zip(tested, adjusted, strict=True)]
    return tuple(sorted(found, key=lambda one: (one.p, one.name)))


def _units(
    values: NDArray[np.generic], logs: NDArray[np.float64], subjects: NDArray[np.int64] | None
) -> tuple[Literal["face", "person"], NDArray[np.generic], NDArray[np.float64]]:
    if subjects is None:
        return "face", values, logs
    people, first, which = np.unique(subjects, return_index=True, return_inverse=True)
    if len(people) == len(values) or not bool(np.all(values == values[first][which])):
        return "face", values, logs
    return "person", values[first], np.bincount(which, logs) / np.bincount(which)


def _p(x: NDArray[np.generic], y: NDArray[np.float64]) -> float:
    if x.dtype.kind in "biuf":
        return float(stats.spearmanr(x.astype(np.float64), y).pvalue)
    groups = [y[x == value] for value in np.unique(x)]
    return float(stats.kruskal(*groups).pvalue)


def _slices(values: NDArray[np.generic], mse: NDArray[np.float64]) -> tuple[Slice, ...]:
    seen = np.unique(values)
    if values.dtype.kind not in "biuf" or len(seen) <= WORDS:
        return tuple(_slice(str(value), mse[values == value]) for value in seen)
    numbers = values.astype(np.float64)
    low, high = np.quantile(numbers, [1 / 3, 2 / 3])
    thirds = (("low", numbers <= low), ("middle", (numbers > low) & (numbers <= high)), ("high", numbers > high))
    return tuple(_slice(label, mse[inside]) for label, inside in thirds if inside.any())


def _slice(label: str, mse: NDArray[np.float64]) -> Slice:
    return Slice(label, len(mse), float(mse.mean()))
