"""The design of an ablation: factors found, levels and baselines checked, cells and blocks laid out."""

import pytest

from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.space.catalog import find
from kpbench.space.design import base_cell, blocks_of, factorial, find_factor, levels_of, refuse_same_cells, whole_cell
from kpbench.space.reading import read_space

DEFAULTS = known_parameters()
SMALL = read_space(find("search_spaces", "cnn_small"), DEFAULTS)
TUNE = read_space(find("search_spaces", "cnn_tune"), DEFAULTS)


def test_a_factor_is_found_by_its_last_part_or_whole_name():
    assert find_factor(SMALL, "dropout") == find_factor(SMALL, "network.dropout") == "network.dropout"
    assert find_factor(SMALL, "family") == "family"
    with pytest.raises(UsageError, match="did you mean 'dropout'"):
        find_factor(SMALL, "dropot")


def test_the_baseline_comes_first():
    assert levels_of(SMALL, "network.dropout", words=None, baseline=None) == ("none", "standard", "spatial")
    assert levels_of(SMALL, "network.depth", words=None, baseline=None) == (4, 2, 3, 5)
    assert levels_of(SMALL, "network.depth", words=None, baseline="2") == (2, 3, 4, 5)
    assert levels_of(SMALL, "network.norm", words=["spatial_batch"], baseline=None) == ("none", "spatial_batch")
    assert levels_of(TUNE, "training.lr", words=["0.001", "0.003"], baseline="0.003") == (0.003, 0.001)


@pytest.mark.parametrize(
    ("space", "name", "words", "baseline", "says"),
    [
        (SMALL, "network.norm", ["spatial_bach"], None, "did you mean 'spatial_batch'"),
        (SMALL, "network.norm", ["none"], None, "has one level"),
        (SMALL, "network.kernel", None, None, "has one level, 3"),
        (SMALL, "network.norm", None, "layer", "has no level 'layer'"),
        (SMALL, "network.norm", ["none", "batch"], "spatial_batch", "not among its levels"),
        (TUNE, "training.lr", None, None, "is a range; name its levels"),
        (TUNE, "training.lr", ["fast"], None, "'fast' is not a number"),
        (TUNE, "training.lr", ["5"], None, "outside"),
    ],
)
def test_levels_that_cannot_be_are_refused(space, name, words, baseline, says):
    with pytest.raises(UsageError, match=says):
        levels_of(space, name, words=words, baseline=baseline)


def test_one_factor_at_a_time_and_full_factorial():
    factors = {"a": (0, 1, 2), "b": ("x", "y")}
    assert factorial(factors, crossed=False) == (
        {"a": 0, "b": "x"}, {"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 0, "b": "y"},
    )  # fmt: skip
    crossed = factorial(factors, crossed=True)
    assert len(crossed) == 6
    assert crossed[0] == {"a": 0, "b": "x"}


def test_the_cohorts_share_no_seed():
    blocks, control = blocks_of(2, 32, control=True)
    assert len(set(blocks) | set(control)) == 64
    assert blocks[:2] == (21000, 21001)
    assert blocks_of(0, 3, control=False) == ((1000, 1001, 1002), ())
    blocks, control = blocks_of(0, 4000, control=True)
    assert len({*blocks, *control}) == 8000 and max(control) < blocks_of(1, 1, control=False)[0][0]
    with pytest.raises(UsageError, match="at most 4,000 seeds, got 4,001"):
        blocks_of(0, 4001, control=True)


def test_a_cell_is_the_baseline_with_its_levels():
    cell = whole_cell(SMALL, {"network.dropout": "spatial"})
    assert cell["network.depth"] == 4
    assert cell["network.norm"] == "none"
    assert cell["training.lr"] == 3e-3
    assert "training.lr" not in base_cell(TUNE)  # a range without a baseline is left to its default


def test_a_level_without_effect_is_refused():
    with pytest.raises(UsageError, match="means nothing at this baseline"):
        whole_cell(TUNE, {"network.dropout_rate": 0.2})
    assert whole_cell(TUNE, {"network.dropout_rate": 0.2, "network.dropout": "spatial"})["network.dropout_rate"] == 0.2
    with pytest.raises(UsageError, match="only 1 of 2"):
        refuse_same_cells([{"a": 1}, {"a": 1}])
