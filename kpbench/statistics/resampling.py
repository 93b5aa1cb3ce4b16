"""Percentile bootstrap of a mean and of a ratio of paired means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kpbench.statistics.intervals import Interval

DRAWS = 2_000


@dataclass(frozen=True)
class Resampled(Interval):
    """A mean or a ratio of means with its interval."""

    value: float


def resampled(values: Sequence[float], over: Sequence[float] | None = None, *, confidence: float = 0.95) -> Resampled:
    """The mean, or its ratio to the mean of `over`, with its percentile interval (Efron & Tibshirani 1993, ch. 13).

    Args:
        values: (n,) one a replay; the same draws for the same n.
        over: (n,) paired with them; pairs are drawn together.
    """
    data = [np.asarray(values, dtype=np.float64)]
    data += [] if over is None else [np.asarray(over, dtype=np.float64)]
    found = stats.bootstrap(
        data, _ratio, paired=True, n_resamples=DRAWS, confidence_level=confidence, method="percentile",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    low, high = found.confidence_interval
    return Resampled(float(low), float(high), confidence, float(_ratio(*data)))


def _ratio(
    values: NDArray[np.float64], over: NDArray[np.float64] | None = None, *, axis: int = -1
) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = values.mean(axis=axis)
    return mean if over is None else mean / over.mean(axis=axis)
