"""Verdicts in words and the paragraph to quote: they say no more than the numbers do."""

import math
from dataclasses import replace

import numpy as np
import pytest

from kpbench.report.ablation.verdicts import conclusion, verdict_lines
from kpbench.statistics.blocks import block_table
from kpbench.statistics.contrasts import compare
from kpbench.statistics.decisions import Terms
from kpbench.statistics.plan import PlannedContrast, contrasts_with_baseline, interactions_with_baseline
from kpbench.statistics.simple_effects import all_with_direction
from tests.ablation_rows import CROSSED, analysis
from tests.statistics.examples import rows_of

NORM, DROPOUT = "network.norm", "network.dropout"
LEVELS = {NORM: ["none", "batch"], DROPOUT: ["none", "spatial"]}
BASELINE = {NORM: "none", DROPOUT: "none"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return analysis(tmp_path_factory.mktemp("words") / "a", factors=CROSSED, crossed=True)


def spread(shift, sd, *, n=8):
    """Differences with exactly this mean and standard deviation."""
    values = np.arange(n) - (n - 1) / 2
    return shift + sd * values / values.std(ddof=1)


def told(study, rows, *, factors=(NORM,), blocks=None, failed=None, terms=None):
    """The study with the contrasts and interactions of other rows."""
    table = block_table(rows, factors=list(factors), blocks=blocks, failed_mse=failed)
    crossed = len(factors) > 1
    family = contrasts_with_baseline(table, BASELINE, effect="marginal" if crossed else "simple")
    together = interactions_with_baseline(table, BASELINE) if crossed else ()
    design = study.design.model_copy(update={"correction": terms.correction} if terms else {})
    contrasts = compare(table, family, terms)
    return replace(
        study,
        design=design,
        terms=terms or Terms(),
        contrasts=contrasts,
        simple=(None,) * len(contrasts),
        interactions=compare(table, together, terms),
    )


def pair(shift, sd, *, n=8):
    values = spread(shift, sd, n=n)
    return rows_of({NORM: ["none", "batch"]}, n, lambda cell, block: values[block] * (cell[NORM] == "batch"))


@pytest.mark.parametrize(
    ("shift", "sd", "word", "text"),
    [
        (-0.2, 0.02, "better", "More than the 5 % of interest."),
        (-0.02, 0.01, "better", "Less than the 5 % of interest."),
        (-0.06, 0.04, "better", "It may be more or less than the 5 % of interest."),
        (0.2, 0.02, "worse", "More than the 5 % of interest."),
        (0.0, 0.02, "equivalent", "Any difference is smaller than the 5 % of interest."),
        (-0.06, 0.2, "undecided", "%) would be found with 80 % power."),
    ],
)
def test_each_verdict_in_words(study, shift, sd, word, text):
    found = told(study, pair(shift, sd))
    (line,) = verdict_lines(found)
    change = f"MSE {'+' if shift > 0 else '−'}{abs(100 * (math.exp(shift) - 1)):.1f} %" if shift else "MSE "
    assert (line.name, line.word) == ("norm batch against none", word)
    assert line.text.startswith(change) and line.text.endswith(text) and "8 seeds" in line.text
    assert "95 % interval" in line.text and ", p " in line.text
    assert f"norm batch against none: {word}. {line.text}" in conclusion(found)


def test_undecided_claims_nothing(study):
    found = told(study, pair(-0.06, 0.2))
    assert f"A true change of {found.contrasts[0].detectable:.2g} % (" in conclusion(found)
    for claim in ("better", "worse", "lower", "higher", "equivalent", "trend", "significan", "no effect"):
        assert claim not in conclusion(found)


def test_no_verdict_no_claim(study):
    (line,) = verdict_lines(told(study, pair(-0.5, 0.01, n=3)))
    assert line.word == "withheld"
    assert line.text.startswith("3 seeds; a verdict on 1 contrast needs at least 6. MSE −39.3 %, 95 % interval ")
    (line,) = verdict_lines(told(study, pair(-1.0, 0.1, n=6), blocks=range(8)))
    assert (line.word, line.text) == (
        "incomplete",
        "6 of 8 planned seeds have run for every cell it needs, so there is no verdict.",
    )


def test_every_planned_contrast_is_named_and_what_they_share_is_said_once(study):
    rng = np.random.default_rng(0)
    rows = rows_of({NORM: ["none", "a", "b"]}, 8, lambda cell, block: rng.normal())
    text = conclusion(told(study, rows))
    assert " Change of MSE against the baseline by paired seeds, p adjusted by Holm over 2. norm a" in text
    assert all(text.count(f"norm {name} against none: ") == 1 for name in "ab")
    assert "by Holm" not in conclusion(told(study, rows, terms=Terms(correction="none")))
    assert conclusion(replace(study, contrasts=(), simple=())) == "No contrast was planned."


def test_the_paragraph_begins_with_networks_faces_epochs_and_seeds(study):
    plan, sizes = study.plan, study.plan.data_sizes
    assert conclusion(study).startswith(
        f"Networks of family cnn (space {plan.space_name}) were trained for {plan.epochs} epochs "
        f"({study.images:,} images) on {plan.data_name} ({sizes['train']:,} faces to train, {sizes['val']:,} to "
        f"validate, {sizes['test']:,} as sealed test), 8 seeds a cell, and judged on the "
    )
    anew = replace(study, design=study.design.model_copy(update={"resplit": True}))
    assert "as sealed test), train and val drawn anew, by person, in each block, 8 seeds a cell" in conclusion(anew)
    three = replace(study, design=study.design.model_copy(update={"blocks": tuple(range(9))}))
    assert "8 of 9 seeds a cell" in conclusion(three)


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        (2, "MSE ratio 0.741 over 6 of 8 seeds, where the interval says something else of 1"),
        (5, "MSE ratio 0.741 over 3 of 8 seeds, where the interval says something else of 1"),
        (8, "no seed is left"),
    ],
)
def test_diverged_runs_are_named(study, lost, left):
    rows = pair(-0.3, 0.01)
    rows.loc[(rows[NORM] == "batch") & (rows.block < lost), "mse"] = math.nan
    rows.loc[(rows[NORM] == "batch") & (rows.block >= lost), "mse"] = math.exp(-0.3)
    text = conclusion(told(study, rows, failed=4.0))
    assert f"norm batch against none ({lost} such runs) {left}." in text
    few = "Fewer than half of the seeds are left for norm batch against none: what is told apart there is whether"
    assert (few in text) == (lost > 4)


