"""Every sampler keeps one contract, whatever it is: it stands in the table, so it is held to it."""

from itertools import islice
from random import Random

import pytest
from optuna.trial import FixedTrial, TrialState

from kpbench.cell import cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.sampling.journal import Journal
from kpbench.sampling.order import Order
from kpbench.sampling.points import drawn, settled, told_elsewhere
from kpbench.sampling.samplers import SAMPLERS, propose
from kpbench.space.reading import read_space
from kpbench.training.device import threads

SPACES = {
    "finite": """family = "cnn"
[network]
depth = [2, 3, 4]
norm = ["none", "batch"]
dropout = ["none", "spatial"]
dropout_rate = { choices = [0.1, 0.3], when = { "network.dropout" = "spatial" } }
""",
    "continuum": """family = "cnn"
[network]
depth = [2, 3, 4]
dropout = ["none", "standard", "spatial"]
dropout_rate = { low = 0.02, high = 0.5, when = { "network.dropout" = ["standard", "spatial"] } }
width = { low = 4, high = 32, log = true }
[training]
lr = { low = 1e-4, high = 1e-2, log = true }
[prior]
"training.lr" = 3e-3
""",
}
SIZE = 18


@pytest.fixture(params=sorted(SPACES))
def space(request, tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACES[request.param])
    return read_space(path, known_parameters())


DEAR = {"gp"}
"""Samplers that take seconds a trial: CI has them."""


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name in DEAR)) for name in sorted(SAMPLERS)])
def sampler(request, space):
    if SAMPLERS[request.param].ask is None and space.size is None:
        pytest.skip("plain enumeration needs a finite space; the search refuses it")
    return SAMPLERS[request.param]


def score(cell):
    """Made up: rises with depth and with a learning rate near 3e-3."""
    return (
        cell["network.depth"] - 100 * abs(cell["training.lr"] - 3e-3)
        if "training.lr" in cell
        else cell["network.depth"]
    )


def search(path, space, sampler, n, *, seed=0, legal=lambda cell: True, anew=False, objectives=("score",)):
    """The cells of `n` trials, one after the other, every fifth stopped early, every seventh failed."""
    journal, cells = Journal(path, objectives), []
    while len(journal.history()) < n:
        journal = Journal(path, objectives) if anew else journal
        history = journal.shown()
        with threads():
            params = propose(space, history, journal.seen(), sampler=sampler, seed=seed, enumerated=False, legal=legal)
        if params is None:
            break
        cell = space.suggest(trial := FixedTrial(params))
        number = journal.start(trial)
        journal.report(number, score(cell) / 2, 1)
        state = TrialState.PRUNED if number % 5 == 4 else TrialState.FAIL if number % 7 == 6 else TrialState.COMPLETE
        values = (score(cell), 1e6 / cell["network.depth"], 1 + len(str(cell)))[: len(objectives)]
        journal.end(number, state, values if state is TrialState.COMPLETE else None)
        cells.append(cell)
    return cells


def test_no_cell_comes_twice_conditions_hold_and_a_resumed_search_is_the_unbroken_one(tmp_path, space, sampler):
    cells = search(tmp_path / "a.jsonl", space, sampler, SIZE)
    assert len(cells) == len({cell_id(cell) for cell in cells}) == SIZE
    for cell in cells:
        assert ("network.dropout_rate" in cell) == (cell["network.dropout"] != "none")
    assert search(tmp_path / "b.jsonl", space, sampler, SIZE, anew=True) == cells
    assert search(tmp_path / "c.jsonl", space, sampler, 8, seed=1) != cells[:8]


@pytest.mark.parametrize("objectives", [("score", "params"), ("score", "params", "latency")])
def test_several_objectives_are_searched_alike(tmp_path, space, sampler, objectives):
    cells = search(tmp_path / "a.jsonl", space, sampler, SIZE, objectives=objectives)
    assert len(cells) == len({cell_id(cell) for cell in cells}) == SIZE
    assert search(tmp_path / "b.jsonl", space, sampler, SIZE, anew=True, objectives=objectives) == cells


def test_a_finite_space_is_used_up_under_the_rules(tmp_path, space, sampler):
    if space.size is None:
        pytest.skip("a continuum is never used up")
    cells = search(tmp_path / "a.jsonl", space, sampler, 99, legal=lambda cell: cell["network.depth"] != 3)
    assert len({cell_id(cell) for cell in cells}) == len(cells) == 12
    assert all(cell["network.depth"] != 3 for cell in cells)


