import math

import pytest

from kpbench.cell import cell_id
from kpbench.plots.drawing import Marks
from kpbench.plots.search.leaderboard import draw_leaderboard, leaderboard_lines
from tests.study_rows import FLOOR, row


def cells(count):
    return [row({"a": value}, trial=value, score=50.0 + value) for value in range(count)]


def test_floors_stand_where_their_validation_score_belongs():
    labels = [line.label for line in leaderboard_lines(cells(40), Marks(100.0, FLOOR), top=30)]
    assert labels[:2] == ["ridge on pixels", "#1 a 39"]
    assert labels.index("mean face") == labels.index("#15 a 25") + 1
    rows = [row({"a": 1}, score=80.0), row({"a": 2}, score=120.0)]
    assert [line.label for line in leaderboard_lines(rows, Marks(100.0, FLOOR))] == [
        "#1 a 2",
        "ridge on pixels",
        "#2 a 1",
        "mean face",
    ]


def test_only_the_leading_cells_are_listed_and_those_trained_again():
    rows = [*cells(60), row({"a": 3}, seed=9, trial=None, score=70.0, test=75.0)]
    lines = leaderboard_lines(rows, Marks(100.0), top=10)
    assert [line.place for line in lines] == [*range(1, 11), 57]
    assert lines[-1].scores["fresh"] == pytest.approx(70.0)
    assert lines[-1].scores["test"] == pytest.approx(75.0)


def test_the_chosen_cell_is_listed_however_low():
    marks = Marks(100.0, chosen=cell_id({"a": 0}))
    assert leaderboard_lines(cells(60), marks, top=5)[-1].place == 60


def test_cells_without_a_score_are_not_listed():
    rows = [row({"a": 1}, score=5.0), row({"a": 2}, score=math.nan), row({"a": 3}, state="pruned", score=9.0)]
    assert [line.place for line in leaderboard_lines(rows, Marks(100.0))] == [1]


def test_an_interval_that_leaves_the_axis_is_told():
    fresh = [row({"a": 3}, seed=seed, trial=None, score=120.0, test=test) for seed, test in ((1, 114.0), (2, 131.0))]
    assert (
        "The interval of #1 goes on beyond the axis: 50.5 to 296."
        in draw_leaderboard([*cells(4), *fresh], Marks(100.0)).notes
    )


def test_an_infinite_score_is_named_not_drawn():
    drawing = draw_leaderboard([row({"a": 1}, score=math.inf), row({"a": 2}, score=5.0)], Marks(100.0))
    assert any("infinite" in note for note in drawing.notes)
    drawn = [x for trace in drawing.panels[0].figure.data for x in trace.x if x is not None]
    assert 5.0 in drawn and all(map(math.isfinite, drawn))
