"""The metrics of rows: each one's mean over runs, with the lowest and the highest run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kpbench.cell import RunResult
from kpbench.statistics.keypoint_errors import SCALARS


@dataclass(frozen=True)
class MetricMean:
    """A metric over `n` runs: its arithmetic mean and its range."""

    mean: float
    low: float
    high: float
    n: int


def metric_means(rows: Sequence[RunResult]) -> dict[str, MetricMean]:
    """Name -> mean over the rows that have it, in the order of `SCALARS`; rows of earlier versions have none."""
    found = {}
    for name in SCALARS:
        values = [row.metrics[name] for row in rows if row.metrics and name in row.metrics]
        if values:
            found[name] = MetricMean(float(np.mean(values)), min(values), max(values), len(values))
    return found
