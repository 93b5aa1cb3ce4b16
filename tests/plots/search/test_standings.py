import math

import pytest

from kpbench.plots.scores import geometric_mean
from kpbench.plots.search.standings import standings
from tests.study_rows import row


def test_seeds_of_a_cell_are_averaged_geometrically_and_ordered_best_first():
    rows = [row({"a": 1}, seed=0, score=50.0), row({"a": 1}, seed=1, score=200.0), row({"a": 2}, score=120.0)]
    first, second = standings(rows)
    assert (first.params, second.params) == ({"a": 2}, {"a": 1})
    assert second.tuning_score == pytest.approx(100.0)
    assert len(second.tuning) == 2


def test_a_pruned_run_is_never_best_however_high_its_score():
    rows = [row({"a": 1}, score=10.0), row({"a": 2}, score=999.0, state="pruned")]
    first, second = standings(rows)
    assert first.params == {"a": 1}
    assert math.isnan(second.tuning_score) and second.pruned == 1


def test_infinity_leads_and_nan_trails():
    rows = [row({"a": value}, score=score) for value, score in enumerate([5.0, math.nan, math.inf, 0.0, 7.0])]
    order = [cell.params["a"] for cell in standings(rows)]
    assert order[:3] == [2, 4, 0]
    assert {cell.params["a"] for cell in standings(rows) if cell.failed} == {1, 3}


def test_a_cell_that_lost_a_seed_stands_below_the_whole_ones():
    rows = [row({"a": 1}, seed=0, score=300.0), row({"a": 1}, seed=1, score=None, state="failed", reason="nan")]
    rows.append(row({"a": 2}, score=100.0))
    first, second = standings(rows)
    assert first.params == {"a": 2}
    assert (second.tuning_score, len(second.tuning), second.failed) == (pytest.approx(300.0), 1, 1)


def test_final_runs_stand_apart_from_the_trials_that_chose_the_cell():
    rows = [row({"a": 1}, score=100.0)]
    rows += [
        row({"a": 1}, seed=seed, trial=None, score=score, test=2 * score) for seed, score in ((7, 40.0), (8, 160.0))
    ]
    rows.append(row({"a": 1}, seed=9, trial=None, score=None, state="failed", reason="oom"))
    (cell,) = standings(rows)
    assert cell.tuning == (100.0,)
    assert geometric_mean(cell.fresh) == pytest.approx(80.0)
    assert geometric_mean(cell.test) == pytest.approx(160.0)
    assert cell.finals_failed == 1


def test_equal_scores_have_one_order_whatever_the_order_of_the_rows():
    rows = [row({"a": value}, score=100.0) for value in range(20)]
    assert [cell.cell for cell in standings(rows)] == [cell.cell for cell in standings(rows[::-1])]
