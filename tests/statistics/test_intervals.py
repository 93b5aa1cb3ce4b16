import math

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.estimate import paired
from kpbench.statistics.intervals import bootstrap_t_interval, score_interval

from .examples import SLEEP_ONE, SLEEP_TWO


def test_students_sleep():
    interval = paired(SLEEP_ONE - SLEEP_TWO).interval(0.95)
    assert interval.low == pytest.approx(-2.4598858, abs=1e-7)
    assert interval.high == pytest.approx(-0.7001142, abs=1e-7)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_t_agrees_with_scipy(confidence):
    interval = paired(SLEEP_TWO).interval(confidence)
    expected = stats.ttest_1samp(SLEEP_TWO, 0).confidence_interval(confidence)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [[1.0, 2.0], [3.0, 4.0]]])
def test_t_refuses(values):
    with pytest.raises(ValueError, match="two finite values"):
        paired(values)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        paired([1.0, 2.0]).interval(confidence)
    with pytest.raises(ValueError, match="between 0 and 1"):
        score_interval([0.1], confidence=confidence)


def test_score_interval_is_that_of_the_log_score():
    mse = np.array([0.002, 0.0025, 0.003])
    found = score_interval(mse)
    logs = np.log(1 / (2 * mse))
    assert found.score == pytest.approx(float(np.exp(logs.mean())))
    assert found.score == pytest.approx(1 / (2 * stats.gmean(mse)))
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert found.n == 3


def test_one_seed_has_a_score_and_no_interval():
    found = score_interval([0.002])
    assert (found.low, found.high, found.n) == (None, None, 1)
    assert found.score == pytest.approx(250)


@pytest.mark.parametrize("mse", [[], [0.0], [-1.0, 0.1], [math.nan], [math.inf]])
def test_score_interval_refuses(mse):
    with pytest.raises(ValueError):
        score_interval(mse)


def test_bootstrap_t_by_the_book():
    values = np.random.default_rng(5).gamma(2.0, size=12)
    draws = values[np.random.default_rng(3).integers(0, 12, size=(999, 12))]
    pivots = sorted((d.mean() - values.mean()) / (d.std(ddof=1) / math.sqrt(12)) for d in draws)
    error = values.std(ddof=1) / math.sqrt(12)
    interval = bootstrap_t_interval(values, resamples=999, seed=3, confidence=0.9)
    assert interval.low == pytest.approx(values.mean() - np.quantile(pivots, 0.95, method="inverted_cdf") * error)
    assert interval.high == pytest.approx(values.mean() - np.quantile(pivots, 0.05, method="inverted_cdf") * error)


@pytest.mark.parametrize("n", [8, 10])
def test_of_few_seeds_every_resample_is_visited(n):
    """Against a million draws of the same; one seed or another makes no difference."""
    values = np.random.default_rng(5).gamma(2.0, size=n)
    draws = values[np.random.default_rng(3).integers(0, n, size=(1_000_000, n))]
    spread = draws.std(axis=1, ddof=1)
    pivots = (draws.mean(axis=1) - values.mean())[spread > 0] / (spread[spread > 0] / math.sqrt(n))
    error = values.std(ddof=1) / math.sqrt(n)
    interval = bootstrap_t_interval(values, confidence=0.95)
    assert interval == bootstrap_t_interval(values, confidence=0.95, seed=1)
    ends = values.mean() - np.quantile(pivots, [0.975, 0.025]) * error
    assert [interval.low, interval.high] == pytest.approx(ends, rel=0.02)


def test_bootstrap_t_needs_eight_seeds_and_spread():
    assert bootstrap_t_interval(np.arange(7.0)) is None
    assert bootstrap_t_interval(np.arange(8.0)) is not None
    assert bootstrap_t_interval(np.ones(9)) is None


def test_bootstrap_t_repeats_with_its_seed():
    values = np.random.default_rng(0).normal(size=12)
    assert bootstrap_t_interval(values, seed=1) == bootstrap_t_interval(values, seed=1)
    assert bootstrap_t_interval(values, seed=1) != bootstrap_t_interval(values, seed=2)
