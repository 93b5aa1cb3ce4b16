"""Proposals, priors and the journal; what every sampler keeps is in `tests/contracts/test_samplers.py`."""

import math
import re
from pathlib import Path
from random import Random

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FixedTrial, TrialState

from kpbench.cell import cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.sampling.additive import START
from kpbench.sampling.journal import Journal
from kpbench.sampling.optuna_study import BEST, REMEMBERED, STARTUP, remembered
from kpbench.sampling.points import drawn, settled, told_elsewhere
from kpbench.sampling.samplers import SAMPLERS, propose
from kpbench.space.catalog import find
from kpbench.space.reading import read_space

DEFAULTS = known_parameters()


def read(name):
    return read_space(find("search_spaces", name), DEFAULTS)


def start(journal, space, params):
    """Starts a trial with these varying parameters; answers its number and cell."""
    suggested = FixedTrial(params)
    cell = space.suggest(suggested)
    return journal.start(suggested), cell


def grown(tmp_path, space, sampler, n, *, enumerated=False, legal=lambda cell: True, seed=0):
    """Parameters of `n` trials in a row, each told a made-up score."""
    journal = Journal(tmp_path / f"{sampler}.jsonl")
    found = []
    for number in range(n):
        params = propose(
            space,
            journal.history(),
            journal.seen(),
            sampler=SAMPLERS[sampler],
            seed=seed,
            enumerated=enumerated,
            legal=legal,
        )
        if params is None:
            break
        told, cell = start(journal, space, params)
        assert {k: cell[k] for k in params} == params
        found.append(cell)
        journal.end(told, TrialState.COMPLETE, float(len(str(sorted(params.items())))) + number % 3)
    return found


def proposals(space, sampler, scores, state=TrialState.COMPLETE):
    """What a sampler gives after cells with these scores, for three seeds; the cells are always the same."""
    draw = Random(0)
    cells = [settled(space, drawn(space, draw)) for _ in scores]
    history = told_elsewhere(space, list(zip(cells, scores, strict=True)))
    for trial in history:
        trial.state = state
    asked = {"sampler": SAMPLERS[sampler], "enumerated": False, "legal": lambda cell: True}
    return [propose(space, history, set(), seed=seed, **asked) for seed in range(3)]


@pytest.mark.parametrize("sampler", ["additive", "tpe", "gp", "nsga2", "evolution", "cma_es", "random"])
def test_the_first_trials_are_those_of_the_page_on_search(sampler):
    """Scores change nothing before so many trials have ended, and something after."""
    space = read("cnn_tune")
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^\| `{sampler}`(?:, `grid`)? \| (.+?) \|", page, flags=re.M)
    counts = {"random": 40, "additive": START, "cma_es": 4 + int(3 * math.log(len(space.factors)))}
    first = counts.get(sampler, STARTUP)
    assert sampler == "random" or (f"until {first} " in line) != (sampler == "cma_es")

    def learns(n, state=TrialState.COMPLETE):
        scores = [float(n) for n in range(n)]
        return proposals(space, sampler, scores, state) != proposals(space, sampler, scores[::-1], state)

    assert not learns(first - 1)
    assert learns(first) == (sampler != "random")
    assert not learns(first, TrialState.FAIL)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_conditional_continuous_space_is_sampled(sampler, tmp_path):
    cells = grown(tmp_path, read("cnn_tune"), sampler, 25)
    assert len({cell_id(c) for c in cells}) == 25
    for cell in cells:
        assert ("network.dropout_rate" in cell) == (cell["network.dropout"] != "none")


def test_enumeration_comes_in_a_seeded_order_whatever_the_sampler(tmp_path):
    space = read("timm_small")
    cells = grown(tmp_path, space, "tpe", 16, enumerated=True)
    assert sorted(map(cell_id, cells)) == sorted(map(cell_id, space.cells()))
    assert cells != list(space.cells())


@pytest.mark.parametrize("sampler", ["additive", "tpe"])
def test_it_learns(sampler, tmp_path):
    """On a planted optimum the later trials are better than the first ones."""
    space = read("cnn_tune")
    journal = Journal(tmp_path / "j.jsonl")
    scores = []
    for _ in range(40):
        params = propose(
            space,
            journal.history(),
            journal.seen(),
            sampler=SAMPLERS[sampler],
            seed=3,
            enumerated=False,
            legal=lambda cell: True,
        )
        number, cell = start(journal, space, params)
        scores.append(-abs(cell["training.lr"] - 3e-3) * 1e3 - abs(cell["network.depth"] - 4))
        journal.end(number, TrialState.COMPLETE, scores[-1])
    assert sum(scores[-15:]) / 15 > sum(scores[:15]) / 15


def test_the_journal_survives_being_opened_again_and_holds_no_duplicates_of_proposals(tmp_path):
    grown(tmp_path, read("cnn_small"), "tpe", 20)
    journal = Journal(tmp_path / "tpe.jsonl")
    assert len(journal.history()) == 20
    assert all(t.state is TrialState.COMPLETE for t in journal.history())
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_an_interrupted_trial_does_not_count_and_its_cell_comes_again(tmp_path):
    path, params = tmp_path / "j.jsonl", {"network.depth": 3, "network.norm": "none", "network.dropout": "none"}
    first = Journal(path)
    number, _ = start(first, read("cnn_small"), params)
    first.report(number, 5.0, 1)
    again = Journal(path)
    (running,) = again.running()
    assert not again.lives_spent(running)
    again.interrupt(running)
    assert again.history() == []
    assert again.interrupted() == [params]
    start(again, read("cnn_small"), params)
    assert again.interrupted() == []


