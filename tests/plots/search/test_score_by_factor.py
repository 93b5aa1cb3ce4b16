import math

import pytest

from kpbench.plots.drawing import Marks
from kpbench.plots.factors import trials_of, varying
from kpbench.plots.search.score_by_factor import by_level, draw_score_by_factor
from tests.study_rows import FLOOR, row, tuned_rows


def test_levels_hold_the_geometric_mean_of_complete_runs_and_count_the_others():
    rows = [row({"norm": "none"}, score=50.0), row({"norm": "none"}, score=200.0)]
    rows += [row({"norm": "none"}, score=900.0, state="pruned"), row({"norm": "none"}, score=math.nan)]
    rows += [row({"norm": "batch"}, score=None, state="failed", reason="nan")]
    none, batch = by_level(rows, varying(rows)[0])
    assert (none.name, none.mean, none.best) == ("none", pytest.approx(100.0), 200.0)
    assert (none.complete, none.pruned, none.failed) == (2, 1, 1)
    assert math.isnan(batch.mean) and (batch.complete, batch.failed) == (0, 1)


def test_an_infinite_score_makes_its_levels_mean_infinite():
    rows = [row({"a": 1}, score=math.inf), row({"a": 1}, score=5.0), row({"a": 2}, score=5.0)]
    assert [level.mean for level in by_level(rows, varying(rows)[0])] == [math.inf, pytest.approx(5.0)]


def test_final_runs_are_in_no_mean():
    rows = [row({"a": 1}, score=10.0), row({"a": 2}, score=10.0), row({"a": 2}, trial=None, score=500.0)]
    rows = trials_of(rows)
    assert [level.mean for level in by_level(rows, varying(rows)[0])] == [pytest.approx(10.0)] * 2


def test_a_range_is_cut_into_equal_parts_of_its_axis_and_loses_no_run():
    rows = [row({"lr": 10.0**-power}, score=100.0) for power in range(1, 12)] + [row({"other": 1}, score=7.0)]
    factor = next(factor for factor in varying(rows) if factor.name == "lr")
    levels = by_level(rows, factor)
    assert [level.complete for level in levels] == [2, 2, 2, 2, 3, 1]
    assert levels[0].place == pytest.approx(1e-10)
    assert (levels[-1].name, levels[-1].mean) == ("absent", pytest.approx(7.0))
    assert math.isnan(levels[-1].place)


def test_every_run_has_a_point_while_there_are_not_too_many():
    rows = tuned_rows(300)
    drawing = draw_score_by_factor(rows, Marks(100.0, FLOOR))
    depth = next(panel for panel in drawing.panels if panel.title == "depth")
    points = [trace for trace in depth.figure.data if trace.mode == "markers" and trace.text is not None]
    scored = sum(found.role == "trial" and found.state != "failed" for found in rows)
    assert sum(len(trace.x) for trace in points) == scored


def test_too_many_runs_are_thinned_and_the_page_says_so():
    rows = [row({"a": value % 2}, trial=value, score=50.0 + value) for value in range(1500)]
    drawing = draw_score_by_factor(rows, Marks(100.0))
    assert any("1,200 of 1,500" in note for note in drawing.notes)


def test_all_panels_share_one_score_axis():
    drawing = draw_score_by_factor(tuned_rows(100), Marks(100.0))
    assert len(drawing.panels) > 4
    assert len({tuple(panel.figure.layout.xaxis.range) for panel in drawing.panels}) == 1
