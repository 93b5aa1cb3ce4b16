"""What every plot of the table must bear, whatever the rows."""

import json
import math

import pytest

from kpbench.cell import RunResult
from kpbench.plots.colours import COLOURS
from kpbench.plots.drawing import Drawing, Marks
from kpbench.plots.search.plots import PLOTS
from tests.study_rows import FLOOR, grid_rows, row, tuned_rows

HOSTILE = "</script><b onclick=x>&日本語 𝔘 %{y} \u2028"

ROWS = {
    "none": [],
    "one": [row({"a": 1})],
    "many": tuned_rows(150),
    "grid": grid_rows(seeds=2),
    "no complete row": [
        row({"a": 1}, state="failed", score=None, reason="oom"),
        row({"a": 2}, state="pruned", score=9.0, epochs=2),
    ],
    "only final runs": [row({"a": 1}, trial=None, score=9.0, test=10.0)],
    "finals failed": [row({"a": 1}), row({"a": 1}, trial=None, score=None, state="failed", reason="nan")],
    "failed and pruned": [
        row({"a": 1}),
        row({"a": 2}, state="failed", score=None, reason="nan"),
        row({"a": 3}, state="pruned", score=None, epochs=0),
    ],
    "not numbers": [row({"a": at}, score=score) for at, score in enumerate([math.nan, math.inf, 0.0, None, 50.0])],
    "all infinite": [row({"a": at}, score=math.inf) for at in range(3)],
    "all equal": [row({"a": at}, score=77.0) for at in range(12)],
    "span of 18 decades": [row({"a": at}, score=10.0 ** (at - 9)) for at in range(19)],
    "one epoch": [row({"a": at}, epochs=1) for at in range(3)],
    "unicode": [row({HOSTILE: f"{HOSTILE}{at}", "x" * 200: "y" * 300 if at else True}) for at in range(3)],
    "conditional": [row({"a": 1, "rate": 0.1 * at}) for at in range(12)] + [row({"a": 1}), row({"a": 2})],
    "mixed types": [row({"a": value}) for value in (1, 1.5, True, "1", "none")],
    "a range with one place": [row({"a": 1e-12 * at, "b": -at}) for at in range(20)],
}

MARKS = {
    "plain": Marks(100.0),
    "floors": Marks(100.0, FLOOR, chosen="ffffffffffff"),
    "several objectives": Marks(
        100.0, objectives=("score", "params", "latency"), most={"params": 4_999_999, "latency": 1e-9}
    ),
    "odd floors": Marks(100.0, {"x": {"val": math.nan, "test": math.inf}, "y": {}, HOSTILE: {"val": 0.0}}),
}


@pytest.fixture(params=list(PLOTS))
def plot(request):
    return PLOTS[request.param]


@pytest.mark.parametrize("marks", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_plot_draws_or_says_why_not(plot, rows: list[RunResult], marks: Marks):
    drawing = plot(rows, marks)
    assert isinstance(drawing, Drawing)
    assert drawing.panels or drawing.notes
    for panel in drawing.panels:
        assert panel.alt.strip()
        assert 80 <= panel.figure.layout.height <= 3000
        text = json.dumps(panel.figure.to_plotly_json()["data"], allow_nan=False)
        assert json.dumps(panel.figure.to_plotly_json()["layout"], allow_nan=False)
        assert "<b on" not in text and "</script" not in text
        assert any(len(trace.x or ()) for trace in panel.figure.data)
        assert all(len({len(line) for line in panel.levels}) == 1 for _ in panel.levels[:1])
    for key in drawing.key + tuple(key for panel in drawing.panels for key in panel.key):
        assert key.colour in COLOURS


def test_a_plot_does_not_change_with_the_order_of_its_cells(plot):
    rows = tuned_rows(60)
    one, other = (
        [(panel.title, panel.alt, panel.levels, panel.figure.layout.height) for panel in plot(found, marks).panels]
        for marks in [Marks(100.0)]
        for found in (rows, rows[::-1])
    )
    assert one == other


@pytest.fixture(scope="module")
def large():
    return tuned_rows(3000)


def test_a_large_study_stays_small(plot, large):
    drawing = plot(large, Marks(100.0, FLOOR))
    size = sum(len(json.dumps(panel.figure.to_plotly_json()["data"])) for panel in drawing.panels)
    assert size < 400_000


def test_every_plot_has_a_name_that_can_stand_in_a_template():
    assert all(name.isidentifier() for name in PLOTS)


@pytest.mark.parametrize("name", [name for name in PLOTS if name not in ("pareto", "timeline")])
def test_one_outlying_run_squeezes_no_axis_of_scores_and_is_told(name):
    rows = [row({"a": at}, score=150.0 + at, trial=at) for at in range(12)]
    worst = row({"a": 12}, score=0.5, trial=12)
    plain, squeezed = (PLOTS[name](found, Marks(100.0, FLOOR, train_faces=10)) for found in (rows, [*rows, worst]))
    assert not any("beyond" in note for note in plain.notes)
    (told,) = [note for note in squeezed.notes if "beyond the axis" in note]
    assert told.startswith("1 run beyond the axis, below ")
    if name != "parallel_coordinates":  # whose axis is drawn by hand
        ends = [
            axis.range for drawing in (plain, squeezed) for axis in (drawing.panels[0].figure.layout.xaxis,
            drawing.panels[0].figure.layout.yaxis) if axis.title.text and "score" in axis.title.text
        ]  # fmt: skip
        assert len(ends) == 2 and ends[0] == ends[1]
