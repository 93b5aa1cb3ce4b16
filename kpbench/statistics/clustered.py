"""The mean of a measurement over faces with its interval, where faces of one person are no independent witnesses."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from kpbench.statistics.intervals import Interval, check_confidence


def mean_intervals(
    values: ArrayLike, people: ArrayLike | None = None, *, confidence: float = 0.95
) -> tuple[Interval, ...] | None:
    """Student's interval of each column's mean over faces, its standard error over people (clusters).

    The mean counts every face alike. Its variance is that of the clusters' summed deviations, times P / (P - 1) for P
    people (CR1; Liang & Zeger 1986, Biometrika 73, 13; Cameron & Miller 2015, J. Human Resources 50, 317), with P - 1
    degrees of freedom. With one face a person it is the usual interval of a mean.

    Args:
        values: (faces, columns), finite.
        people: (faces,) who is on each face; every face stands for itself where not given.

    Returns:
        One interval a column; None below two people.

    Raises:
        ValueError: other shapes, a value that is not finite, or a confidence outside (0, 1).
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or len(table) == 0 or not bool(np.all(np.isfinite(table))):
        raise ValueError("give finite values as faces by columns")
    check_confidence(confidence)
    who = np.arange(len(table)) if people is None else np.unique(np.asarray(people), return_inverse=True)[1]
    if who.shape != table.shape[:1]:
        raise ValueError("give one person for each face")
    count = int(who.max()) + 1
    if count < 2:
        return None
    means = table.mean(axis=0)
    sums: NDArray[np.float64] = np.zeros((count, table.shape[1]))
    np.add.at(sums, who, table - means)
    errors = np.sqrt(np.square(sums).sum(axis=0) * count / (count - 1)) / len(table)
    half = float(stats.t.ppf(0.5 + confidence / 2.0, count - 1)) * errors
    return tuple(Interval(float(m - h), float(m + h), confidence) for m, h in zip(means, half, strict=True))
