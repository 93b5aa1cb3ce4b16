"""Checks and effect sizes beside the paired t test, on differences of log MSE, one a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from kpbench.statistics.intervals import ROUNDING, Interval, finite_sample

EXACT_SEEDS = 16
"""Up to this many seeds every pattern of signs is visited; beyond, 2 ** 16 of them are drawn."""


def sign_flip_p(differences: ArrayLike, *, seed: int = 0) -> float:
    """The two-sided permutation p under random signs: exact for up to 16 differences, else drawn with `seed`.

    It assumes only that a difference is as likely as its mirror image. The smallest value it can reach is
    2 / 2**n, so it can fall below 0.05 only from 6 seeds on.

    Raises:
        ValueError: as `finite_sample`.
    """
    sample = finite_sample(differences)
    # By hand: scipy.stats.permutation_test gives the same p but takes a second for 16 seeds.
    n = sample.size
    patterns = 1 << min(n, EXACT_SEEDS)
    if n <= EXACT_SEEDS:
        signs = 1 - 2 * ((np.arange(patterns)[:, np.newaxis] >> np.arange(n)) & 1)
    else:
        signs = 1 - 2 * np.random.default_rng(seed).integers(0, 2, size=(patterns, n))
    observed = abs(float(sample.sum()))
    # Sums that tie with the observed one must count in spite of rounding.
    extreme = int(np.sum(np.abs(signs @ sample) >= observed - 1e-9 * float(np.abs(sample).sum())))
    return extreme / patterns if n <= EXACT_SEEDS else (extreme + 1) / (patterns + 1)


@dataclass(frozen=True)
class Superiority:
    """The share of seeds on which the level has the lower MSE, ties counted half, with an exact interval."""

    share: float
    interval: Interval


def superiority(differences: ArrayLike, *, confidence: float = 0.95) -> Superiority:
    """P(level beats baseline) on a fresh seed (Bouthillier et al. 2021, arXiv 2103.03098, section 5).

    The paper takes a percentile bootstrap, which collapses to [1, 1] where the level wins on all of a few seeds;
    the interval here is Clopper and Pearson's, which covers at least as often as it says.

    Raises:
        ValueError: as `finite_sample`.
    """
    sample = finite_sample(differences)
    count = float(np.sum(sample < 0.0) + 0.5 * np.sum(sample == 0.0))
    low, high = proportion_confint(count, sample.size, alpha=1.0 - confidence, method="beta")
    return Superiority(share=count / sample.size, interval=Interval(float(low), float(high), confidence))


def pair_correlation(level: ArrayLike, baseline: ArrayLike) -> float | None:
    """Pearson's correlation over seeds of the two log MSEs; None below 3 seeds or where one does not vary.

    Pairing narrows the interval by sqrt(1 - correlation) where the two spreads are alike.

    Raises:
        ValueError: the two differ in length, or a value is not finite.
    """
    first, second = (np.asarray(side, dtype=np.float64) for side in (level, baseline))
    if first.shape != second.shape or first.ndim != 1 or not _all_finite(first, second):
        raise ValueError("give two finite samples of the same length")
    if first.size < 3 or min(float(first.std()), float(second.std())) <= ROUNDING:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def normality_p(differences: ArrayLike) -> float | None:
    """The p of Shapiro and Wilk's test on the differences; None below 3 seeds or without spread.

    A diagnostic, never a gate: with few seeds it misses most departures.

    Raises:
        ValueError: as `finite_sample`.
    """
    sample = finite_sample(differences)
    if sample.size < 3 or float(sample.std()) <= ROUNDING:
        return None
    return float(stats.shapiro(sample).pvalue)


def _all_finite(*samples: NDArray[np.float64]) -> bool:
    return all(bool(np.all(np.isfinite(sample))) for sample in samples)
