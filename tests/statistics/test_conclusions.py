import math

import numpy as np
import pytest

from kpbench.statistics.blocks import block_table
from kpbench.statistics.conclusions import conclude, conclude_interactions, effect_label
from kpbench.statistics.contrasts import compare
from kpbench.statistics.interactions import interact
from kpbench.statistics.plan import PlannedContrast, contrasts_with_baseline, interactions_with_baseline

from .examples import one_factor, rows_of

LEVELS = {"norm": ["none", "batch"], "dropout": ["none", "spatial"]}
BASELINE = {"norm": "none", "dropout": "none"}


def spread(shift, sd, *, n=8):
    """Differences with exactly this mean and standard deviation."""
    values = np.arange(n) - (n - 1) / 2
    return shift + sd * values / values.std(ddof=1)


def sentence(shift, sd, *, n=8, **arguments):
    found = compare(one_factor(none=np.zeros(n), unit=spread(shift, sd, n=n)), [PlannedContrast("arm", "unit", "none")])
    return conclude(found, **arguments)


@pytest.mark.parametrize(
    ("shift", "sd", "words"),
    [
        (-0.2, 0.02, "better, the MSE is lower by more than the 5 % that count"),
        (-0.02, 0.01, "better, the MSE is lower but by less than the 5 % that count"),
        (-0.06, 0.04, "better, the MSE is lower by an amount that may lie below or above the 5 %"),
        (0.2, 0.02, "worse, the MSE is higher by more than"),
        (0.0, 0.02, "equivalent within 5 % of MSE"),
        (-0.06, 0.2, "undecided at 8 seeds"),
    ],
)
def test_each_verdict_in_words(shift, sd, words):
    text = sentence(shift, sd)
    assert words in text
    assert f"MSE ratio {math.exp(shift):.3g}, 95 % interval" in text
    assert "8 seeds" in text


def test_undecided_names_the_detectable_effect_and_claims_nothing():
    (found,) = compare(one_factor(none=np.zeros(8), unit=spread(-0.06, 0.2)), [PlannedContrast("arm", "unit", "none")])
    text = conclude([found])
    assert f"with 80 % power it would find a true change of MSE by {found.evidence.detectable:.2g} %" in text
    for claim in ("better", "worse", "lower", "higher", "equivalent", "trend", "significan", "no effect"):
        assert claim not in text


def test_no_verdict_no_claim():
    assert sentence(-0.5, 0.01, n=3) == (
        "arm unit against none: verdict withheld, 3 seeds of the 5 that a verdict needs "
        "(MSE ratio 0.607, for orientation only)."
    )
    rows = rows_of({"arm": ["none", "unit"]}, 6, lambda cell, block: -1.0 * (cell["arm"] == "unit"))
    found = compare(block_table(rows, factors=["arm"], blocks=range(8)), [PlannedContrast("arm", "unit", "none")])
    assert conclude(found) == (
        "arm unit against none: incomplete, 6 of 8 planned seeds have run for every cell it needs, "
        "so there is no verdict."
    )


def test_every_planned_contrast_has_its_sentence():
    rng = np.random.default_rng(0)
    table = one_factor(**{name: rng.normal(size=8) for name in "abcd"})
    text = conclude(compare(table, [PlannedContrast("arm", name, "a") for name in "bcd"]))
    for name in "bcd":
        assert f"arm {name} against a: " in text
    assert text.count("by Holm over 3") == 3
    assert conclude(()) == "No contrast was planned."


def test_the_printed_digits_stay_on_their_side():
    # The interval ends at 0.99998: rounded to 1 it would contradict the verdict.
    half = 0.02 * 2.364624 / math.sqrt(8)
    text = sentence(-half - 2e-5, 0.02)
    assert "better" in text
    assert "to 0.99998," in text
    p = float(text.split("p = ")[1].split(",")[0])
    assert p < 0.05


def test_marginal_and_simple_effects_are_labelled():
    table = block_table(rows_of(LEVELS, 5, lambda cell, block: 0.1 * block), factors=["norm", "dropout"])
    marginal, _ = compare(table, contrasts_with_baseline(table, BASELINE, effect="marginal"))
    simple, _ = compare(table, contrasts_with_baseline(table, BASELINE, effect="simple"))
    assert effect_label(marginal) == "averaged over dropout"
    assert effect_label(simple) == "at dropout = none"
    assert "norm batch against none (at dropout = none): equivalent" in conclude([simple])


def test_failures_are_told():
    rows = rows_of({"arm": ["none", "unit"]}, 8, lambda cell, block: -0.3 * (cell["arm"] == "unit") + 0.01 * block)
    rows.loc[(rows.arm == "unit") & (rows.block < 2), "mse"] = math.nan
    found = compare(block_table(rows, factors=["arm"], failed_mse=4.0), [PlannedContrast("arm", "unit", "none")])
    text = conclude(found)
    assert (
        "arm unit: 2 failed runs, MSE ratio 0.741 without those seeds, where the interval says something else" in text
    )
    rows.loc[rows.arm == "unit", "mse"] = math.nan
    found = compare(block_table(rows, factors=["arm"], failed_mse=4.0), [PlannedContrast("arm", "unit", "none")])
    assert "8 failed runs, no seed is left without them" in conclude(found)


@pytest.mark.parametrize(
    ("together", "noise", "blocks", "words"),
    [
        (-0.3, 0.01, 8, "they interact, the MSE of both together is lower than their separate effects multiply to ("),
        (0.3, 0.01, 8, "is higher than"),
        (0.02, 0.002, 8, "multiply to, by less than 5 % ("),
        (0.0, 0.005, 8, "no interaction as large as 5 %"),
        (0.0, 0.5, 8, "undecided at 8 seeds"),
        (0.0, 0.1, 3, "verdict withheld, 3 seeds of the 5"),
        (0.0, 0.1, 1, "verdict withheld, 1 seed of the 5"),
    ],
)
def test_interactions_in_words(together, noise, blocks, words):
    rng = np.random.default_rng(0)

    def log_mse(cell, block):
        both = cell["norm"] == "batch" and cell["dropout"] == "spatial"
        return block + together * both + rng.normal(0, noise)

    table = block_table(rows_of(LEVELS, blocks, log_mse), factors=["norm", "dropout"])
    text = conclude_interactions(interact(table, interactions_with_baseline(table, BASELINE)))
    assert text.startswith("norm batch against none, at dropout spatial compared with none: ")
    assert words in text


def test_interactions_not_finished_or_not_planned():
    table = block_table(rows_of(LEVELS, 5, lambda cell, block: block), factors=["norm", "dropout"], blocks=range(8))
    assert "incomplete, 5 of 8 planned seeds" in conclude_interactions(
        interact(table, interactions_with_baseline(table, BASELINE))
    )
    assert conclude_interactions(()) == "No interaction was planned."
