import math

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.unpaired import superiority_of_all_pairs, welch

from .examples import SLEEP_ONE, SLEEP_TWO

DRAW = np.random.default_rng(3)
FEW, MANY = DRAW.normal(0.0, 0.1, 5), DRAW.normal(0.2, 0.4, 17)


@pytest.mark.parametrize(("first", "second"), [(SLEEP_ONE, SLEEP_TWO), (FEW, MANY), (MANY, FEW)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_welch_agrees_with_scipy(first, second, confidence):
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = welch(first, second)
    assert (found.t, found.p, found.df) == pytest.approx((expected.statistic, expected.pvalue, expected.df))
    interval = found.interval(confidence)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.confidence_interval(confidence)))


def test_samples_that_do_not_vary():
    same, apart = welch([1.0, 1.0], [1.0, 1.0, 1.0]), welch([1.0, 1.0], [2.0, 2.0])
    assert (same.t, same.p, same.difference, same.error) == (0.0, 1.0, 0.0, 0.0)
    assert (apart.t, apart.p) == (-math.inf, 0.0)
    assert apart.interval(0.95).high == -1.0
    assert apart.detectable() == 0.0
    one = welch([1.0, 1.0, 1.0], [2.0, 2.1, 1.9])
    assert one.df == pytest.approx(2.0)
    assert 0.0 < one.p < 0.01


@pytest.mark.parametrize("contrasts", [1, 3])
def test_the_detectable_effect_is_found_as_often_as_it_says(contrasts):
    n, m, alpha = 8, 16, 0.05
    ones = np.array([-1.0, 1.0] * 4) * math.sqrt(7 / 8), np.array([-1.0, 1.0] * 8) * math.sqrt(15 / 16)
    design = welch(ones[0], ones[1])  # both samples have sd 1
    shift = math.log1p(design.detectable(alpha=alpha, contrasts=contrasts) / 100)
    draw = np.random.default_rng(5)
    samples = draw.normal(0, 1, (4000, n)), draw.normal(shift, 1, (4000, m))
    p = stats.ttest_ind(*samples, axis=1, equal_var=False).pvalue
    assert np.mean(p < alpha / contrasts) == pytest.approx(0.8, abs=0.03)


def test_detectable_grows_with_the_family_and_refuses_what_is_no_power():
    found = welch(FEW, MANY)
    assert found.detectable(contrasts=5) > found.detectable() > found.detectable(power=0.5)
    for options in ({"alpha": 0.9}, {"alpha": 0.0}, {"power": 1.0}, {"contrasts": 0}):
        with pytest.raises(ValueError, match="alpha"):
            found.detectable(**options)


def test_two_seeds_each_at_a_small_alpha_still_have_a_detectable_effect():
    assert welch([0.0, 0.1], [0.3, 0.35]).detectable(alpha=1e-4) > 1000


def test_superiority_is_mann_and_whitneys_u():
    found = superiority_of_all_pairs(FEW, MANY)
    u = stats.mannwhitneyu(MANY, FEW).statistic
    assert found.share == pytest.approx(u / (5 * 17))
    assert 0.0 < found.interval.low < found.share < found.interval.high < 1.0
    mirrored = superiority_of_all_pairs(MANY, FEW)
    assert mirrored.interval.low == pytest.approx(1.0 - found.interval.high)
    assert superiority_of_all_pairs([1.0, 1.0], [1.0, 1.0]).share == 0.5


def test_superiority_in_every_pair_is_not_certainty():
    found = superiority_of_all_pairs(np.arange(5.0), np.arange(5.0) + 9.0)
    assert found.share == found.interval.high == 1.0
    assert 0.5 < found.interval.low < 0.9
    assert superiority_of_all_pairs(np.arange(5.0) + 9.0, np.arange(5.0)).interval.high == pytest.approx(
        1.0 - found.interval.low
    )


@pytest.mark.parametrize(("n", "m", "effect"), [(5, 5, 0.0), (5, 5, 1.0), (8, 16, 0.5), (5, 16, 1.5)])
def test_the_interval_of_superiority_covers(n, m, effect):
    truth = stats.norm.cdf(effect / math.sqrt(2))
    draw = np.random.default_rng(7)
    intervals = [superiority_of_all_pairs(draw.normal(0, 1, n), draw.normal(effect, 1, m)).interval for _ in range(400)]
    assert np.mean([not interval.excludes(truth) for interval in intervals]) > 0.92


@pytest.mark.parametrize("function", [welch, superiority_of_all_pairs])
@pytest.mark.parametrize("values", [[1.0], [1.0, math.nan], [1.0, math.inf]])
def test_what_is_refused(function, values):
    for sides in ((values, FEW), (FEW, values)):
        with pytest.raises(ValueError, match="finite"):
            function(*sides)
    with pytest.raises(ValueError, match="confidence"):
        superiority_of_all_pairs(FEW, MANY, confidence=1.0)
    with pytest.raises(ValueError, match="confidence"):
        welch(FEW, MANY).interval(confidence=0.0)
