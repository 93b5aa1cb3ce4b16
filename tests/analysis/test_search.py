"""Which cells are in the Pareto set, and which are trained again."""

from dataclasses import replace

import pytest

from kpbench.analysis.ranking import trial_counts
from kpbench.analysis.search import finalists, pareto
from tests.study_rows import row


def cell(at, score, parameters, **more):
    return replace(row({"a": at}, trial=at, score=score, **more), parameters=parameters)


ROWS = [
    cell(0, 100.0, 900_000),
    cell(1, 99.0, 800_000),
    cell(2, 95.0, 1_000_000),  # beaten by the first
    cell(3, 60.0, 10_000),
    cell(4, 80.0, 100_000),
    cell(5, 300.0, 5_000, state="pruned"),
]


def places(cells):
    known = {one.cell: one.params["a"] for one in ROWS}
    return [known[one] for one in cells]


def test_final_runs_go_by_score_or_along_the_front():
    assert places(finalists(ROWS)) == [0, 1, 2, 4, 3]
    assert places(finalists(ROWS, ("score", "params"))) == [0, 3, 4, 1, 2]


def test_the_set_is_listed_from_the_highest_score_with_its_final_runs():
    finals = [row({"a": 4}, seed=9 + at, trial=None, score=score, test=2 * score) for at, score in enumerate((50, 200))]
    found = pareto([*ROWS, *finals], ("score", "params"))
    assert [one["cell"]["a"] for one in found] == [0, 1, 4, 3]
    assert found[2]["score"] == pytest.approx(80.0) and found[2]["params"] == 100_000
    assert (found[2]["fresh"], found[2]["test"]) == (pytest.approx(100.0), pytest.approx(200.0))
    assert (found[0]["fresh"], found[0]["test"]) == (None, None)


def test_a_cell_with_a_stopped_seed_is_in_no_set():
    rows = [*ROWS, row({"a": 0}, seed=1, trial=0, score=90.0, state="pruned")]
    assert 0 not in [one["cell"]["a"] for one in pareto(rows, ("score", "params"))]
    assert pareto([], ("score", "params")) == [] == finalists([], ("score", "params"))


def test_a_trial_is_counted_once_by_the_worst_of_its_seeds():
    seeds = [
        row({"a": 6}, trial=6, seed=0, score=9.0), row({"a": 6}, trial=6, seed=1, state="failed"),
        row({"a": 7}, trial=7, seed=0, score=9.0), row({"a": 7}, trial=7, seed=1, score=8.0, state="pruned"),
        row({"a": 0}, seed=2, trial=None, score=7.0),
    ]  # fmt: skip
    assert trial_counts([*ROWS, *seeds]) == {"complete": 5, "pruned": 2, "failed": 1}
