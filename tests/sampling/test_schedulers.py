"""Early stopping rules."""

from functools import partial

import numpy as np
import pytest

from kpbench.sampling.schedulers import SCHEDULERS, asha, asha_half, asha_late, late, never, stops


@pytest.mark.parametrize(("epochs", "expected"), [(1, 1), (2, 2), (3, 2), (4, 3), (8, 5), (27, 17)])
def test_the_rung_lies_late(epochs, expected):
    assert late(epochs) == expected


@pytest.mark.parametrize(("rule", "rung"), [(asha_late, 5), (asha_half, 4), (asha, 2)])
def test_each_rule_looks_once(rule, rung):
    assert [epoch for epoch in range(1, 9) if rule(epoch, 8, 1.0, [9.0] * 9)] == [rung]


@pytest.mark.parametrize(("epochs", "expected"), [(2, []), (3, [1]), (6, [2]), (8, [2]), (12, [4]), (27, [9])])
def test_the_rung_of_earlier_studies_stays_where_it_was(epochs, expected):
    assert [epoch for epoch in range(1, epochs + 1) if asha(epoch, epochs, 1.0, [9.0] * 9)] == expected


def test_all_but_the_top_third_stop_at_a_rung():
    others = [10.0, 20.0, 30.0, 40.0]
    assert asha_late(4, 6, 29.0, others)
    assert not asha_late(4, 6, 30.0, others)
    assert not asha_late(4, 6, 50.0, others)


def test_the_first_go_on_and_only_rungs_are_looked_at():
    assert not asha_late(4, 6, 1.0, [])
    assert not asha_late(4, 6, 1.0, [100.0])
    assert asha_late(4, 6, 1.0, [100.0, 100.0])
    assert not asha_late(5, 6, 1.0, [100.0, 100.0])
    assert not asha_late(1, 1, 1.0, [100.0, 100.0])


def test_of_many_trials_about_a_third_goes_on():
    scores = np.random.default_rng(0).normal(size=300)
    kept = sum(not asha_late(4, 6, score, scores[:i].tolist()) for i, score in enumerate(scores))
    assert 90 <= kept <= 120


def test_none_never_stops():
    assert not SCHEDULERS["none"](2, 6, 0.0, [1.0] * 10)


def test_with_several_objectives_a_trial_stops_outside_the_top_third_of_the_sorting():
    others = [(3.0, 1.0), (2.0, 2.0), (1.0, 3.0), (1.0, 1.0), (0.0, 2.0)]
    ask = partial(stops, asha_half, 4, 8, others=others)
    assert not ask((3.5, 0.0))  # the highest score always goes on
    assert not ask((0.5, 9.0))  # the far end of the front
    assert ask((2.0, 1.0))  # behind the front
    assert ask((2.1, 1.9))  # on the front, but crowded there
    assert not stops(asha_half, 3, 8, (2.0, 1.0), others)  # no rung
    assert not stops(asha_half, 4, 8, (0.0, 0.0), others[:1])  # who comes first goes on
    assert not stops(never, 4, 8, (0.0, 0.0), others)


@pytest.mark.parametrize("coordinates", [1, 2, 3])
def test_of_many_trials_with_several_objectives_a_third_goes_on(coordinates):
    points = np.random.default_rng(0).normal(size=(200, coordinates)).tolist()
    kept = [place for place, point in enumerate(points) if not stops(asha_half, 4, 8, point, points[:place])]
    assert 50 <= len(kept) <= 90
    highest = [place for place, point in enumerate(points) if point[0] >= max(one[0] for one in points[: place + 1])]
    assert set(highest) <= set(kept)


def test_one_objective_is_asked_as_before():
    scores = [10.0, 20.0, 30.0, 40.0]
    for score in (5.0, 29.0, 30.0, 50.0):
        assert stops(asha_half, 4, 8, (score,), [(one,) for one in scores]) == asha_half(4, 8, score, scores)
