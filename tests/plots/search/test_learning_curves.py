import math
from dataclasses import replace

import pytest

from kpbench.cell import EpochRecord
from kpbench.plots.drawing import Marks
from kpbench.plots.search.learning_curves import best_errors, draw_learning_curves, learning_curves
from tests.study_rows import row, tuned_rows


def with_curve(params, points, **kwargs):
    records = [
        EpochRecord(epoch=epoch, train_mse=train, val_mse=val, val_score=0.5 / val if val else math.inf, seconds=1.0)
        for epoch, train, val in points
    ]
    return replace(row(params, **kwargs), curve=records)


def test_the_five_leading_cells_are_marked_by_place_and_drawn_last():
    rows = [row({"a": value}, trial=value, score=100.0 + value) for value in range(8)]
    curves = learning_curves(rows)[0]
    assert [curve.place for curve in curves[-5:]] == [4, 3, 2, 1, 0]
    assert curves[-1].trial == 7
    assert {curve.place for curve in curves[:3]} == {-1}


def test_no_more_curves_than_asked_for_and_the_number_is_told():
    curves, _, others = learning_curves(tuned_rows(120), most=20)
    assert sum(curve.place < 0 for curve in curves) == 20 < others
    assert len(curves) == 25


def test_a_long_curve_is_thinned_to_its_ends():
    (curve,) = learning_curves([row({"a": 1}, epochs=400)])[0]
    assert len(curve.epochs) <= 60
    assert (curve.epochs[0], curve.epochs[-1]) == (1, 400)


def test_epochs_without_a_finite_score_are_left_out():
    points = [(1, 0.1, 0.1), (2, 0.1, math.nan), (3, 0.1, 0.0), (4, 0.1, 0.05)]
    (curve,) = learning_curves([with_curve({"a": 1}, points)])[0]
    assert curve.epochs == (1, 4)
    assert curve.scores == (5.0, 10.0)


def test_pruned_runs_of_a_leading_cell_are_drawn_as_pruned():
    rows = [row({"a": 1}, seed=0), row({"a": 1}, seed=1, state="pruned", score=30.0)]
    assert [(curve.state, curve.place) for curve in learning_curves(rows)[0]] == [("pruned", -1), ("complete", 0)]


def test_the_best_cells_error_is_the_root_of_the_mean_mse_in_pixels():
    params = {"a": 1}
    rows = [
        with_curve(params, [(1, 0.01, 0.04), (2, 0.01, 0.01)]),
        with_curve(params, [(1, 0.03, 0.04), (2, 0.01, 0.01), (3, 0.01, 0.01)], seed=1),
    ]
    errors = best_errors(rows, rows[0].cell)
    assert [error[0] for error in errors] == [1, 2]
    assert errors[0][1:] == (pytest.approx(48 * math.sqrt(0.02)), pytest.approx(48 * 0.2))


def test_a_study_without_curves_says_so():
    drawing = draw_learning_curves([row({"a": 1}, score=None, state="failed", reason="crash")], Marks(100.0))
    assert not drawing.panels and drawing.notes
