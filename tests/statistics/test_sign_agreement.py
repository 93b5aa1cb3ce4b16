"""Contrasts in two studies: same sign, planted flips, and what is significant in one study or in neither."""

import itertools

import numpy as np
import pandas as pd
import pytest

from kpbench.statistics.blocks import block_table
from kpbench.statistics.contrasts import compare
from kpbench.statistics.plan import contrasts_with_baseline
from kpbench.statistics.sign_agreement import count_signs, sign_agreement


def contrasts(effects, *, seeds=8, sd=0.02, seed=0, lost=()):
    """The contrasts of a factor with the planted log MSE of each level against `none`, crossed with a second one."""
    random = np.random.default_rng(seed)
    lines = [
        {"norm": level, "depth": depth, "block": block, "mse": np.exp(effect + random.normal(0, sd) - 5)}
        for (level, effect), depth, block in itertools.product({"none": 0.0, **effects}.items(), (4, 2), range(seeds))
        if (level, depth, block) not in lost
    ]
    table = block_table(pd.DataFrame(lines), factors=["norm", "depth"], blocks=range(seeds))
    family = contrasts_with_baseline(table, {"norm": "none", "depth": 4}, effect="marginal", factors=["norm"])
    return compare(table, family)


def test_every_word():
    built_in = contrasts({"same": -0.3, "flip": 0.2, "here": -0.2, "nowhere": 0.0}, seed=1)
    real = contrasts({"same": -0.2, "flip": -0.2, "here": 0.0, "nowhere": 0.0}, seed=2)
    found = sign_agreement(built_in, real)
    assert [one.word for one in found] == ["agree", "disagree", "one side", "neither"]
    significant = [tuple(p < 0.05 for p in one.p_adjusted) for one in found]
    assert significant == [(True, True), (True, True), (True, False), (False, False)]
    assert [one.ratios for one in found] == [(a.ratio, b.ratio) for a, b in zip(built_in, real, strict=True)]
    assert found[0].intervals == tuple((one.ci.low, one.ci.high) for one in (built_in[0], real[0]))
    assert found[0].same_direction
    assert not found[1].same_direction
    count = count_signs(found)
    same_direction = sum(one.same_direction for one in found)
    assert count == {
        "contrasts": 4, "agree": 1, "disagree": 1, "one_side": 1, "neither": 1, "same_direction": same_direction,
    }  # fmt: skip
    same, flip, *_ = found
    assert same.quotient == pytest.approx(np.exp(-0.1), rel=0.05)
    assert flip.quotient == pytest.approx(np.exp(0.4), rel=0.05)
    assert flip.quotient_p_adjusted < 0.01
    assert flip.quotient_interval[0] > 1
    assert found[3].quotient_interval[0] < 1 < found[3].quotient_interval[1]


def test_too_few_seeds_in_either_study_withhold_the_signs():
    """As verdicts are: one contrast wants six seeds, four want eight."""
    few, enough = contrasts({"same": -0.3}, seeds=5), contrasts({"same": -0.3}, seeds=6)
    for pair in ((few, enough), (enough, few), (few, few)):
        found = sign_agreement(*pair)
        assert found[0].word == "withheld"
        assert count_signs(found) is None
        assert found[0].ratios == (pair[0][0].ratio, pair[1][0].ratio)
        assert found[0].quotient_interval[0] < 1 < found[0].quotient_interval[1]
    assert sign_agreement(enough, enough)[0].word == "agree"
    assert few[0].verdict.word == "withheld"
    four = dict.fromkeys("abcd", -0.3)
    assert {one.word for one in sign_agreement(*[contrasts(four, seeds=7)] * 2)} == {"withheld"}
    assert sign_agreement(*[contrasts(four, seeds=7)] * 2, alpha=0.1)[0].word == "agree"


def test_a_study_without_spread():
    flat = contrasts({"same": -0.3}, sd=0.0)
    found = sign_agreement(flat, flat)[0]
    assert (found.word, found.quotient, found.quotient_p_adjusted) == ("agree", 1.0, 1.0)


def test_chance_flips_are_rare():
    """No effect at all in either study: both significant with opposite signs hardly ever."""
    flips = [
        count_signs(
            sign_agreement(contrasts({"a": 0.0, "b": 0.0}, seed=at), contrasts({"a": 0, "b": 0}, seed=at + 500))
        )
        for at in range(40)
    ]
    assert sum(one["disagree"] for one in flips) <= 1


def test_other_families_are_refused():
    with pytest.raises(ValueError, match="other contrasts"):
        sign_agreement(contrasts({"a": 0.1}), contrasts({"b": 0.1}))


def test_a_contrast_that_has_not_run_everywhere_is_refused():
    """A missing run leaves no adjusted p to judge by."""
    whole, partial = contrasts({"a": 0.1}), contrasts({"a": 0.1}, lost=[("a", 4, 0)])
    with pytest.raises(ValueError, match="has not run in every planned block"):
        sign_agreement(whole, partial)
