import numpy as np
import pandas as pd
import pytest

from kpbench.errors import UsageError
from kpbench.statistics.blocks import block_table, complete_blocks, survivors


def rows(*runs):
    return pd.DataFrame(runs, columns=["norm", "depth", "block", "mse"])


TWO = rows(("none", 2, 0, 0.4), ("batch", 2, 0, 0.3), ("batch", 2, 1, 0.1), ("none", 2, 1, 0.2))


def test_each_run_lands_in_its_cell_and_block():
    table = block_table(TWO, factors=["norm", "depth"])
    assert table.cells == (("none", 2), ("batch", 2))
    assert table.blocks == (0, 1)
    assert table.mse.tolist() == [[0.4, 0.2], [0.3, 0.1]]
    assert not table.failed.any()
    assert table.levels("norm") == ("none", "batch")


def test_the_order_of_the_rows_does_not_matter():
    shuffled = block_table(TWO.iloc[::-1], factors=["norm", "depth"])
    assert dict(zip(shuffled.cells, shuffled.mse.tolist(), strict=True)) == {
        ("none", 2): [0.4, 0.2],
        ("batch", 2): [0.3, 0.1],
    }


@pytest.mark.parametrize("mse", [float("nan"), float("inf")])
def test_a_failed_run_counts_with_the_constant_predictor(mse):
    frame = rows(("none", 2, 0, 0.4), ("batch", 2, 0, mse))
    table = block_table(frame, factors=["norm"], failed_mse=0.9)
    assert table.mse.tolist() == [[0.4], [0.9]]
    assert table.failed.tolist() == [[False], [True]]
    assert np.isnan(survivors(table).mse[1, 0])
    assert survivors(table).mse[0, 0] == 0.4
    for missing in (None, 0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="failed_mse"):
            block_table(frame, factors=["norm"], failed_mse=missing)


def test_what_the_plan_holds_and_the_rows_do_not_is_missing():
    cells = [{"norm": norm, "depth": 2} for norm in ("none", "batch", "layer")]
    table = block_table(TWO, factors=["norm", "depth"], cells=cells, blocks=[0, 1, 2])
    assert table.mse.shape == (3, 3)
    assert np.isnan(table.mse[:, 2]).all()
    assert np.isnan(table.mse[2]).all()
    assert complete_blocks(table).shape == (3, 0)
    assert complete_blocks(block_table(TWO, factors=["norm", "depth"], blocks=[0, 1, 2])).shape == (2, 2)


def test_levels_are_plain_values():
    frame = pd.DataFrame({"on": [True, False], "rate": [0.1, 0.2], "depth": [1, 2], "block": [0, 0], "mse": [1.0, 2.0]})
    table = block_table(frame, factors=["on", "rate", "depth"])
    assert [type(level) for level in table.cells[0]] == [bool, float, int]


def test_the_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        block_table(TWO, factors=["norm"]).mse[0, 0] = 1.0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (TWO.drop(columns="mse"), "mse"),
        (rows(("none", 2, 0, 0.4), ("none", 2, 0, 0.3)), "two rows"),
        (rows(("none", 2, 0, 0.0)), "not positive"),
        (rows(("none", 2, 0, -1.0)), "not positive"),
        (rows((None, 2, 0, 0.4)), "a level must be"),
        (rows(("none", float("nan"), 0, 0.4)), "a level must be"),
    ],
)
def test_what_is_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        block_table(frame, factors=["norm", "depth"])


def test_rows_outside_the_plan_are_refused():
    with pytest.raises(ValueError, match="not in the plan"):
        block_table(TWO, factors=["norm"], blocks=[0])
    with pytest.raises(ValueError, match="not in the plan"):
        block_table(TWO, factors=["norm"], cells=[{"norm": "none"}])
    with pytest.raises(ValueError, match="does not name every factor"):
        block_table(TWO, factors=["norm", "depth"], cells=[{"norm": "none"}])
    with pytest.raises(ValueError, match="at least one factor"):
        block_table(TWO, factors=[])


def test_an_unknown_factor_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'norm'"):
        block_table(TWO, factors=["norm"]).levels("nrom")
