"""Every sampler proposes each cell at most once, always the same for the same history."""

import optuna
import pytest
from optuna.trial import TrialState

from kpbench.catalog import find
from kpbench.cell import cell_id
from kpbench.evaluate import known_parameters
from kpbench.journal import Journal
from kpbench.samplers import SAMPLERS, propose
from kpbench.space import read_space

DEFAULTS = known_parameters()


def read(name):
    return read_space(find("search_spaces", name), DEFAULTS)


def grown(tmp_path, space, sampler, n, *, enumerated=False, legal=lambda cell: True, seed=0):
    """Parameters of `n` trials in a row, each told a made-up score."""
    journal = Journal(tmp_path / f"{sampler}.jsonl")
    found = []
    for number in range(n):
        params = propose(
            space, journal.history(), sampler=SAMPLERS[sampler], seed=seed, enumerated=enumerated, legal=legal
        )
        if params is None:
            break
        trial = journal.start(params)
        cell = space.suggest(trial)
        assert {k: cell[k] for k in params} == params
        found.append(cell)
        journal.complete(trial.number, float(len(str(sorted(params.items())))) + number % 3)
    return found


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_a_finite_space_is_used_up_without_a_repeat(sampler, tmp_path):
    space = read("cnn_small")
    cells = grown(tmp_path, space, sampler, 50)
    assert len(cells) == 36
    assert {cell_id(c) for c in cells} == {cell_id(c) for c in space.cells()}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_conditional_continuous_space_is_sampled(sampler, tmp_path):
    cells = grown(tmp_path, read("cnn_tune"), sampler, 25)
    assert len({cell_id(c) for c in cells}) == 25
    for cell in cells:
        assert ("network.dropout_rate" in cell) == (cell["network.dropout"] != "none")


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_the_same_seed_gives_the_same_cells_and_another_seed_others(sampler, tmp_path):
    space = read("cnn_small")
    runs = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / folder).mkdir()
        runs.append(grown(tmp_path / folder, space, sampler, 14, seed=seed))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_enumeration_comes_in_a_seeded_order_whatever_the_sampler(tmp_path):
    space = read("timm_small")
    cells = grown(tmp_path, space, "tpe", 8, enumerated=True)
    assert sorted(map(cell_id, cells)) == sorted(map(cell_id, space.cells()))
    assert cells != list(space.cells())


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_what_breaks_the_rules_is_never_proposed(sampler, tmp_path):
    cells = grown(tmp_path, read("cnn_small"), sampler, 50, legal=lambda cell: cell["network.depth"] != 2)
    assert len(cells) == 27
    assert all(cell["network.depth"] != 2 for cell in cells)


def test_tpe_learns(tmp_path):
    """On a planted optimum TPE's later trials are better than its first ones."""
    space = read("cnn_tune")
    journal = Journal(tmp_path / "j.jsonl")
    scores = []
    for _ in range(40):
        params = propose(
            space, journal.history(), sampler=SAMPLERS["tpe"], seed=3, enumerated=False, legal=lambda cell: True
        )
        trial = journal.start(params)
        cell = space.suggest(trial)
        scores.append(-abs(cell["training.lr"] - 3e-3) * 1e3 - abs(cell["network.depth"] - 4))
        journal.complete(trial.number, scores[-1])
    assert sum(scores[-15:]) / 15 > sum(scores[:15]) / 15


def test_the_journal_survives_being_opened_again_and_holds_no_duplicates_of_proposals(tmp_path):
    grown(tmp_path, read("cnn_small"), "tpe", 20)
    journal = Journal(tmp_path / "tpe.jsonl")
    assert len(journal.history()) == 20
    assert all(t.state is TrialState.COMPLETE for t in journal.history())
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_an_interrupted_trial_does_not_count_and_its_cell_comes_again(tmp_path):
    path = tmp_path / "j.jsonl"
    first = Journal(path)
    trial = first.start({"network.depth": 3})
    read("cnn_small").suggest(trial)
    params = trial.params
    first.report(trial.number, 5.0, 1)
    again = Journal(path)
    (running,) = again.running()
    assert again.interrupt(running) is False
    assert again.history() == []
    assert again.lost() == [params]
    second = again.start(params)
    read("cnn_small").suggest(second)
    assert again.lost() == []


def test_a_cell_that_is_lost_again_and_again_counts_as_failed(tmp_path):
    path, space, params = tmp_path / "j.jsonl", read("cnn_small"), None
    spent = []
    for _ in range(3):
        journal = Journal(path)
        trial = journal.start(params or {"network.depth": 3})
        space.suggest(trial)
        params = trial.params
        later = Journal(path)
        spent.append(later.interrupt(later.running()[0]))
    assert spent == [False, False, True]
    assert [t.state for t in later.history()] == [TrialState.FAIL]
    assert later.lost() == []
