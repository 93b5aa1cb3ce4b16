"""Early stopping rules."""

import pytest

from kpbench.sampling.schedulers import SCHEDULERS, asha, rung


@pytest.mark.parametrize(("epochs", "expected"), [(1, 0), (2, 0), (3, 1), (6, 2), (12, 4), (27, 9)])
def test_the_rung_lies_behind_the_warm_up(epochs, expected):
    assert rung(epochs) == expected


def test_asha_stops_all_but_the_top_third_at_a_rung():
    others = [10.0, 20.0, 30.0, 40.0]
    assert asha(2, 6, 29.0, others)
    assert not asha(2, 6, 30.0, others)
    assert not asha(2, 6, 50.0, others)


def test_asha_lets_the_first_go_on_and_looks_only_at_rungs():
    assert not asha(2, 6, 1.0, [])
    assert not asha(2, 6, 1.0, [100.0])
    assert asha(2, 6, 1.0, [100.0, 100.0])
    assert not asha(3, 6, 1.0, [100.0, 100.0])
    assert not asha(1, 1, 1.0, [100.0, 100.0])


def test_of_many_trials_about_a_third_goes_on():
    import numpy as np

    scores = np.random.default_rng(0).normal(size=300)
    kept = sum(not asha(2, 6, score, scores[:i].tolist()) for i, score in enumerate(scores))
    assert 90 <= kept <= 120


def test_none_never_stops():
    assert not SCHEDULERS["none"](2, 6, 0.0, [1.0] * 10)
