"""A replayed search is the search that a study would have carried out."""

import pytest

from kpbench.cell import cell_id
from kpbench.engine.jobs import Failure
from kpbench.sampling.replay import looked_up, replay
from kpbench.sampling.samplers import SAMPLERS
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.sampling.table import Table
from kpbench.space.space import complete
from kpbench.store.study import open_study
from kpbench.task.score import score_from_mse
from tests.engine.test_trials import DEFAULTS, SPACE, trials
from tests.replay_tables import cell_of, planted
from tests.scripted import play
from tests.store.test_study import PLAN

EPOCHS = 8


def mse_at(cell, epoch):
    """A made-up MSE after an epoch, None where the run diverges: cells cross, and some lose themselves late."""
    depth, norm, dropout = (cell[f"network.{name}"] for name in ("depth", "norm", "dropout"))
    if (depth, norm) == (3, "spatial_batch") and epoch >= 7:
        return None
    end = {"none": 3.0, "batch": 2.5, "spatial_batch": 1.0}[norm] + 1 / depth + len(dropout) / 100
    return (end + (depth / 4 + len(norm) / 20) * (EPOCHS - epoch)) / 1000


@pytest.mark.parametrize("sampler", ["random", "tpe", "evolution"])
@pytest.mark.parametrize("scheduler", ["none", "asha_late"])
def test_it_takes_the_cells_of_a_real_search_and_ends_them_alike(sampler, scheduler, tmp_path):
    def mse_of(job, seed, epoch):
        found = mse_at(job.params, epoch)
        return Failure(reason="nan", detail="the loss is not finite") if found is None else found

    n = 33
    with open_study(tmp_path / "s", PLAN) as study:
        given = {"sampler": SAMPLERS[sampler], "scheduler": SCHEDULERS[scheduler], "n_trials": n, "epochs": EPOCHS}
        play(trials(study, seed=3, **given), mse_of)
        real = [(row.cell, row.epochs, row.state) for row in study.rows()]
    scores, whole = {}, {}
    for cell in SPACE.cells():
        varying = cell_id({name: cell[name] for name in SPACE.factors})
        whole[varying] = cell_id(complete(cell, DEFAULTS))
        curve = [mse_at(cell, epoch) for epoch in range(1, EPOCHS + 1)]
        scores[varying, 0] = tuple(score_from_mse(mse) for mse in curve if mse is not None)
    found = replay(
        SPACE, looked_up(Table(SPACE, scores, EPOCHS), 0, SCHEDULERS[scheduler]), sampler=SAMPLERS[sampler], seed=3
    )
    states = [
        # A row has the epochs that it reported, a replay also counts the one in which a run diverged.
        (
            whole[one.cell],
            one.epochs - one.failed,
            "failed" if one.failed else "pruned" if one.score is None else "complete",
        )
        for one in found
    ]
    assert states[:n] == real
    assert len(states) == 36
    kinds = {state for _, _, state in real}
    assert kinds == {"complete", "failed"} | ({"pruned"} if scheduler != "none" else set())


def test_a_trial_stops_among_those_that_came_there_before_it():
    table = planted((4,), lambda cell, seed: [100.0, 300.0, 200.0, 400.0][cell[0]])
    train = looked_up(table, 0, SCHEDULERS["asha_late"])
    ended = [train(cell_of(table, value)) for value in range(4)]
    assert [one.epochs for one in ended] == [8, 8, 5, 8]
    assert [one.score for one in ended] == [100.0, 300.0, None, 400.0]
    assert sorted(ended[2].shown) == [1, 2, 3, 4, 5]


def test_a_run_that_diverged_leaves_no_mark_at_a_rung():
    table = planted((4,), lambda cell, seed: [900.0, 100.0, 120.0, 110.0][cell[0]])
    scores = {**table.scores, (cell_of(table, 0), 0): table.scores[cell_of(table, 0), 0][:6]}
    train = looked_up(Table(table.space, scores, table.epochs), 0, SCHEDULERS["asha_late"])
    lost, *others = [train(cell_of(table, value)) for value in range(4)]
    assert (lost.failed, lost.score, lost.epochs) == (True, None, 7)
    assert [one.epochs for one in others] == [8, 8, 5]  # two before the third, not three


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe", "evolution", "nsga2", "cma_es"])
def test_every_cell_comes_once_and_the_seed_decides_the_order(sampler):
    table = planted((3, 4), lambda cell, seed: 100.0 + sum(cell))

    def order(seed):
        train = looked_up(table, 0, SCHEDULERS["none"])
        return [one.cell for one in replay(table.space, train, sampler=SAMPLERS[sampler], seed=seed)]

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == sorted(table.cells)
