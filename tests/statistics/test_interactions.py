import math

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.blocks import block_table
from kpbench.statistics.contrasts import compare
from kpbench.statistics.plan import interactions_with_baseline

from .examples import rows_of

LEVELS = {"norm": ["none", "batch"], "dropout": ["none", "unit", "spatial"]}
BASELINE = {"norm": "none", "dropout": "none"}


def study(*, blocks=8, noise=0.02, together=0.3, seed=0):
    rng = np.random.default_rng(seed)

    def log_mse(cell, block):
        both = together * (cell["norm"] == "batch" and cell["dropout"] == "unit")
        return math.sin(3.0 * block) - 0.2 * (cell["norm"] == "batch") + both + rng.normal(0, noise)

    return rows_of(LEVELS, blocks, log_mse)


def test_a_planted_interaction_is_found_and_its_neighbour_is_not():
    rows = study()
    table = block_table(rows, factors=["norm", "dropout"])
    unit, spatial = compare(table, interactions_with_baseline(table, BASELINE))
    assert (unit.word, unit.verdict.size) == ("present", "beyond")
    assert unit.ratio == pytest.approx(math.exp(0.3), rel=0.05)
    assert spatial.word in ("negligible", "undecided")
    y = {cell: np.log(part.sort_values("block").mse.to_numpy()) for cell, part in rows.groupby(["norm", "dropout"])}
    first = y["batch", "unit"] - y["none", "unit"]
    second = y["batch", "none"] - y["none", "none"]
    assert unit.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert unit.p_adjusted == pytest.approx(2 * unit.p)
    assert unit.estimate.d_z == pytest.approx((first - second).mean() / (first - second).std(ddof=1))


def test_without_noise_nothing_is_left_of_no_interaction():
    table = block_table(study(noise=0.0, together=0.0), factors=["norm", "dropout"])
    found = compare(table, interactions_with_baseline(table, BASELINE))
    assert [interaction.ratio for interaction in found] == pytest.approx([1.0, 1.0])
    assert [interaction.word for interaction in found] == ["negligible", "negligible"]


@pytest.mark.parametrize(("blocks", "planned", "word"), [(3, 3, "withheld"), (1, 1, "withheld"), (6, 8, "incomplete")])
def test_no_verdict(blocks, planned, word):
    table = block_table(study(blocks=blocks), factors=["norm", "dropout"], blocks=range(planned))
    assert {found.word for found in compare(table, interactions_with_baseline(table, BASELINE))} == {word}
