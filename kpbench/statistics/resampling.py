"""Percentile bootstrap of a mean and of a ratio of paired means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2_000


@dataclass(frozen=True)
class Resampled:
    """A mean or a ratio of means with the ends of its interval."""

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside of the interval."""
        return value < self.low or value > self.high


def resampled(values: Sequence[float], over: Sequence[float] | None = None, *, confidence: float = 0.95) -> Resampled:
    """The mean, or its ratio to the mean of `over`, with its percentile interval (Efron & Tibshirani 1993, ch. 13).

    Args:
        values: (n,) one a replay; the same draws for the same n.
        over: (n,) paired with them; pairs are drawn together.
    """
    places = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    below = np.ones(len(values)) if over is None else np.asarray(over)
    means = np.asarray(values)[places].mean(axis=1) / below[places].mean(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Resampled(float(np.mean(values) / below.mean()), float(low), float(high))
