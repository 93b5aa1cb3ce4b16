"""Early stopping rules."""

import numpy as np
import pytest

from kpbench.sampling.schedulers import SCHEDULERS, asha, asha_half, halfway


@pytest.mark.parametrize(("epochs", "expected"), [(1, 1), (2, 1), (3, 2), (6, 3), (8, 4), (27, 14)])
def test_the_rung_lies_half_way(epochs, expected):
    assert halfway(epochs) == expected


@pytest.mark.parametrize(("epochs", "expected"), [(2, []), (3, [1]), (6, [2]), (8, [2]), (12, [4]), (27, [9])])
def test_the_rung_of_earlier_studies_stays_where_it_was(epochs, expected):
    assert [epoch for epoch in range(1, epochs + 1) if asha(epoch, epochs, 1.0, [9.0] * 9)] == expected


def test_all_but_the_top_third_stop_at_a_rung():
    others = [10.0, 20.0, 30.0, 40.0]
    assert asha_half(3, 6, 29.0, others)
    assert not asha_half(3, 6, 30.0, others)
    assert not asha_half(3, 6, 50.0, others)


def test_the_first_go_on_and_only_rungs_are_looked_at():
    assert not asha_half(3, 6, 1.0, [])
    assert not asha_half(3, 6, 1.0, [100.0])
    assert asha_half(3, 6, 1.0, [100.0, 100.0])
    assert not asha_half(4, 6, 1.0, [100.0, 100.0])
    assert not asha_half(1, 1, 1.0, [100.0, 100.0])


def test_of_many_trials_about_a_third_goes_on():
    scores = np.random.default_rng(0).normal(size=300)
    kept = sum(not asha_half(3, 6, score, scores[:i].tolist()) for i, score in enumerate(scores))
    assert 90 <= kept <= 120


def test_none_never_stops():
    assert not SCHEDULERS["none"](2, 6, 0.0, [1.0] * 10)
