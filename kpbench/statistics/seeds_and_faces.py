"""The uncertainty of a contrast over seeds and faces together, beside that over seeds alone."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpbench.statistics.estimate import Estimate, paired, ratio_interval
from kpbench.statistics.intervals import Interval, check_confidence

CHUNK = 200
"""Resamples weighed at once: bounds the memory at CHUNK x images."""


@dataclass(frozen=True)
class TwoUncertainties:
    """The MSE ratio of a contrast, with its interval for fresh seeds and fresh faces of the same kind.

    The interval is never narrower on the log scale than Student's over seeds, which speaks of these faces only.
    """

    ratio: float
    seeds_and_faces: Interval


def seeds_by_faces(
    errors: ArrayLike,
    weights: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> TwoUncertainties:
    """The intervals of a contrast over seeds, and over seeds and faces, by resampling both at once.

    Seeds and faces are drawn with replacement independently (the pigeonhole bootstrap; Owen 2007, Annals of Applied
    Statistics 1, 386). Its percentiles are too narrow with few seeds, so only its standard error is taken, enlarged
    by n / (n - 1) for the seeds, and the interval is the t interval with Satterthwaite's degrees of freedom. The
    replicate stays the seed: a hundred times the faces do not make up for a second seed.

    Args:
        errors: (cells, seeds, faces) mean squared error of each face; a failed seed carries the constant predictor's.
        weights: (cells,) of a contrast or an interaction (`contrast_weights`); cells of weight 0 are not read.
        confidence: coverage; give that of the contrast's own interval to compare the two.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        ValueError: shapes that do not fit, fewer than two seeds or faces, or an error that is negative or not finite.
    """
    check_confidence(confidence)
    coefficients = np.asarray(weights, dtype=np.float64)
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 3 or coefficients.shape != values.shape[:1]:
        raise ValueError("give errors as cells by seeds by faces and one weight a cell")
    involved = coefficients != 0.0
    values, coefficients = values[involved], coefficients[involved]
    cells, seeds, faces = values.shape
    if min(cells, seeds, faces) < 2 or not bool(np.all(np.isfinite(values) & (values >= 0.0))):
        raise ValueError("give finite errors of at least two cells, seeds and faces")
    per_seed = _contrast(values, coefficients, np.ones((faces, 1)))[:, 0]
    over_seeds = paired(per_seed)
    seed_variance = over_seeds.error**2
    rng = np.random.default_rng(seed)
    drawn = [_resampled(values, coefficients, min(CHUNK, resamples - at), rng) for at in range(0, resamples, CHUNK)]
    means = np.concatenate(drawn)
    variance = max(seed_variance, float(means.var(ddof=1)) * seeds / (seeds - 1))
    face_variance = variance - seed_variance
    freedom = variance**2 / (seed_variance**2 / (seeds - 1) + face_variance**2 / (faces - 1)) if variance > 0 else 1.0
    both = Estimate(over_seeds.difference, math.sqrt(variance), freedom, seeds)
    wider = max(both.interval(confidence), over_seeds.interval(confidence), key=lambda one: one.high)
    return TwoUncertainties(both.ratio, ratio_interval(wider))


def _contrast(
    values: NDArray[np.float64], coefficients: NDArray[np.float64], face_counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The contrast of log MSE for each seed and each column of face weights: (seeds, columns)."""
    cells, seeds, faces = values.shape
    # As one flat product: numpy multiplies a stack of matrices by one matrix ten times slower.
    mse = (values.reshape(-1, faces) @ (face_counts / face_counts.sum(axis=0))).reshape(cells, seeds, -1)
    if not bool(np.all(mse > 0.0)):
        raise ValueError("a cell has no error at all on the faces drawn: its logarithm is not defined")
    found: NDArray[np.float64] = np.tensordot(coefficients, np.log(mse), axes=1)
    return found


def _resampled(
    values: NDArray[np.float64], coefficients: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The mean contrast in `count` draws of seeds and faces, (count,)."""
    _, seeds, faces = values.shape
    face_counts = rng.multinomial(faces, np.full(faces, 1.0 / faces), size=count).T.astype(np.float64)
    seed_counts = rng.multinomial(seeds, np.full(seeds, 1.0 / seeds), size=count).T / seeds
    drawn: NDArray[np.float64] = np.sum(_contrast(values, coefficients, face_counts) * seed_counts, axis=0)
    return drawn
