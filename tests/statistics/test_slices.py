import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.slices import adjusted_together, compare_slices


def test_each_slice_is_a_paired_contrast_held_to_a_false_discovery_rate():
    rng = np.random.default_rng(0)
    baseline = np.exp(rng.normal(size=(8, 15)))
    level = baseline * np.exp(rng.normal(-0.05, 0.1, size=(8, 15)))
    found = compare_slices(level, baseline)
    expected = stats.ttest_rel(np.log(level), np.log(baseline))
    assert [s.p for s in found] == pytest.approx(expected.pvalue.tolist())
    assert [s.p_adjusted for s in found] == pytest.approx(stats.false_discovery_control(expected.pvalue).tolist())
    low, high = expected.confidence_interval()
    assert [s.ci.low for s in found] == pytest.approx(np.exp(low).tolist())
    assert [s.ci.high for s in found] == pytest.approx(np.exp(high).tolist())


@pytest.mark.parametrize("level", [np.ones((8, 3)), np.ones((1, 2)), np.ones(8), np.zeros((8, 2))])
def test_what_is_refused(level):
    with pytest.raises(ValueError):
        compare_slices(level, np.ones((1, 2) if level.shape == (1, 2) else (8, 2)))


def test_what_is_looked_at_together_is_adjusted_together():
    rng = np.random.default_rng(1)
    tables = [np.exp(rng.normal(shift, 0.1, size=(6, 5))) for shift in (0.0, 0.1, 0.0)]
    alone = [compare_slices(table, np.ones((6, 5))) for table in tables]
    both = adjusted_together([*alone[:2], (), alone[2]])
    assert [len(slices) for slices in both] == [5, 5, 0, 5]
    p = [one.p for slices in alone for one in slices]
    expected = stats.false_discovery_control(p).tolist()
    assert [one.p_adjusted for slices in both for one in slices] == pytest.approx(expected)
    assert adjusted_together([]) == () and adjusted_together([()]) == ((),)
