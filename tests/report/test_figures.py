"""Figures and tables of every kind of report by their names."""

from functools import cache
from pathlib import Path

import plotly.graph_objects as go
import pytest

import kpbench
from kpbench.errors import UsageError
from kpbench.plots.ablation.plots import ABLATION_PLOTS
from kpbench.plots.search.plots import PLOTS
from kpbench.report import figures
from kpbench.report.ablation.page_tables import ABLATION_TABLES
from kpbench.report.figures import drawing_of, figure, tables_of
from kpbench.report.search.page_tables import SEARCH_TABLES
from kpbench.report.table_texts import FORMATS


@pytest.fixture(autouse=True, scope="module")
def _analysed_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "analyse", cache(figures.analyse))
        yield


SEARCH, ABLATION = Path("reports/keypoint"), Path("reports/heads")


@pytest.mark.parametrize(
    ("study", "name"), [(SEARCH, name) for name in PLOTS] + [(ABLATION, name) for name in ABLATION_PLOTS]
)
def test_every_figure_of_a_report_by_its_name(study, name):
    drawing = drawing_of(study, name)
    if not drawing.panels:
        with pytest.raises(UsageError, match="there is nothing to draw: "):
            figure(study, name)
        return
    found = kpbench.figure(study, name, panel=len(drawing.panels))
    assert isinstance(found, go.Figure)
    drawn = [trace for trace in found.data if not trace.showlegend]
    assert len(drawn) == len(drawing.panels[-1].figure.data)


def test_a_study_by_name_and_a_verification():
    assert figure("keypoint", "leaderboard").layout.width == 720
    assert figure("verify-facial_keypoints", "ranks").data
    with pytest.raises(UsageError, match=r"unknown figure 'forest'.*effects, ranks, scores"):
        figure("verify-facial_keypoints", "forest")


@pytest.mark.parametrize(
    ("study", "name", "options", "message"),
    [
        (ABLATION, "forst", {}, "unknown figure 'forst'; did you mean 'forest'. Known: .*variance_shares"),
        (SEARCH, "forest", {}, "unknown figure 'forest'; known: best_so_far, leaderboard, learning_curves"),
        (SEARCH, "learning_curves", {"panel": 3}, "the figure has 2 panels, not 3"),
        ("no-such", "forest", {}, "no study 'no-such'"),
    ],
)
def test_what_is_not_there_is_named(study, name, options, message):
    with pytest.raises(UsageError, match=message):
        figure(study, name, **options)


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("study", [SEARCH, ABLATION])
def test_every_table_of_a_report_has_a_cell_under_each_heading(study, make):
    found = tables_of(study)
    assert found and set(found) <= set(SEARCH_TABLES if study == SEARCH else ABLATION_TABLES)
    for name, table in found.items():
        assert all(len(row) == len(table.columns) for row in table.rows), name
        text = make(name, table)
        assert len([line for line in text.splitlines() if line.startswith("|") or line.endswith(r"\\")]) == (
            len(table.rows) + (2 if text.startswith("#") else 1)
        )


def test_one_table_and_those_that_are_not_there():
    assert list(tables_of(ABLATION, "contrasts")) == ["contrasts"]
    board = tables_of(SEARCH, "leaderboard")["leaderboard"].records()
    assert [line["State"] for line in board] == ["complete"] * 5 + ["ridge on pixels", "pass mark", "mean face"]
    assert (board[0]["Sealed test"], board[0]["Cell"]) == ("661", "a4ae35a015fe")
    with pytest.raises(UsageError, match="unknown table 'contrast'; known: contrasts, means"):
        tables_of(ABLATION, "contrast")
    with pytest.raises(UsageError, match="table 'failures' of keypoint has no row"):
        tables_of(SEARCH, "failures")
