"""Percentile intervals of a mean and of a ratio of paired means."""

import numpy as np
import pytest

from kpbench.statistics.resampling import resampled


def test_a_mean_without_spread_has_an_interval_without_width():
    found = resampled([3, 3, 3])
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)
    assert not found.excludes(3.0) and found.excludes(2.9) and found.excludes(3.1)


def test_a_ratio_resamples_pairs_together():
    below = np.random.default_rng(1).uniform(1, 9, 50)
    exact = resampled(0.5 * below, below)
    assert (exact.value, exact.low, exact.high) == pytest.approx((0.5, 0.5, 0.5))
    apart = resampled(0.5 * below[::-1], below)
    assert apart.value == pytest.approx(0.5) and apart.high - apart.low > 0.1


def test_the_intervals_cover_what_they_should():
    """Skewed counts of trials as searches leave them, 200 a sample: 95 % within what 400 samples can tell."""
    draw = np.random.default_rng(5)
    inside = ratios = 0
    for _ in range(400):
        first, second = draw.geometric(0.2, 200), draw.geometric(0.1, 200)
        inside += not resampled(first).excludes(5.0)
        ratios += not resampled(first, second).excludes(0.5)
    assert 0.91 <= inside / 400 <= 0.98
    assert 0.91 <= ratios / 400 <= 0.98