def test_the_rules_are_kept_where_half_of_what_is_suggested_breaks_them(tmp_path, space, sampler):
    cells = search(tmp_path / "a.jsonl", space, sampler, 12, legal=lambda cell: cell["network.dropout"] == "none")
    assert cells
    assert {cell["network.dropout"] for cell in cells} == {"none"}


def test_warm_trials_bar_no_cell(space, sampler):
    if space.size is None:
        pytest.skip("of a continuum nothing comes twice")
    warm = told_elsewhere(space, [(varying_of(space, cell), score(cell)) for cell in space.cells()])
    asked = {"sampler": sampler, "enumerated": False, "legal": lambda cell: True, "warm": warm}
    with threads():
        assert propose(space, [], set(), seed=0, **asked) is not None


def test_warm_trials_are_learned_from(space, sampler):
    """Where another study's cells say what is good, a sampler that models answers otherwise, and only it."""
    draw = Random(0)
    cells = [space.suggest(FixedTrial(settled(space, drawn(space, draw)))) for _ in range(15)]
    warm = told_elsewhere(space, [(varying_of(space, cell), score(cell)) for cell in cells])
    asked = {"sampler": sampler, "enumerated": False, "legal": lambda cell: True}
    with threads():
        pairs = [
            (propose(space, [], set(), seed=seed, **asked), propose(space, [], set(), seed=seed, warm=warm, **asked))
            for seed in range(3)
        ]
    blind = not sampler.learns
    prior = dict(space.prior)  # the first trial is the prior, in what it names
    for _, after in pairs:
        assert all(after[name] == value for name, value in prior.items())
    assert any(before != after for before, after in pairs) != blind


REMEMBERING = [name for name, sampler in SAMPLERS.items() if sampler.memory]

LONG = {
    "all differ": lambda number: float(number * 7919 % 1009),
    "many are equal": lambda number: float(number * 7919 % 4),
    "few are better than the worst": lambda number: float(number % 50 == 7),
    "each is worse, the first the worst": lambda number: float(1000 - number if number else 0),
    "few are complete": lambda number: float(number * 7919 % 1009) if number % 50 == 7 else None,
    "none is complete": lambda number: None,
}
"""Scores of a long history by number; None where a trial was cut, as every fifth and seventh is anyway."""


def long_history(space, scores):
    """600 trials, of which four run."""
    draw = Random(0)
    known = told_elsewhere(space, [(settled(space, drawn(space, draw)), scores(n) or 0.0) for n in range(600)])
    for number, trial in enumerate(known):
        trial.number = trial._trial_id = number
        if number in (50, 320, 597, 599):
            trial.state, trial.values = TrialState.RUNNING, None
        elif scores(number) is None or number % 5 == 4 or number % 7 == 6:
            trial.state, trial.values = (TrialState.FAIL, None) if number % 2 else (TrialState.PRUNED, [0.5])
    return known


@pytest.mark.parametrize("space", ["continuum"], indirect=True)
@pytest.mark.parametrize(
    "sampler", [pytest.param(n, marks=[pytest.mark.slow] * (n in DEAR)) for n in REMEMBERING], indirect=True
)
@pytest.mark.parametrize("scores", LONG)
@pytest.mark.parametrize("warm", [0, 20])
def test_from_its_memory_a_sampler_answers_as_from_all(space, sampler, scores, warm):
    known = long_history(space, LONG[scores])
    shown = [known[number] for number in Order(known).kept(sampler.memory)]
    assert len(shown) < len(known)
    elsewhere = told_elsewhere(space, [(varying_of(space, t.params), float(n % 3)) for n, t in enumerate(known[:warm])])
    asked = {"sampler": sampler, "seed": 0, "enumerated": False, "legal": lambda cell: True, "warm": elsewhere}
    with threads():
        points, same = (list(islice(sampler.ask(space, (*elsewhere, *some), 0), 20)) for some in (known, shown))
        found = propose(space, known, set(), **asked)
        assert propose(space, shown, set(), left_out=len(known) - len(shown), **asked) == found
    assert points == same


def varying_of(space, cell):
    return {name: cell[name] for name in space.factors if name in cell}
