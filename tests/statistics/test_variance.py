import itertools

import numpy as np
import pandas as pd
import pytest

from kpbench.statistics.blocks import block_table
from kpbench.statistics.variance import variance_terms

from .examples import GRAFTS, rows_of


def test_montgomerys_vascular_grafts():
    rows = rows_of({"pressure": [8500, 8700, 8900, 9100]}, 6, lambda cell, block: 0.0)
    rows["mse"] = [np.exp(GRAFTS[(row.pressure - 8500) // 200, row.block]) for row in rows.itertuples()]
    treatment, block, residual = variance_terms(block_table(rows, factors=["pressure"]))
    assert [term.df for term in (treatment, block, residual)] == [3, 5, 15]
    shares = [term.share for term in (treatment, block, residual)]
    assert shares == pytest.approx([178.17 / 480.31, 192.25 / 480.31, 109.89 / 480.31], abs=1e-4)
    assert residual.noise_share == pytest.approx(residual.share)
    assert treatment.noise_share == pytest.approx(3 * 7.33 / 480.31, abs=1e-3)


def test_a_three_way_factorial_by_hand():
    """A term's sum of squares: the cell means, centred along its own factors and averaged over the others."""
    rng = np.random.default_rng(0)
    levels = {"a": ["x", "y"], "b": [1, 2, 3], "c": [True, False]}
    rows = rows_of(levels, 5, lambda cell, block: block + rng.normal() + 0.5 * cell["b"] * (cell["a"] == "x"))
    terms = {term.factors or (term.kind,): term for term in variance_terms(block_table(rows, factors=list(levels)))}
    grid = np.log(rows.mse.to_numpy()).reshape(5, 2, 3, 2)
    total = np.sum((grid - grid.mean()) ** 2)
    for size in (1, 2, 3):
        for axes in itertools.combinations(range(3), size):
            effect = grid.mean(axis=0)
            for axis in range(3):
                mean = effect.mean(axis=axis, keepdims=True)
                effect = effect - mean if axis in axes else np.broadcast_to(mean, effect.shape)
            term = terms[tuple("abc"[axis] for axis in axes)]
            assert term.share == pytest.approx(5 * np.sum(effect**2) / total)
            assert term.df == np.prod([grid.shape[1 + axis] - 1 for axis in axes])
    assert (terms["block",].df, terms["residual",].df) == (4, 4 * 11)
    assert sum(term.share for term in terms.values()) == pytest.approx(1.0)
    assert terms["a", "b"].kind == "interaction"


def test_only_complete_blocks_count_and_a_lone_level_is_left_out():
    rng = np.random.default_rng(1)
    rows = rows_of({"a": ["x", "y"], "b": [1]}, 6, lambda cell, block: rng.normal())
    whole = rows[rows.block != 2]
    holed = rows.drop(index=rows[(rows.block == 2) & (rows.a == "x")].index)
    tables = [block_table(frame, factors=["a", "b"]) for frame in (whole, holed)]
    assert variance_terms(tables[0]) == variance_terms(tables[1])
    assert [term.factors for term in variance_terms(tables[0])] == [("a",), (), ()]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (rows_of({"a": ["x", "y"], "b": [1, 2]}, 3, lambda c, b: b).query("a == 'x' or b == 1"), "no full factorial"),
        (rows_of({"a": ["x"], "b": [1]}, 3, lambda c, b: b), "no full factorial"),
        (rows_of({"a": ["x", "y"], "b": [1, 2]}, 1, lambda c, b: c["b"]), "two complete blocks"),
        (rows_of({"a": ["x", "y"], "b": [1, 2]}, 3, lambda c, b: 0.0), "no variance"),
    ],
)
def test_what_is_refused(rows: pd.DataFrame, message):
    with pytest.raises(ValueError, match=message):
        variance_terms(block_table(rows, factors=["a", "b"]))