def test_a_trial_that_was_cut_before_its_parameters_were_written_keeps_them(tmp_path):
    path, params = tmp_path / "j.jsonl", {"network.depth": 3, "network.norm": "none", "network.dropout": "none"}
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="kpbench")
    study.enqueue_trial(params)  # as earlier versions did; the driver dies before the space is suggested
    study.ask()
    study.enqueue_trial(params | {"network.depth": 4})  # and another one before its trial runs
    again = Journal(path)
    again.interrupt(again.running()[0])
    assert again.interrupted() == [params]
    assert again.history() == []


def test_a_damaged_journal_is_named(tmp_path):
    path = tmp_path / "j.jsonl"
    Journal(path)
    path.write_bytes(b"not json\n" + path.read_bytes())
    with pytest.raises(UsageError, match=r"j.jsonl is damaged"):
        Journal(path)


def test_of_a_long_history_a_sampler_sees_the_best_and_the_latest():
    def told(number):
        state = TrialState.PRUNED if number % 3 == 1 else TrialState.COMPLETE
        value = None if state is TrialState.PRUNED else float(number * 7919 % 1009)
        trial = optuna.trial.create_trial(state=state, value=value)
        trial.number = number
        return trial

    history = [told(number) for number in range(1000)]
    assert remembered(history[:REMEMBERED]) == history[:REMEMBERED]
    shown = remembered(history)
    assert len(shown) == REMEMBERED
    assert [trial.number for trial in shown] == sorted(trial.number for trial in shown)
    values = sorted((trial.value for trial in history if trial.value is not None), reverse=True)
    assert set(values[:BEST]) <= {trial.value for trial in shown}
    assert set(range(1000 - (REMEMBERED - BEST), 1000)) <= {trial.number for trial in shown}


def test_a_proposal_after_a_resume_is_the_one_that_an_unbroken_study_makes(tmp_path):
    """The journal read anew and the one that wrote it show the sampler the same: running trials and pruned ones too."""
    space, path = read("cnn_tune"), tmp_path / "j.jsonl"
    journal = Journal(path)
    for place in range(24):
        past = journal.history(), journal.seen()
        params = propose(space, *past, sampler=SAMPLERS["tpe"], seed=5, enumerated=False, legal=lambda cell: True)
        again = Journal(path)
        other = again.history(), again.seen()
        assert params == propose(
            space, *other, sampler=SAMPLERS["tpe"], seed=5, enumerated=False, legal=lambda cell: True
        )
        number, cell = start(journal, space, params)
        journal.report(number, -abs(cell["training.lr"] - 3e-3), 1)
        if place % 4 != 3:  # every fourth goes on running
            journal.end(number, *((TrialState.PRUNED,) if place % 4 == 1 else (TrialState.COMPLETE, float(place))))
        assert sorted(Journal(path).points_at(1, first=number)) == sorted(journal.points_at(1, first=number))


PRIOR = """family = "cnn"
[network]
depth = [2, 3, 4, 5]
norm = ["none", "batch", "spatial_batch"]
[training]
lr = { low = 1e-4, high = 1e-2, log = true }
shift = { low = 0.0, high = 10.0 }
[prior]
"network.depth" = 4
"training.lr" = 3e-3
"""


@pytest.fixture
def with_prior(tmp_path):
    (tmp_path / "p.toml").write_text(PRIOR)
    return read_space(tmp_path / "p.toml", DEFAULTS)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_first_trial_is_the_prior_and_the_next_keep_half_of_it(sampler, with_prior, tmp_path):
    space = with_prior
    cells = grown(tmp_path, space, sampler, 10)
    guess = {"network.depth": 4, "training.lr": 3e-3}
    assert {name: cells[0][name] for name in guess} == guess
    again = tmp_path / "again"
    again.mkdir()
    assert cells == grown(again, space, sampler, 10)
    kept = [[cell[name] == value for name, value in guess.items()] for cell in cells[1:]]
    assert 4 <= sum(map(sum, kept)) <= 16
    assert len({cell["training.lr"] for cell in cells}) > 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_prior_of_every_parameter_ends_no_search(sampler, seed, tmp_path):
    """Where all that varies has a guess, keeping it all would give the same cell for ever."""
    text = 'family = "cnn"\n[training]\nlr = { low = 1e-4, high = 1e-2, log = true }\n[prior]\n"training.lr" = 3e-3\n'
    (tmp_path / "one.toml").write_text(text)
    space = read_space(tmp_path / "one.toml", DEFAULTS)
    cells = grown(tmp_path, space, sampler, 12, seed=seed)
    assert len({cell_id(cell) for cell in cells}) == 12
    assert cells[0]["training.lr"] == 3e-3


def test_a_prior_against_the_rules_is_left(with_prior, tmp_path):
    cells = grown(tmp_path, with_prior, "tpe", 6, legal=lambda cell: cell["network.depth"] != 4)
    assert len(cells) == 6


def test_a_prior_is_forgotten_after_the_first_trials(with_prior, tmp_path):
    cells = grown(tmp_path, with_prior, "random", 40)
    assert all(cell["training.lr"] != 3e-3 for cell in cells[STARTUP:])
    assert {cell["network.depth"] for cell in cells[STARTUP:]} == {2, 3, 4, 5}
