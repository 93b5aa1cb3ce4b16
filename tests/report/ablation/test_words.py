"""Verdicts in words and the paragraph to quote: they say no more than the numbers do."""

import math
from dataclasses import replace

import numpy as np
import pytest

from kpbench.report.ablation.words import conclusion, verdict_lines
from kpbench.statistics.blocks import block_table
from kpbench.statistics.contrasts import compare
from kpbench.statistics.decisions import Terms
from kpbench.statistics.plan import PlannedContrast, contrasts_with_baseline, interactions_with_baseline
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
    return replace(study, design=design, contrasts=contrasts, interactions=compare(table, together, terms))


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
        (-0.06, 0.2, "undecided", " % would be found with 80 % power."),
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
    assert f"A true change of {found.contrasts[0].detectable:.2g} % would be found" in conclusion(found)
    for claim in ("better", "worse", "lower", "higher", "equivalent", "trend", "significan", "no effect"):
        assert claim not in conclusion(found)


def test_no_verdict_no_claim(study):
    (line,) = verdict_lines(told(study, pair(-0.5, 0.01, n=3)))
    assert (line.word, line.text) == (
        "withheld",
        "3 seeds; a verdict needs at least 5. The MSE differs by −39.3 %, for orientation only.",
    )
    (line,) = verdict_lines(told(study, pair(-1.0, 0.1, n=6), blocks=range(8)))
    assert (line.word, line.text) == (
        "incomplete",
        "6 of 8 planned seeds have run for every cell it needs, so there is no verdict.",
    )


def test_every_planned_contrast_is_named_and_what_they_share_is_said_once(study):
    rng = np.random.default_rng(0)
    rows = rows_of({NORM: ["none", "a", "b"]}, 8, lambda cell, block: rng.normal())
    text = conclusion(told(study, rows))
    assert text.startswith("Change of MSE against the baseline by paired seeds, p adjusted by Holm over 2.")
    assert all(text.count(f"norm {name} against none: ") == 1 for name in "ab")
    assert "by Holm" not in conclusion(told(study, rows, terms=Terms(correction="none")))
    assert conclusion(replace(study, contrasts=())) == "No contrast was planned."


@pytest.mark.parametrize(
    ("lost", "left"),
    [(2, "MSE ratio 0.741, where the interval says something else of 1"), (8, "no seed is left")],
)
def test_diverged_runs_are_named(study, lost, left):
    rows = pair(-0.3, 0.01)
    rows.loc[(rows[NORM] == "batch") & (rows.block < lost), "mse"] = math.nan
    rows.loc[(rows[NORM] == "batch") & (rows.block >= lost), "mse"] = math.exp(-0.3)
    text = conclusion(told(study, rows, failed=4.0))
    assert f"norm batch against none ({lost}) {left}." in text


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
    assert verdict_lines(replace(study, contrasts=held))[0].effect == "at dropout = spatial"
