import pytest

from kpbench.errors import UsageError
from kpbench.statistics.blocks import block_table
from kpbench.statistics.plan import (
    PlannedContrast,
    averaged_over,
    contrast_weights,
    contrasts_with_baseline,
    interactions_with_baseline,
)

from .examples import rows_of

LEVELS = {"norm": ["none", "batch"], "dropout": ["none", "unit", "spatial"]}
BASELINE = {"norm": "none", "dropout": "none"}
CROSSED = block_table(rows_of(LEVELS, 2, lambda cell, block: 0.0), factors=["norm", "dropout"])
STAR = block_table(
    rows_of(LEVELS, 2, lambda cell, block: 0.0).query("norm == 'none' or dropout == 'none'"),
    factors=["norm", "dropout"],
)


def by_cell(table, weights):
    return {cell: weight for cell, weight in zip(table.cells, weights.tolist(), strict=True) if weight}


def test_a_marginal_effect_averages_over_the_other_factor():
    planned = PlannedContrast("norm", "batch", "none")
    third = pytest.approx(1 / 3)
    assert averaged_over(CROSSED, planned) == ("dropout",)
    assert by_cell(CROSSED, contrast_weights(CROSSED, planned)) == {
        **{("batch", level): third for level in LEVELS["dropout"]},
        **{("none", level): pytest.approx(-1 / 3) for level in LEVELS["dropout"]},
    }


def test_a_simple_effect_holds_the_other_factor():
    planned = PlannedContrast("norm", "batch", "none", at={"dropout": "unit"})
    assert averaged_over(CROSSED, planned) == ()
    assert by_cell(CROSSED, contrast_weights(CROSSED, planned)) == {("batch", "unit"): 1.0, ("none", "unit"): -1.0}


def test_an_interaction_is_a_difference_of_differences():
    planned = PlannedContrast("norm", "batch", "none", times=(PlannedContrast("dropout", "spatial", "none"),))
    assert by_cell(CROSSED, contrast_weights(CROSSED, planned)) == {
        ("batch", "spatial"): 1.0,
        ("none", "spatial"): -1.0,
        ("batch", "none"): -1.0,
        ("none", "none"): 1.0,
    }


def test_all_contrasts_against_the_baseline():
    family = contrasts_with_baseline(CROSSED, BASELINE, effect="marginal")
    assert [(c.factor, c.level, c.baseline, c.at) for c in family] == [
        ("norm", "batch", "none", {}),
        ("dropout", "unit", "none", {}),
        ("dropout", "spatial", "none", {}),
    ]
    simple = contrasts_with_baseline(CROSSED, BASELINE, effect="simple", factors=["dropout"])
    assert [(c.level, c.at) for c in simple] == [("unit", {"norm": "none"}), ("spatial", {"norm": "none"})]


def test_all_interactions():
    family = interactions_with_baseline(CROSSED, BASELINE)
    assert [[change.level for change in i.changes] for i in family] == [["batch", "unit"], ["batch", "spatial"]]


def test_a_star_has_simple_effects_only():
    simple = contrasts_with_baseline(STAR, BASELINE, effect="simple")
    assert [abs(contrast_weights(STAR, planned)).sum() for planned in simple] == [2.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="cross the factors fully"):
        contrast_weights(STAR, PlannedContrast("norm", "batch", "none"))


@pytest.mark.parametrize(
    ("planned", "message"),
    [
        (PlannedContrast("nrom", "batch", "none"), "did you mean 'norm'"),
        (PlannedContrast("norm", "bacth", "none"), "did you mean 'batch'"),
        (PlannedContrast("norm", "batch", "nune"), "did you mean 'none'"),
        (PlannedContrast("norm", "batch", "none", at={"dropout": "unti"}), "did you mean 'unit'"),
    ],
)
def test_unknown_names_are_shown_with_the_nearest(planned, message):
    with pytest.raises(UsageError, match=message):
        contrast_weights(CROSSED, planned)


def test_a_level_is_not_its_own_baseline():
    with pytest.raises(ValueError, match="its own baseline"):
        contrast_weights(CROSSED, PlannedContrast("norm", "none", "none"))
    norm = PlannedContrast("norm", "batch", "none", times=(PlannedContrast("norm", "batch", "none"),))
    with pytest.raises(ValueError, match="interact with itself"):
        contrast_weights(CROSSED, norm)


def test_a_baseline_has_to_be_a_level_and_a_factor_to_have_two():
    with pytest.raises(UsageError, match="no baseline for the factor 'dropout'"):
        contrasts_with_baseline(CROSSED, {"norm": "none"}, effect="marginal")
    with pytest.raises(UsageError, match="unknown level 'group'"):
        contrasts_with_baseline(CROSSED, {**BASELINE, "norm": "group"}, effect="marginal")
    lone = block_table(rows_of({"norm": ["none"]}, 2, lambda cell, block: 0.0), factors=["norm"])
    with pytest.raises(UsageError, match="single level 'none'"):
        contrasts_with_baseline(lone, {"norm": "none"}, effect="simple")


def test_three_factors_interact_by_the_product_of_their_signs():
    levels = {**LEVELS, "depth": [2, 4]}
    table = block_table(rows_of(levels, 2, lambda cell, block: 0.0), factors=list(levels))
    others = (PlannedContrast("dropout", "spatial", "none"), PlannedContrast("depth", 4, 2))
    weights = by_cell(table, contrast_weights(table, PlannedContrast("norm", "batch", "none", times=others)))
    assert weights["batch", "spatial", 4] == weights["batch", "none", 2] == weights["none", "none", 4] == 1.0
    assert weights["none", "none", 2] == weights["batch", "none", 4] == weights["batch", "spatial", 2] == -1.0
    assert len(weights) == 8 and sum(weights.values()) == 0.0
