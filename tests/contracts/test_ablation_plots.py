"""What every plot of an ablation must bear, whatever the study."""

import json
from dataclasses import replace

import pytest

from kpbench.plots.ablation.plots import ABLATION_PLOTS
from kpbench.plots.colours import COLOURS
from kpbench.plots.drawing import Drawing
from tests.ablation_rows import CROSSED, analysis

HOSTILE = "</script><b onclick=x>&日本語 𝔘 %{y} \u2028"

STUDIES = {
    "one factor": {},
    "one at a time": {"factors": CROSSED},
    "crossed": {"factors": CROSSED, "crossed": True},
    "crossed, one asked": {"factors": CROSSED, "crossed": True, "asked": ["network.norm"]},
    "three factors": {"factors": {**CROSSED, "network.depth": (2, 3)}, "crossed": True, "seeds": 5},
    "seven levels": {"factors": {"training.lr": tuple(10.0**-at for at in range(1, 8))}},
    "two seeds": {"seeds": 2},
    "no run": {"runs": 0},
    "one run": {"runs": 1},
    "cut": {"factors": CROSSED, "crossed": True, "runs": 31},
    "no whole cell": {"missing": [(0, block) for block in range(8)]},
    "diverged": {"diverged": [(0, 0), (1, 0), (2, 3)]},
    "all diverged": {"diverged": [(cell, block) for cell in range(3) for block in range(8)]},
    "no floor, no control": {"floor": False, "control": False},
    "no noise": {"noise": 0.0},
    "old rows": {"details": False},
    "crashed": {"crashed": [(1, 1), (0, 2)]},
    "unicode": {"factors": {HOSTILE: ("a", HOSTILE, "x" * 300), "y" * 200: (True, False)}, "crossed": True},
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablations")
    return {name: analysis(folder / str(at), **options) for at, (name, options) in enumerate(STUDIES.items())}


@pytest.fixture(params=list(ABLATION_PLOTS))
def plot(request):
    return ABLATION_PLOTS[request.param]


@pytest.mark.parametrize("name", STUDIES)
def test_a_plot_draws_or_says_why_not(plot, studies, name):
    drawing = plot(studies[name])
    assert isinstance(drawing, Drawing)
    assert drawing.panels or drawing.notes
    for panel in drawing.panels:
        assert panel.alt.strip()
        assert 80 <= panel.figure.layout.height <= 3000
        found = panel.figure.to_plotly_json()
        text = json.dumps([found["data"], found["layout"]], allow_nan=False)
        assert "<b on" not in text and "</script" not in text
        assert any(len(trace.x if trace.x is not None else ()) for trace in panel.figure.data)
        assert len({len(line) for line in panel.levels}) <= 1
    for key in drawing.key + tuple(key for panel in drawing.panels for key in panel.key):
        assert key.colour in COLOURS


def test_what_differs_in_colour_differs_in_shape_too(plot, studies):
    drawing = plot(studies["crossed"])
    for keys in (drawing.key, *(panel.key for panel in drawing.panels)):
        looks = [(key.mark, key.dash) for key in keys if key.mark != "square"]
        assert len(looks) == len(set(looks))


def test_a_plot_does_not_change_with_the_order_of_its_rows(plot, studies):
    found = studies["crossed"]
    turned = replace(found, rows=found.rows[::-1])
    one, other = ([(panel.title, panel.alt) for panel in plot(each).panels] for each in (found, turned))
    assert one == other


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "a"
    return analysis(folder, factors={**CROSSED, "network.depth": (2, 3, 4)}, crossed=True, seeds=16)


def test_a_large_study_stays_small(plot, large):
    size = sum(len(json.dumps(panel.figure.to_plotly_json()["data"])) for panel in plot(large).panels)
    assert size < 400_000


def test_every_plot_has_a_name_that_can_stand_in_a_template():
    assert all(name.isidentifier() for name in ABLATION_PLOTS)


@pytest.mark.parametrize("name", ["seeds_by_level", "score_profile", "paired_slopes"])
def test_one_outlying_run_squeezes_no_axis_of_scores_and_is_told(studies, name):
    found = studies["one factor"]
    mse = found.table.mse.copy()
    mse[0, 0] = 5.0
    worse = replace(found, table=replace(found.table, mse=mse))
    assert not any("beyond" in note for note in ABLATION_PLOTS[name](found).notes)
    (told,) = [note for note in ABLATION_PLOTS[name](worse).notes if "beyond the axis" in note]
    assert told.startswith("2 lines " if name == "paired_slopes" else "1 run ")  # of both contrasts with the baseline
