import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from kpbench.statistics.estimate import paired
from kpbench.statistics.paired import normality_p, pair_correlation, sign_flip_p, superiority

from .examples import MAIZE, SLEEP_ONE, SLEEP_TWO

SLEEP = SLEEP_ONE - SLEEP_TWO


def test_students_sleep():
    test = paired(SLEEP)
    assert (test.n, test.difference) == (10, pytest.approx(-1.58))
    assert test.t == pytest.approx(-4.0621, abs=1e-4)
    assert test.p == pytest.approx(0.002833, abs=1e-6)
    assert test.d_z == pytest.approx(-4.0621 / math.sqrt(10), abs=1e-4)


def test_darwins_maize():
    assert paired(MAIZE).t == pytest.approx(2.148, abs=5e-4)
    assert paired(MAIZE).p == pytest.approx(0.0497, abs=5e-5)
    assert sign_flip_p(MAIZE) == 2 * 863 / 2**15  # Fisher (1935), section 21


def test_t_agrees_with_scipy():
    expected = stats.ttest_rel(SLEEP_ONE, SLEEP_TWO)
    assert (paired(SLEEP).t, paired(SLEEP).p) == pytest.approx((expected.statistic, expected.pvalue))


def test_differences_that_do_not_vary():
    same, shifted = paired(np.zeros(6)), paired(np.full(6, math.log(0.9)))
    assert (same.t, same.p, same.d_z) == (0.0, 1.0, 0.0)
    assert (shifted.t, shifted.p, shifted.d_z) == (-math.inf, 0.0, -math.inf)
    assert paired(np.zeros(6)).equivalence_p(0.05) == 0.0
    assert paired(np.full(6, 0.1)).equivalence_p(0.05) == 1.0
    assert sign_flip_p(np.zeros(6)) == 1.0
    assert normality_p(np.zeros(6)) is None


@pytest.mark.parametrize("function", [paired, sign_flip_p, superiority, normality_p])
@pytest.mark.parametrize("values", [[1.0], [1.0, math.nan], [1.0, math.inf]])
def test_what_is_refused(function, values):
    with pytest.raises(ValueError, match="finite"):
        function(values)


@pytest.mark.parametrize("margin", [0.3, 1.0, 2.0, 3.5])
def test_tost_agrees_with_statsmodels(margin):
    assert paired(SLEEP).equivalence_p(margin) == pytest.approx(ttost_paired(SLEEP_ONE, SLEEP_TWO, -margin, margin)[0])


def test_a_margin_is_positive():
    with pytest.raises(ValueError, match="margin"):
        paired(SLEEP).equivalence_p(0.0)


def test_sign_flips_one_by_one():
    differences = np.array([0.3, -0.1, 0.7, 0.2, 0.05, 0.6])
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product([-1, 1], repeat=6)]
    expected = np.mean([value >= abs(differences.sum()) - 1e-12 for value in sums])
    assert sign_flip_p(differences) == expected


@pytest.mark.parametrize("n", [5, 9, 12])
def test_sign_flips_agree_with_scipy(n):
    values = np.random.default_rng(n).normal(0.4, size=n)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=2**n, vectorized=True)
    assert sign_flip_p(values) == pytest.approx(expected.pvalue)


def test_drawn_sign_flips_are_near_the_t_and_repeat():
    values = np.random.default_rng(0).normal(0.3, size=40)
    assert sign_flip_p(values, seed=1) == sign_flip_p(values, seed=1)
    assert sign_flip_p(values, seed=1) == pytest.approx(paired(values).p, abs=0.01)
    assert sign_flip_p(np.full(40, 1.0) + values / 100) == pytest.approx(1 / (2**16 + 1))  # never 0


@pytest.mark.parametrize(("n", "least"), [(5, 0.0625), (6, 0.03125)])
def test_sign_flips_need_six_seeds(n, least):
    assert sign_flip_p(-np.arange(1.0, n + 1)) == least


def test_superiority_counts_a_tie_half():
    found = superiority([-1.0, -2.0, 0.0, 1.0])
    assert found.share == 2.5 / 4


def test_superiority_as_documented_for_r():
    # R, ?binom.test: Mendelian inheritance, 682 of 925, 95 percent interval 0.7076683 0.7654066.
    found = superiority(np.repeat([-1.0, 1.0], [682, 243]))
    assert (found.interval.low, found.interval.high) == pytest.approx((0.7076683, 0.7654066), abs=1e-7)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_superiority_agrees_with_statsmodels_and_does_not_collapse(count):
    found = superiority(np.repeat([-1.0, 1.0], [count, 5 - count]), confidence=0.9)
    assert (found.interval.low, found.interval.high) == pytest.approx(proportion_confint(count, 5, 0.1, "beta"))
    assert found.interval.high - found.interval.low > 0.4


def test_pair_correlation_of_sleep():
    assert pair_correlation(SLEEP_ONE, SLEEP_TWO) == pytest.approx(0.7951702, abs=1e-7)
    assert pair_correlation([1.0, 2.0], [2.0, 1.0]) is None
    assert pair_correlation([1.0, 1.0, 1.0], [2.0, 1.0, 3.0]) is None


@pytest.mark.parametrize("other", [[1.0, 2.0], [1.0, 2.0, math.nan]])
def test_pair_correlation_refuses(other):
    with pytest.raises(ValueError, match="same length"):
        pair_correlation([1.0, 2.0, 3.0], other)


def test_normality_of_sleep():
    assert normality_p(SLEEP) == pytest.approx(0.03334, abs=5e-6)  # R: shapiro.test(diff), W = 0.82987
    assert normality_p([0.1, 0.2]) is None
