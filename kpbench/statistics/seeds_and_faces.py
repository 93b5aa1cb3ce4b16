"""Two uncertainties of a contrast: over seeds on this test set, and over seeds and faces together."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from kpbench.statistics.evidence import ratio_interval
from kpbench.statistics.intervals import Interval, check_confidence, t_interval

CHUNK = 200
"""Resamples weighed at once: bounds the memory at CHUNK x images."""


@dataclass(frozen=True)
class TwoUncertainties:
    """The MSE ratio of a contrast with two intervals.

    Attributes:
        seeds: paired t over seeds; speaks of these faces only.
        seeds_and_faces: for fresh seeds and fresh faces of the same kind; never narrower on the log scale.
    """

    ratio: float
    seeds: Interval
    seeds_and_faces: Interval


def seeds_by_faces(
    errors: ArrayLike,
    weights: ArrayLike,
    *,
    face_weights: ArrayLike | None = None,
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
        face_weights: (faces,) number of labelled coordinates; all alike where not given.
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
    labelled = np.ones(faces) if face_weights is None else np.asarray(face_weights, dtype=np.float64)
    if labelled.shape != (faces,) or not bool(np.all(np.isfinite(labelled) & (labelled >= 0.0))):
        raise ValueError("give one finite weight a face, none below 0")
    per_seed = _contrast(values, coefficients, labelled[:, np.newaxis])[:, 0]
    over_seeds = t_interval(per_seed, confidence=confidence)
    seed_variance = float(per_seed.var(ddof=1)) / seeds
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            _resampled(values, coefficients, labelled, min(CHUNK, resamples - start), rng)
            for start in range(0, resamples, CHUNK)
        ]
    )
    variance = max(seed_variance, float(means.var(ddof=1)) * seeds / (seeds - 1))
    face_variance = variance - seed_variance
    freedom = variance**2 / (seed_variance**2 / (seeds - 1) + face_variance**2 / (faces - 1)) if variance > 0 else 1.0
    half = max(
        float(stats.t.ppf(0.5 + confidence / 2.0, freedom)) * math.sqrt(variance),
        (over_seeds.high - over_seeds.low) / 2.0,
    )
    centre = float(per_seed.mean())
    return TwoUncertainties(
        ratio=math.exp(centre),
        seeds=ratio_interval(over_seeds),
        seeds_and_faces=ratio_interval(Interval(centre - half, centre + half, confidence)),
    )


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
    values: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    labelled: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The mean contrast in `count` draws of seeds and faces, (count,)."""
    _, seeds, faces = values.shape
    face_counts = rng.multinomial(faces, np.full(faces, 1.0 / faces), size=count).T * labelled[:, np.newaxis]
    seed_counts = rng.multinomial(seeds, np.full(seeds, 1.0 / seeds), size=count).T / seeds
    drawn: NDArray[np.float64] = np.sum(_contrast(values, coefficients, face_counts) * seed_counts, axis=0)
    return drawn
