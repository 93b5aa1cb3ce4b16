"""The uncertainty of a contrast over seeds and faces together, beside that over seeds alone."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpbench.statistics.estimate import Estimate, paired
from kpbench.statistics.intervals import Interval

CHUNK = 200
"""Resamples weighed at once: bounds the memory at CHUNK x images."""


@dataclass(frozen=True)
class TwoUncertainties:
    """A contrast of log MSE with two standard errors.

    Attributes:
        seeds: over seeds alone; speaks of these faces only.
        seeds_and_faces: for fresh seeds and fresh faces of the same kind.
        unit: what was drawn anew beside the seeds: a `person` with all its faces where persons are known, or a `face`.
        units: how many there are.
    """

    seeds: Estimate
    seeds_and_faces: Estimate
    unit: Literal["person", "face"]
    units: int

    def ratio_interval(self, confidence: float) -> Interval:
        """The interval of the MSE ratio for fresh seeds and fresh faces, never narrower than that for fresh seeds.

        With few seeds Satterthwaite's degrees of freedom are those of the faces, as if the seeds' own variance were
        known as well as theirs, and the interval could come out inside that over seeds alone: each end is then the
        farther of the two.

        Raises:
            ValueError: a confidence outside (0, 1).
        """
        ends = [one.ratio_interval(confidence) for one in (self.seeds, self.seeds_and_faces)]
        return Interval(min(one.low for one in ends), max(one.high for one in ends), confidence)


def seeds_by_faces(
    errors: ArrayLike,
    weights: ArrayLike,
    *,
    persons: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> TwoUncertainties:
    """The standard errors of a contrast over seeds, and over seeds and faces by resampling both at once.

    Seeds and faces are drawn with replacement independently (the pigeonhole bootstrap; Owen 2007, Annals of Applied
    Statistics 1, 386); where persons are known, whole persons are drawn, for faces of one person are no independent
    witnesses. The variance of the draws less that of the seeds is the faces' own (0 where it comes out below), enlarged
    by P / (P - 1) for P persons or faces; the degrees of freedom are Satterthwaite's. The replicate stays the seed: a
    hundred times the faces do not make up for a second seed.

    Args:
        errors: (cells, seeds, faces) mean squared error of each face; a failed seed carries the constant predictor's.
        weights: (cells,) of a contrast or an interaction (`contrast_weights`); cells of weight 0 are not read.
        persons: (faces,) who is on each face; every face stands for itself where not given.
        seed: of the resampling; the same seed gives the same result.

    Raises:
        ValueError: shapes that do not fit, fewer than two seeds, faces or persons, or an error that is negative or not
            finite.
    """
    coefficients = np.asarray(weights, dtype=np.float64)
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 3 or coefficients.shape != values.shape[:1]:
        raise ValueError("give errors as cells by seeds by faces and one weight a cell")
    involved = coefficients != 0.0
    values, coefficients = values[involved], coefficients[involved]
    cells, seeds, faces = values.shape
    if min(cells, seeds, faces) < 2 or not bool(np.all(np.isfinite(values) & (values >= 0.0))):
        raise ValueError("give finite errors of at least two cells, seeds and faces")
    who = np.arange(faces) if persons is None else np.unique(np.asarray(persons), return_inverse=True)[1]
    units = int(who.max()) + 1
    if who.shape != (faces,) or units < 2:
        raise ValueError("give a person for each face, and at least two persons")
    over_seeds = paired(_contrast(values, coefficients, np.ones((faces, 1)))[:, 0])
    rng = np.random.default_rng(seed)
    drawn = [
        _resampled(values, coefficients, who, min(CHUNK, resamples - at), rng) for at in range(0, resamples, CHUNK)
    ]
    of_seeds = over_seeds.error**2
    resampled = float(np.concatenate(drawn).var(ddof=1)) - of_seeds * (seeds - 1) / seeds
    of_faces = max(0.0, resampled) * units / (units - 1)
    variance = of_seeds + of_faces
    freedom = variance**2 / (of_seeds**2 / (seeds - 1) + of_faces**2 / (units - 1)) if variance > 0.0 else seeds - 1.0
    both = Estimate(over_seeds.difference, math.sqrt(variance), freedom, seeds)
    return TwoUncertainties(over_seeds, both, "face" if persons is None else "person", units)


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
    who: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The mean contrast in `count` draws of seeds and persons, (count,); a drawn person brings all its faces."""
    seeds, units = values.shape[1], int(who.max()) + 1
    face_counts = rng.multinomial(units, np.full(units, 1.0 / units), size=count).T[who].astype(np.float64)
    seed_counts = rng.multinomial(seeds, np.full(seeds, 1.0 / seeds), size=count).T / seeds
    drawn: NDArray[np.float64] = np.sum(_contrast(values, coefficients, face_counts) * seed_counts, axis=0)
    return drawn
