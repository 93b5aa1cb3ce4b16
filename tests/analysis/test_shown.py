"""What has no part in a cell is in no listing, table, plot or frame; rows and identities stay as they are stored."""

import json

import pytest

from kpbench.analysis.rows import read_rows
from kpbench.analysis.shown import Shown, for_reading
from kpbench.cell import RunResult
from kpbench.plots.factors import varying
from kpbench.space.reading import parameters_in
from kpbench.space.space import with_part
from kpbench.store.files import ROWS, as_line, read_lines
from kpbench.store.plan import read_plan
from tests.study_rows import row

SPACE = """
family = "cnn"
[network]
dropout = ["none", "standard", "spatial"]
dropout_rate = { low = 0.02, high = 0.5, when = { "network.dropout" = ["standard", "spatial"] } }
"""


def cells():
    return [
        row({"family": "cnn", "network.dropout": kind, "network.dropout_rate": rate}, trial=at)
        for at, (kind, rate) in enumerate([("none", 0.1), ("standard", 0.3), ("spatial", 0.2)])
    ]


def test_rows_for_reading_keep_their_identity():
    stored = cells()
    shown = for_reading(stored, parameters_in(SPACE))
    assert [one.cell for one in shown] == [one.cell for one in stored]
    assert [one.params.get("network.dropout_rate") for one in shown] == [None, 0.3, 0.2]
    assert stored[0].params["network.dropout_rate"] == 0.1
    rate = next(factor for factor in varying(shown) if factor.name == "network.dropout_rate")
    assert rate.levels == (0.2, 0.3, None)


def test_a_published_search_is_read_so_too():
    """Its space gives dropout's rate a condition; its rows hold the rate of every cell, as their identity does."""
    from tests.test_published import SEARCH

    plan, stored = read_plan(SEARCH), read_lines(SEARCH / ROWS, RunResult)
    frame = read_rows(SEARCH)
    without = frame["network.dropout"] == "none"
    assert without.any() and frame.loc[without, "network.dropout_rate"].isna().all()
    assert all("network.dropout_rate" in one.params for one in stored)
    assert list(frame["cell"]) == [one.cell for one in stored]
    parameters = parameters_in(plan.space_text)
    assert [row.params for row in for_reading(stored, parameters)] == [
        with_part(row.params, parameters) for row in stored
    ]
    shown = Shown.of(plan).of_cell(next(one.params for one in stored if one.params["network.dropout"] == "none"))
    assert "network.dropout_rate" not in shown and "network.dropout" in shown


@pytest.mark.parametrize("broken", ["", "family = 3", "x = ["])
def test_a_space_that_cannot_be_read_hides_nothing_of_its_own(broken):
    shown = for_reading(cells(), parameters_in(broken))
    assert json.loads(as_line(shown[1]))["params"]["network.dropout_rate"] == 0.3
