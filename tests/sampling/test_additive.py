"""The additive Gaussian process: its covariance, its expected improvement, and what it does with trials."""

import math
from itertools import islice
from random import Random

import numpy as np
import pytest
from optuna.trial import TrialState
from scipy.integrate import quad
from scipy.stats import norm, rankdata

from kpbench.cell import cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.sampling import additive as module
from kpbench.sampling.additive import BEST, CANDIDATES, KEPT, NOISE, PAIRS, START, additive, covariance
from kpbench.sampling.points import drawn, settled, told_elsewhere
from kpbench.sampling.samplers import DEFAULT, RESAMPLES, SAMPLERS, propose
from kpbench.seeds import derive
from kpbench.space.catalog import find
from kpbench.space.reading import read_space

TEXT = """family = "cnn"
[network]
depth = [2, 3, 4]
dropout = ["none", "spatial"]
dropout_rate = { low = 0.1, high = 0.3, when = { "network.dropout" = "spatial" } }
"""


@pytest.fixture
def space(tmp_path):
    (tmp_path / "space.toml").write_text(TEXT)
    return read_space(tmp_path / "space.toml", known_parameters())


def cell(depth, dropout="none", rate=None):
    found = {"network.depth": depth, "network.dropout": dropout}
    return found if rate is None else {**found, "network.dropout_rate": rate}


def known(space, *told, states=()):
    trials = told_elsewhere(space, told)
    for number, (trial, state) in enumerate(zip(trials, states or [TrialState.COMPLETE] * len(trials), strict=True)):
        trial.state, trial.number = state, number
    return trials


def given(space, trials, count=1, seed=0):
    return [settled(space, point) for point in islice(additive(space, trials, seed), count)]


def test_the_covariance_is_main_effects_and_pairs_by_hand(space):
    cells = [cell(2), cell(3), cell(2, "spatial", 0.1), cell(4, "spatial", 0.3)]
    places = module._places(space, cells)
    found = covariance(space, places, places)
    far = math.exp(-0.5 * (1 / module.LENGTH) ** 2)  # the two ends of a range

    def mixed(*alike):
        pairs = sum(a * b for at, a in enumerate(alike) for b in alike[:at])
        return (1 - PAIRS) * sum(alike) / 3 + PAIRS * pairs / 3

    assert found[0] == pytest.approx([mixed(1, 1, 0), mixed(-0.5, 1, 0), mixed(1, -1, 0), mixed(-0.5, -1, 0)])
    assert found[2, 3] == pytest.approx(mixed(-0.5, 1, far))
    assert found[3, 3] == pytest.approx(mixed(1, 1, 1)) == 1
    assert np.allclose(found, found.T) and np.linalg.eigvalsh(found).min() > -1e-12


def test_the_improvement_is_the_expectation_of_the_posterior(space):
    """Against conditioning written out with an inverse, and an integral."""
    told, running = [cell(2), cell(3), cell(4, "spatial", 0.2)], [cell(3, "spatial", 0.1)]
    ranks, new = np.array([-1.0, 0.2, 0.8]), [cell(4), cell(2, "spatial", 0.25)]
    found = module._improvement(space, told, ranks, running, new)
    a, b = module._places(space, [*told, *running]), module._places(space, new)
    k, c = covariance(space, a, a), covariance(space, b, a)
    inverse = np.linalg.inv(k[:3, :3] + NOISE * np.eye(3))
    mean, best = c[:, :3] @ inverse @ ranks, (k[:3, :3] @ inverse @ ranks).max()
    spread = np.sqrt(np.diag(covariance(space, b, b) - c @ np.linalg.inv(k + NOISE * np.eye(4)) @ c.T))
    for one, m, s in zip(found, mean, spread, strict=True):
        wanted, _ = quad(lambda x, m=m, s=s: (x - best) * norm.pdf(x, m, s), best, m + 9 * s)
        assert one == pytest.approx(wanted, abs=1e-7)


def test_ranks_are_normal_scores_and_what_did_not_end_well_is_as_the_worst(space):
    told = (cell(2), 5.0), (cell(3), 90.0), (cell(4), 90.0), (cell(2, "spatial", 0.1), 400.0), (cell(3), 7.0)
    trials = known(space, *told, states=[TrialState.COMPLETE] * 3 + [TrialState.FAIL, TrialState.COMPLETE])
    told, ranks = module._told(trials, [trial.state is TrialState.COMPLETE for trial in trials])
    assert told == trials
    assert ranks == pytest.approx(norm.ppf((rankdata([5, 90, 90, 5, 7]) - 0.5) / 5))


def test_a_long_search_is_modelled_by_its_best_and_its_newest(space):
    trials = known(space, *((cell(2, "spatial", 0.1 + number / 1e4), float(1000 - number)) for number in range(500)))
    told, _ = module._told(trials, [True] * 500)
    assert [trial.number for trial in told] == [*range(BEST), *range(500 - KEPT + BEST, 500)]


def test_before_there_is_a_model_points_are_random_and_after_it_they_are_the_best(space):
    few = known(space, *((cell(depth), 100.0) for depth in range(2, 1 + START)))
    assert given(space, few, 5) == given(space, [], 5)
    trials = known(space, (cell(2), 100.0), (cell(3), 120.0), (cell(4), 140.0), (cell(2, "spatial", 0.2), 150.0))
    first, *others = given(space, trials, 40)
    assert (first["network.depth"], first["network.dropout"]) == (4, "spatial")  # the sum of the two best effects
    assert len({cell_id(one) for one in (first, *others)}) == 40


def test_workers_are_sent_to_different_places(space):
    trials = known(space, (cell(2), 100.0), (cell(3), 120.0), (cell(4), 140.0), (cell(2, "spatial", 0.2), 150.0))
    (first,) = given(space, trials)
    running = known(space, (first, 1.0), states=[TrialState.RUNNING])[0]
    running.number = len(trials)
    (second,) = given(space, [*trials, running])
    away = abs(first["network.dropout_rate"] - second.get("network.dropout_rate", 9))
    assert second["network.depth"] != first["network.depth"] or away > 0.03


def test_it_is_the_default():
    assert SAMPLERS[DEFAULT].ask is additive


def test_where_the_rules_refuse_the_best_cells_the_best_of_the_others_is_proposed(tmp_path):
    space = read_space(find("search_spaces", "cnn_small"), known_parameters())
    told = [(settled(space, drawn(space, Random(number))), 100.0) for number in range(20)]
    trials = known(space, *((params, 100.0 * params["network.depth"]) for params, _ in told))
    for seed in range(4):
        points = given(space, trials, CANDIDATES, seed=derive(seed, 20))
        first = next(at for at, one in enumerate(points) if one["network.depth"] == 2)
        assert first >= RESAMPLES  # a sampler without a patience of its own is asked no further
        asked = {"sampler": SAMPLERS[DEFAULT], "seed": seed, "enumerated": False}
        assert propose(space, trials, set(), legal=lambda cell: cell["network.depth"] == 2, **asked) == points[first]
