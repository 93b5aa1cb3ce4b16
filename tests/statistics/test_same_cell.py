import math

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.same_cell import same_against_same


def test_the_contrast_of_two_cohorts():
    rng = np.random.default_rng(0)
    first, second = np.exp(rng.normal(size=(2, 8)))
    found = same_against_same(first, second)
    expected = stats.ttest_rel(np.log(second), np.log(first))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.ratio == pytest.approx(math.exp(np.log(second / first).mean()))
    assert found.alarm is bool(expected.pvalue < 0.05)


def test_an_alarm():
    rng = np.random.default_rng(1)
    first = np.exp(rng.normal(0, 0.01, size=8))
    assert same_against_same(first, first * np.exp(rng.normal(0.2, 0.01, size=8))).alarm is True


def test_few_seeds_sound_none():
    assert same_against_same([1.0, 1.1, 1.2], [2.0, 2.2, 2.4001]).alarm is None


@pytest.mark.parametrize(("first", "second"), [([1.0, 2.0], [1.0]), ([1.0, 0.0], [1.0, 2.0]), ([1.0], [1.0])])
def test_what_is_refused(first, second):
    with pytest.raises(ValueError):
        same_against_same(first, second)
