"""Intervals of means over faces: the usual one without people, statsmodels' with them, and the truth covered."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from kpbench.statistics.clustered import mean_intervals

DRAW = np.random.default_rng(8)


def test_without_people_it_is_students_interval():
    values = DRAW.gamma(2.0, size=(40, 3))
    for column, found in zip(values.T, mean_intervals(values), strict=True):
        usual = stats.ttest_1samp(column, 0.0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((usual.low, usual.high))
    alone = mean_intervals(values, np.arange(40)[::-1])
    assert [one.low for one in alone] == pytest.approx([one.low for one in mean_intervals(values)])


def test_with_people_it_is_the_clustered_interval_of_statsmodels():
    people = DRAW.integers(0, 12, 90)
    values = DRAW.normal(size=12)[people] + DRAW.normal(size=90)
    (found,) = mean_intervals(values[:, None], people, confidence=0.9)
    fit = sm.OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": people}, use_t=True)
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int(alpha=0.1)[0]))
    (naive,) = mean_intervals(values[:, None], confidence=0.9)
    assert found.high - found.low > 1.5 * (naive.high - naive.low)


def test_people_by_hand():
    """Two people, two faces each, values 0 0 and 4 4: mean 2, sums of deviations -4 and 4, SE sqrt(32 * 2) / 4 = 2."""
    (found,) = mean_intervals([[0.0], [4.0], [0.0], [4.0]], ["a", "b", "a", "b"])
    assert (found.low + found.high) / 2 == 2.0
    assert (found.high - found.low) / 2 == pytest.approx(2 * stats.t.ppf(0.975, 1))


def test_the_true_mean_is_covered_as_often_as_said():
    """Twenty people with three to nine faces each, a person's luck as large as a face's; 95 % of 1,000 intervals."""
    rng, hits = np.random.default_rng(3), 0
    for _ in range(1000):
        people = np.repeat(np.arange(20), rng.integers(3, 10, 20))
        values = rng.normal(0, 1, 20)[people] + rng.normal(0, 1, len(people))
        (found,) = mean_intervals(values[:, None], people)
        hits += not found.excludes(0.0)
    assert 0.925 < hits / 1000 < 0.97


def test_one_person_has_no_interval_and_bad_input_is_refused():
    assert mean_intervals([[1.0], [2.0]], [7, 7]) is None
    assert mean_intervals([[1.0]]) is None
    for values in ([1.0, 2.0], [[np.nan], [1.0]], np.empty((0, 3))):
        with pytest.raises(ValueError, match="finite values as faces by columns"):
            mean_intervals(values)
    with pytest.raises(ValueError, match="one person for each face"):
        mean_intervals([[1.0], [2.0]], [7])
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_intervals([[1.0], [2.0]], confidence=95)
