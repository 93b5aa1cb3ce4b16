from dataclasses import replace

from kpbench.plots.drawing import Marks
from kpbench.plots.search.size import draw_size
from tests.study_rows import grid_rows


def test_parameters_are_drawn_with_the_limit_and_latency_where_it_was_measured():
    marks = Marks(100.0, most={"params": 300_000})
    drawing = draw_size(grid_rows(), marks)
    assert [panel.title for panel in drawing.panels] == ["Score and parameters"]
    assert "at most 300,000" in drawing.panels[0].key[0].label
    timed = [replace(row, costs={"latency": 2.0 + row.seed % 3}) for row in grid_rows()]
    assert [panel.title for panel in draw_size(timed, marks).panels] == [
        "Score and parameters",
        "Score and latency of one face",
    ]
    assert not draw_size(grid_rows(), Marks(objectives=("score", "params"))).panels
    assert draw_size([], marks).notes == ("No run has told its size yet.",)
