"""Replays on planted tables where the answer is known."""

from collections import Counter
from functools import partial

import pytest

from kpbench.analysis.replay import summed
from kpbench.sampling.replay import looked_up
from kpbench.sampling.samplers import SAMPLERS, Sampler
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.sampling.table import Ended
from kpbench.studies.replay import CONTROL, outcomes, replayed
from tests.replay_tables import planted
from tests.scripted import quiet


def figures(table, *searches, replays=200, near=0.01, budget=3, seed=0):
    found = replayed(table, searches, quiet, replays=replays, near=near, budget=budget, seed=seed)
    return {(one.sampler, one.scheduler): one for one in found}


def one_good(cell, seed):
    return 400.0 if cell == (1, 1) else 100.0


def test_random_search_finds_one_good_cell_of_n_after_half_of_them_and_one():
    found = figures(planted((3, 5), one_good))
    (only,) = found.values()
    assert list(found) == [CONTROL]
    assert not only.trials.excludes((15 + 1) / 2)
    assert only.images.value == pytest.approx(80 * only.trials.value)
    assert (only.never, only.ratio, only.verdict) == (0.0, None, None)
    assert not only.regret.excludes(12 / 15 * 0.75)  # three trials miss it in 12 of 15 searches


def test_where_every_cell_is_as_good_the_first_trial_arrives_and_nobody_is_better():
    found = figures(planted((3, 4), lambda cell, seed: 400.0 - 0.3 * sum(cell)), ("tpe", "none"), ("random", "asha"))
    for one in found.values():
        assert (one.trials.value, one.trials.low, one.trials.high, one.images.value) == (1.0, 1.0, 1.0, 80.0)
        assert one.regret.value < 0.01
        assert one.verdict in (None, "undecided")


def test_a_sampler_that_knows_the_answer_needs_one_trial(monkeypatch):
    def knows(space, known, seed):
        while True:
            yield dict.fromkeys(space.factors, 1)

    monkeypatch.setattr("kpbench.studies.replay.SAMPLERS", {**SAMPLERS, "oracle": Sampler("knows", knows)})
    found = figures(planted((3, 5), one_good), ("oracle", "none"))["oracle", "none"]
    assert (found.trials.value, found.regret.value, found.verdict) == (1.0, 0.0, "fewer")
    assert found.ratio.low < 1 / 8 < found.ratio.high


def test_a_rule_that_stops_whatever_is_good_pays_for_the_whole_table(monkeypatch):
    def harsh(epoch, epochs, score, others):
        return epoch == 1 and score > 40

    monkeypatch.setattr("kpbench.studies.replay.SCHEDULERS", {**SCHEDULERS, "harsh": harsh})
    found = figures(planted((3, 5), one_good), ("random", "harsh"))["random", "harsh"]
    assert (found.never, found.images.value, found.trials.value, found.verdict) == (1.0, 15 * 80.0, 15.0, "more")


def test_replays_of_all_searches_have_the_same_run_seeds_in_turn():
    table, asked = planted((2, 2), one_good, seeds=(3, 5, 9)), []

    def train(run_seed):
        asked.append(run_seed)
        return lambda cell: Ended(cell, 8, {8: 1.0}, 1.0)

    for sampler in ("random", "tpe"):
        list(outcomes(table, sampler, train, replays=7, near=0.01))
    assert asked == [3, 5, 9, 3, 5, 9, 3] * 2


def test_a_search_with_and_without_stopping_is_paired_by_its_order():
    """What a rung stops costs less, and random search takes the same cells in the same order: no replay is dearer."""
    table = planted((3, 5), lambda cell, seed: 100.0 + 10 * cell[0] + cell[1])
    found = {}
    for rule in ("none", "asha_late"):
        train = partial(looked_up, table, scheduler=SCHEDULERS[rule])
        found[rule] = list(outcomes(table, "random", train, replays=40, near=0.01))
    pairs = list(zip(found["none"], found["asha_late"], strict=True))
    assert all(b.trials == a.trials and b.epochs <= a.epochs for a, b in pairs)
    assert any(b.epochs < a.epochs for a, b in pairs)


def test_a_curve_of_regret_goes_over_the_whole_table():
    table = planted((3, 5), one_good)
    (found,) = replayed(table, (), quiet, replays=200, near=0.01, budget=3, whole=True)
    assert [images for images, _ in found.curve] == [80 * trials for trials in range(1, 16)]
    assert found.curve[2][1] == found.regret
    for trials in (1, 8, 14):
        assert not found.curve[trials - 1][1].excludes((15 - trials) / 15 * 0.75)
    assert found.curve[-1][1].value == 0.0
    (large,) = replayed(planted((9, 9), one_good), (), quiet, replays=2, near=0.01, budget=3, whole=True)
    assert len(large.curve) == 41


def test_the_seed_decides_the_figures():
    table = planted((3, 4), one_good, seeds=(0, 1))
    first, again, other = (figures(table, ("tpe", "asha_late"), replays=20, seed=seed) for seed in (4, 4, 5))
    assert first == again != other


def test_random_search_is_not_called_better_than_itself():
    """With other sampler seeds, 40 times: an interval of 95 % has 1 outside of it about twice."""
    table, words = planted((3, 3), one_good), Counter()
    for seed in range(40):
        train = partial(looked_up, table, scheduler=SCHEDULERS["none"])
        a, b = (list(outcomes(table, "random", train, replays=50, near=0.01, seed=s)) for s in (seed, 1000 + seed))
        words[summed("random", "none", a, b, table, budget=3).verdict] += 1
    assert words["undecided"] >= 34
