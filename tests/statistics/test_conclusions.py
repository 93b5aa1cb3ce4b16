import math

import numpy as np
import pytest

from kpbench.statistics.blocks import block_table
from kpbench.statistics.conclusions import conclude, conclude_interactions, effect_label
from kpbench.statistics.contrasts import compare
from kpbench.statistics.interactions import interact
from kpbench.statistics.plan import PlannedContrast, contrasts_with_baseline, interactions_with_baseline
from kpbench.statistics.words import short_names

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
        (-0.2, 0.02, "better, the MSE is lower by more than the 5 % of interest"),
        (-0.02, 0.01, "better, the MSE is lower but by less than the 5 % of interest"),
        (-0.06, 0.04, "better, the MSE is lower by an amount that may lie below or above the 5 %"),
        (0.2, 0.02, "worse, the MSE is higher by more than"),
        (0.0, 0.02, "Equivalent within 5 % of MSE: arm unit against none"),
        (-0.06, 0.2, "Undecided: arm unit against none"),
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
        "Verdict withheld, 3 seeds of the 5 that a verdict needs: arm unit against none "
        "(MSE ratio 0.607, for orientation only)."
    )
    rows = rows_of({"arm": ["none", "unit"]}, 6, lambda cell, block: -1.0 * (cell["arm"] == "unit"))
    found = compare(block_table(rows, factors=["arm"], blocks=range(8)), [PlannedContrast("arm", "unit", "none")])
    assert conclude(found) == ("Incomplete with 6 of 8 planned seeds, so there is no verdict: arm unit against none.")


def test_every_planned_contrast_is_named_and_what_they_share_is_said_once():
    rng = np.random.default_rng(0)
    arms = {name: rng.normal(size=8) for name in "abcd"} | {"e": np.full(8, -5.0), "f": np.full(8, 5.0)}
    found = compare(one_factor(**arms), [PlannedContrast("arm", name, "a") for name in "bcdef"])
    text = conclude(found)
    for name in "bcdef":
        assert text.count(f"arm {name} against a") == 1
    assert text.startswith("MSE of each level over the baseline's over 8 seeds; below 1 is better, p adjusted by Holm")
    assert text.count("by Holm over 5") == text.count("over 8 seeds") == 1
    open_ones = [one for one in found if one.verdict.word == "undecided"]
    assert [one.level for one in open_ones] == ["c", "d"]
    changes = [one.evidence.detectable for one in open_ones]
    assert f"they would find a true change of MSE by {min(changes):.2g} to {max(changes):.2g} %." in text
    ci = open_ones[0].evidence.ci
    assert f"arm c against a ({open_ones[0].ratio:.3g}, {ci.low:.3g} to {ci.high:.3g}, " in text
    assert conclude(()) == "No contrast was planned."


def test_contrasts_that_lack_seeds_say_how_many_and_the_others_theirs():
    rows = rows_of({"arm": ["none", "one", "two"]}, 8, lambda cell, block: -1.0 * (cell["arm"] != "none") + 0.1 * block)
    rows = rows[(rows.arm != "two") | (rows.block < 6)]
    family = [PlannedContrast("arm", name, "none") for name in ("one", "two")]
    text = conclude(compare(block_table(rows, factors=["arm"]), family))
    assert "arm one against none: better" in text and ", 8 seeds)" in text
    assert "Incomplete with 6 of 8 planned seeds, so there is no verdict: arm two against none." in text
    assert "over 8 seeds" not in text
    assert conclude(compare(block_table(rows[rows.block < 5], factors=["arm"], blocks=range(8)), family)) == (
        "No verdict yet on any of the 2 contrasts: 5 of 8 planned seeds have run for every cell that one needs."
    )


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
    assert "Equivalent within 5 % of MSE: norm batch against none (at dropout = none) (" in conclude([simple])


def test_names_can_be_short_and_a_shared_label_is_said_once():
    levels = {f"network.{name}": found for name, found in LEVELS.items()}
    baseline = {f"network.{name}": level for name, level in BASELINE.items()}
    table = block_table(rows_of(levels, 5, lambda cell, block: 0.1 * block), factors=list(levels))
    names = short_names(levels)
    marginal = conclude(compare(table, contrasts_with_baseline(table, baseline, effect="marginal")), names=names)
    simple = conclude(compare(table, contrasts_with_baseline(table, baseline, effect="simple")), names=names)
    single = conclude(
        compare(table, contrasts_with_baseline(table, baseline, effect="marginal", factors=["network.norm"])),
        names=names,
    )
    joint = conclude_interactions(interact(table, interactions_with_baseline(table, baseline)), names=names)
    assert "over 5 seeds, each averaged over the other factors; below 1" in marginal
    assert "each with the other factors at dropout = none, norm = none" in simple
    assert "norm batch against none (averaged over dropout)" in single
    assert not any("network" in text for text in (marginal, simple, single, joint))
    assert short_names(["a.rate", "b.rate", "c.d.e"]) == {"a.rate": "a.rate", "b.rate": "b.rate", "c.d.e": "d.e"}


def test_failures_are_told():
    rows = rows_of({"arm": ["none", "unit"]}, 8, lambda cell, block: -0.3 * (cell["arm"] == "unit") + 0.01 * block)
    rows.loc[(rows.arm == "unit") & (rows.block < 2), "mse"] = math.nan
    found = compare(block_table(rows, factors=["arm"], failed_mse=4.0), [PlannedContrast("arm", "unit", "none")])
    text = conclude(found)
    assert "error of the constant predictor" in text
    assert "arm unit (2) MSE ratio 0.741, where the interval says something else of 1" in text
    rows.loc[rows.arm == "unit", "mse"] = math.nan
    found = compare(block_table(rows, factors=["arm"], failed_mse=4.0), [PlannedContrast("arm", "unit", "none")])
    assert "arm unit (8) no seed is left." in conclude(found)


@pytest.mark.parametrize(
    ("together", "noise", "blocks", "words"),
    [
        (-0.3, 0.01, 8, "they interact, the MSE of both together is lower than their separate effects multiply to ("),
        (0.3, 0.01, 8, "is higher than"),
        (0.02, 0.002, 8, "multiply to, by less than 5 % ("),
        (0.0, 0.005, 8, "No interaction as large as 5 %: norm batch with dropout spatial"),
        (0.0, 0.5, 8, "Undecided: norm batch with dropout spatial"),
        (0.0, 0.5, 8, "it would find a true change of the ratio by"),
        (0.0, 0.1, 3, "Verdict withheld, 3 seeds of the 5"),
        (0.0, 0.1, 1, "Verdict withheld, 1 seed of the 5"),
    ],
)
def test_interactions_in_words(together, noise, blocks, words):
    rng = np.random.default_rng(0)

    def log_mse(cell, block):
        both = cell["norm"] == "batch" and cell["dropout"] == "spatial"
        return block + together * both + rng.normal(0, noise)

    table = block_table(rows_of(LEVELS, blocks, log_mse), factors=["norm", "dropout"])
    text = conclude_interactions(interact(table, interactions_with_baseline(table, BASELINE)))
    assert text.startswith("Interactions, against norm none, dropout none. ")
    assert "norm batch with dropout spatial" in text
    assert words in text


def test_interactions_not_finished_or_not_planned():
    table = block_table(rows_of(LEVELS, 5, lambda cell, block: block), factors=["norm", "dropout"], blocks=range(8))
    assert "Incomplete with 5 of 8 planned seeds, so there is no verdict: norm batch with" in conclude_interactions(
        interact(table, interactions_with_baseline(table, BASELINE))
    )
    assert conclude_interactions(()) == "No interaction was planned."