@pytest.mark.parametrize(
    ("together", "noise", "blocks", "word"),
    [
        (-0.3, 0.01, 8, "present"),
        (0.02, 0.002, 8, "present"),
        (0.0, 0.005, 8, "negligible"),
        (0.0, 0.5, 8, "undecided"),
        (0.0, 0.1, 3, "withheld"),
        (0.0, 0.1, 1, "withheld"),
    ],
)
def test_interactions_in_words(study, together, noise, blocks, word):
    rng = np.random.default_rng(0)

    def log_mse(cell, block):
        return block + together * (cell[NORM] == "batch" and cell[DROPOUT] == "spatial") + rng.normal(0, noise)

    found = told(study, rows_of(LEVELS, blocks, log_mse), factors=(NORM, DROPOUT))
    text = conclusion(found).partition("Interactions, as ratios of MSE ratios. ")[2]
    assert text.startswith(f"norm batch with dropout spatial: {word}. ")
    if blocks > 3:
        assert "Ratio " in text and "interval" in text


def test_effects_are_named_for_what_they_are_averaged_over(study):
    text = conclusion(study)
    assert "norm batch against none (averaged over dropout): " in text
    assert "dropout standard against none (averaged over norm): " in text


def test_a_simple_effect_says_where_the_others_are_held(study):
    table = study.table
    held = compare(table, [PlannedContrast(NORM, "batch", "none", at={DROPOUT: "spatial"})])
    assert verdict_lines(replace(study, contrasts=held, simple=(None,)))[0].effect == "at dropout = spatial"


def test_a_withheld_verdict_says_why(study):
    rows = pair(-0.5, 0.01)
    for why, text in (
        ("post hoc", "Its rows are older than its plan: an estimate, no verdict."),
        ("tuned once", "Each cell was tuned once for all seeds, so luck in tuning is in no interval: no verdict."),
    ):
        (line,) = verdict_lines(told(study, rows, terms=Terms(withhold=why)))
        assert line.word == "withheld" and line.text.startswith(f"{text} MSE −39.3 %, 95 % interval")


@pytest.mark.parametrize(
    ("values", "agree"),
    [
        ((-0.68, -0.91, -0.92, -0.27, -0.22, 0.26, -0.41, 0.12), False),
        ((-0.30, -0.28, -0.31, -0.29, -0.30, -0.27, -0.20, 0.03), True),
    ],
)
def test_sign_flips_that_do_not_agree_stand_beside_the_verdict(study, values, agree):
    rows = pair(0.0, 1e-9)
    rows.loc[rows[NORM] == "batch", "mse"] = np.exp(values)
    (line,) = verdict_lines(told(study, rows))
    assert line.word == "better"
    assert line.text.endswith("Sign flips give p = 0.055 and do not agree.") != agree


def test_a_mixed_effect_says_how_it_divides(study):
    rng = np.random.default_rng(0)
    effect = {"none": 0.4, "spatial": -0.5}
    rows = rows_of(LEVELS, 8, lambda cell, block: effect[cell[DROPOUT]] * (cell[NORM] == "batch") + rng.normal(0, 0.01))
    table = block_table(rows, factors=[NORM, DROPOUT])
    family = contrasts_with_baseline(table, BASELINE, effect="marginal", factors=[NORM])
    contrasts, simple = all_with_direction(table, compare(table, family), Terms())
    (line,) = verdict_lines(replace(study, terms=Terms(), contrasts=contrasts, simple=simple))
    assert line.word == "mixed"
    assert "It is better in 1, worse in 1 of 2 combinations of the other factors' levels" in line.text


def test_a_rare_collapse_is_named_where_it_stands_against_equivalence(study):
    (line,) = verdict_lines(told(study, pair(0.0, 0.002), failed=4.0))
    assert (line.word, line.text.endswith("Within the 5 % of interest, but a rare collapse could hide more.")) == (
        "undecided",
        True,
    )
