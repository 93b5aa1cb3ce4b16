"""Contrasts on two sides: same sign, planted flips, and what is told on one side or on neither."""

import itertools

import numpy as np
import pandas as pd
import pytest

from kpbench.statistics.blocks import block_table
from kpbench.statistics.contrasts import compare
from kpbench.statistics.plan import contrasts_with_baseline
from kpbench.statistics.sign_agreement import count_signs, sign_agreement


def contrasts(effects, *, seeds=4, sd=0.02, seed=0, lost=()):
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
    assert [one.told for one in found] == [(True, True), (True, True), (True, False), (False, False)]
    assert found[0].same_direction
    assert not found[1].same_direction
    count = count_signs(found)
    assert (count.contrasts, count.agree, count.disagree, count.one_side, count.neither) == (4, 1, 1, 1, 1)
    assert count.same_direction == sum(one.same_direction for one in found)
    same, flip, *_ = found
    assert same.quotient == pytest.approx(np.exp(-0.1), rel=0.05)
    assert flip.quotient == pytest.approx(np.exp(0.4), rel=0.05)
    assert flip.p_adjusted < 0.01
    assert flip.interval.low > 1
    assert found[3].interval.low < 1 < found[3].interval.high


def test_no_verdict_of_the_study_is_needed():
    """Four seeds give no verdict, five do; the signs are counted in both."""
    for seeds, word in ((4, "withheld"), (5, "better")):
        side = contrasts({"same": -0.3}, seeds=seeds)
        assert side[0].verdict.word == word
        assert sign_agreement(side, side)[0].word == "agree"


def test_a_side_without_spread():
    flat = contrasts({"same": -0.3}, sd=0.0)
    found = sign_agreement(flat, flat)[0]
    assert (found.word, found.quotient, found.p_adjusted) == ("agree", 1.0, 1.0)


def test_chance_flips_are_rare():
    """No effect at all on either side: both told with opposite signs hardly ever."""
    flips = [
        count_signs(
            sign_agreement(contrasts({"a": 0.0, "b": 0.0}, seed=at), contrasts({"a": 0, "b": 0}, seed=at + 500))
        )
        for at in range(40)
    ]
    assert sum(one.disagree for one in flips) <= 1


def test_other_families_are_refused():
    with pytest.raises(ValueError, match="other contrasts"):
        sign_agreement(contrasts({"a": 0.1}), contrasts({"b": 0.1}))
