"""Exploratory contrasts over keypoints or slices of the test set, held to a false discovery rate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from kpbench.statistics.corrections import exploratory_p
from kpbench.statistics.estimate import paired
from kpbench.statistics.intervals import Interval


@dataclass(frozen=True)
class SliceContrast:
    """The MSE ratio of level over baseline on one slice; exploratory, without a verdict.

    Attributes:
        ci: at `confidence`, not adjusted.
        p_adjusted: Benjamini and Hochberg over the slices, or over those of several contrasts (`adjusted_together`).
    """

    ratio: float
    ci: Interval
    p: float
    p_adjusted: float


def compare_slices(level: ArrayLike, baseline: ArrayLike, *, confidence: float = 0.95) -> tuple[SliceContrast, ...]:
    """The paired contrast of log MSE on each slice (a keypoint, a group of faces), in their order.

    Args:
        level, baseline: (seeds, slices) MSE, positive and finite, rows paired by seed; at least 2 seeds.

    Raises:
        ValueError: other shapes, or an MSE that is not positive and finite.
    """
    pair = np.asarray(level, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if pair[0].shape != pair[1].shape or pair[0].ndim != 2 or pair[0].shape[0] < 2:
        raise ValueError("give two tables of at least 2 seeds by slices, of the same shape")
    if not all(bool(np.all(np.isfinite(side) & (side > 0.0))) for side in pair):
        raise ValueError("every MSE must be positive and finite")
    columns = [paired(column) for column in (np.log(pair[0]) - np.log(pair[1])).T]
    adjusted = exploratory_p([column.p for column in columns])
    return tuple(
        SliceContrast(column.ratio, column.ratio_interval(confidence), column.p, p)
        for column, p in zip(columns, adjusted, strict=True)
    )


def adjusted_together(contrasts: Sequence[Sequence[SliceContrast]]) -> tuple[tuple[SliceContrast, ...], ...]:
    """The slices of several contrasts with one adjustment over all of them: what is looked at together."""
    adjusted = iter(exploratory_p([one.p for slices in contrasts for one in slices]))
    return tuple(tuple(replace(one, p_adjusted=next(adjusted)) for one in slices) for slices in contrasts)
