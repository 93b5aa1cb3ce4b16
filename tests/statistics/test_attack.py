"""How verdicts could go wrong, by simulation with fixed seeds: each of these errs without its mend."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from kpbench.errors import UsageError
from kpbench.statistics.blocks import BlockTable, block_table, first_blocks
from kpbench.statistics.collapse import Side, collapse_bound, interval_with_collapse, iqm
from kpbench.statistics.contrasts import compare
from kpbench.statistics.decisions import Terms, decide
from kpbench.statistics.estimate import paired
from kpbench.statistics.looks import check_looks, compare_with_direction, next_look, spent_alpha
from kpbench.statistics.plan import PlannedContrast, contrasts_with_baseline, interactions_with_baseline
from kpbench.statistics.seeds_and_faces import seeds_by_faces
from kpbench.statistics.simple_effects import all_with_direction
from kpbench.statistics.verdicts import needed_seeds

from .examples import one_factor, rows_of

CLAIMS = ("better", "worse")


# --- tuning


@pytest.mark.parametrize(("anew", "low", "high"), [(True, 0.0, 0.06), (False, 0.12, 1.0)])
def test_tuning_anew_in_each_block_keeps_the_error_and_tuning_once_does_not(anew, low, high):
    """Two cells with the same recipes to choose from: a difference in which recipe luck picked is no difference of the
    cells. Tuned anew in each block, luck is noise of the runs; tuned once, it is taken for an effect."""
    rng = np.random.default_rng(0)
    trials, wrong = 1500, 0
    for _ in range(trials):
        quality = rng.normal(0, 0.1, size=8)
        pair = []
        for _ in range(2):
            seen = quality + rng.normal(0, 0.1, size=(16 if anew else 1, 8))
            pair.append(np.broadcast_to(quality[seen.argmin(axis=1)], 16) + rng.normal(0, 0.1, size=16))
        wrong += decide([pair[0] - pair[1]], Terms(), planned=16)[0].verdict.word in CLAIMS
    assert low <= wrong / trials <= high


def test_a_family_that_was_tuned_once_gets_no_verdict():
    table = one_factor(a=np.zeros(8), b=np.full(8, -1.0) + 0.01 * np.arange(8))
    (found,) = compare(table, [PlannedContrast("arm", "b", "a")], Terms(withhold="tuned once"))
    assert (found.verdict.word, found.verdict.why) == ("withheld", "tuned once")
    assert found.ci is not None and found.ci.high < 1.0


# --- looks


def wrong_after_looks(looks, *, spend, trials=400, arms=3):
    rng = np.random.default_rng(1)
    wrong = 0
    family = [PlannedContrast("arm", name, "a") for name in "bcd"[: arms - 1]]
    for _ in range(trials):
        table = one_factor(**{name: rng.normal(0, 0.1, size=looks[-1]) for name in "abcd"[:arms]})
        if spend:
            found, _ = compare_with_direction(table, family, Terms(), looks)
        else:
            seen = [compare(first_blocks(table, n), family, seed=None) for n in looks]
            found = [one for contrasts in seen for one in contrasts]
        wrong += any(one.word in CLAIMS for one in found)
    return wrong / trials


@pytest.mark.slow
def test_looks_keep_the_error_and_unplanned_ones_do_not():
    looks = (8, 16, 32)
    assert wrong_after_looks(looks, spend=True) <= 0.06
    assert wrong_after_looks(looks, spend=False) > 0.07


def test_a_look_stops_at_what_it_decides():
    rng = np.random.default_rng(0)
    looks = (8, 16)
    table = one_factor(a=rng.normal(0, 0.02, 16), b=rng.normal(-0.5, 0.02, 16), c=rng.normal(0.0, 0.2, 16))
    family = [PlannedContrast("arm", name, "a") for name in "bc"]
    b, c = compare_with_direction(first_blocks(table, 8), family, Terms(), looks)[0]
    assert (b.word, b.n, c.word) == ("better", 8, "undecided")
    assert next_look(first_blocks(table, 8), (b, c), looks) == 16
    assert next_look(first_blocks(table, 8), (b, b), looks) is None
    b, c = compare_with_direction(table, family, Terms(), looks)[0]
    assert (b.n, c.n) == (8, 16) and next_look(table, (b, c), looks) is None
    assert math.isclose(b.ci.confidence, 1 - 0.025 / 2)
    partial = replace(table, mse=np.where(np.arange(16) < 10, table.mse, np.nan))
    assert {one.word for one in compare_with_direction(partial, family, Terms(), (12, 16))[0]} == {"incomplete"}
    assert next_look(partial, (b, c), (12, 16)) == 12


def test_the_looks_spend_alpha_and_no_more():
    assert sum(spent_alpha((8, 16, 32), at, 0.05) for at in range(3)) == pytest.approx(0.05)
    assert spent_alpha((8, 16, 32), 0, 0.05) == pytest.approx(0.0125)


@pytest.mark.parametrize("looks", [(8,), (8, 8), (16, 8), (1, 8), ()])
def test_looks_rise(looks):
    with pytest.raises(UsageError, match="rising numbers of seeds such as 8,16,32"):
        check_looks(looks)


# --- the published designs as a whole


FACTORIAL = {"norm": ["none", "batch", "spatial"], "dropout": ["none", "unit", "map"], "depth": [2, 4]}
TWO = {name: FACTORIAL[name] for name in ("norm", "dropout")}
NAMED = (PlannedContrast("norm", "spatial", "batch"), PlannedContrast("dropout", "map", "unit"))


@pytest.mark.parametrize(
    ("levels", "named", "seeds", "trials"), [(FACTORIAL, (), 6, 100), (FACTORIAL, (), 8, 500), (TWO, NAMED, 8, 1000)]
)
def test_a_published_design_errs_in_at_most_one_of_ten_with_its_interactions(levels, named, seeds, trials):
    """Without any effect: planned contrasts, mixed words and interactions together."""
    rng = np.random.default_rng(seeds)
    baseline = {name: values[0] for name, values in levels.items()}
    cells = tuple(itertools.product(*levels.values()))
    none = np.zeros((len(cells), seeds), dtype=bool)
    wrong = 0
    for _ in range(trials):
        mse = np.exp(rng.normal(0, 0.1, size=seeds) + rng.normal(0, 0.1, size=none.shape))
        table = BlockTable(tuple(levels), cells, tuple(range(seeds)), mse, none, none)
        family = [*contrasts_with_baseline(table, baseline, effect="marginal"), *named]
        contrasts, _ = all_with_direction(table, compare(table, family, seed=None), Terms())
        together = compare(table, interactions_with_baseline(table, baseline), seed=None)
        wrong += any(one.word in (*CLAIMS, "mixed", "present") for one in [*contrasts, *together])
    assert wrong / trials <= 0.10


# --- small n


@pytest.mark.parametrize(("contrasts", "seeds"), [(1, 6), (2, 7), (5, 8), (6, 8), (7, 9), (20, 10)])
def test_the_seeds_that_sign_flips_need(contrasts, seeds):
    assert needed_seeds(contrasts, 0.05) == seeds
    assert 2.0 ** (1 - seeds) * contrasts <= 0.05 < 2.0 ** (2 - seeds) * contrasts


def test_a_verdict_that_only_normal_tails_give_is_withheld():
    effect = -1.0 + 0.01 * np.arange(8)
    table = one_factor(a=np.zeros(8), **dict.fromkeys("bcdefgh", effect))
    seven = compare(table, [PlannedContrast("arm", name, "a") for name in "bcdefgh"])
    assert {(one.word, one.verdict.why) for one in seven} == {("withheld", "seeds")}
    six = compare(table, [PlannedContrast("arm", name, "a") for name in "bcdefg"])
    assert {one.word for one in six} == {"better"}


# --- collapse


COST = math.log(2.5)


def collapsing(rng, n, *, share=0.1, sd=0.1):
    """A level that collapses in a share of its runs, against a baseline that does not; block differences."""
    lost = rng.random(n) < share
    return np.where(lost, COST, rng.normal(0, sd, size=n)), rng.normal(0, sd, size=n), lost


@pytest.mark.parametrize(
    ("n", "share", "low", "high"),
    [(8, 0.1, 0.95, 1.0), (32, 0.1, 0.93, 0.98), (32, 0.2, 0.93, 0.97), (64, 0.1, 0.93, 0.97)],
)
def test_the_interval_with_collapse_covers_where_t_does_not(n, share, low, high):
    """With few seeds the exact share of failures is known so badly that the interval has to be wide."""
    rng = np.random.default_rng([n, round(100 * share)])
    trials, covered, plain = 2000, 0, 0
    for _ in range(trials):
        level, baseline, lost = collapsing(rng, n, share=share)
        truth = share * COST
        plain += not paired(level - baseline).interval(0.95).excludes(truth)
        kept = ~lost
        if kept.sum() < 2:
            continue
        survivors = paired((level - baseline)[kept]).interval(0.95)
        sides = Side(int(lost.sum()), n, COST - level[kept].mean()), Side(0, n, COST - baseline.mean())
        covered += not interval_with_collapse(survivors, *sides).excludes(truth)
    assert low <= covered / trials <= high
    assert n > 32 or share > 0.1 or plain / trials < 0.93


@pytest.mark.parametrize("n", [8, 32])
def test_rare_collapse_is_not_called_equivalent(n):
    rng = np.random.default_rng(n)
    wrong, without, trials = 0, 0, 300
    for _ in range(trials):
        level, baseline, _ = collapsing(rng, n, sd=0.02)
        rows = rows_of(
            {"arm": ["a", "b"]},
            n,
            lambda cell, block, b=level, a=baseline: (b if cell["arm"] == "b" else a)[block],
        )
        family = [PlannedContrast("arm", "b", "a")]
        wrong += compare(block_table(rows, factors=["arm"], failed_mse=2.5), family, seed=None)[0].word == "equivalent"
        without += compare(block_table(rows, factors=["arm"]), family, seed=None)[0].word == "equivalent"
    assert wrong == 0
    assert without / trials > (0.3 if n == 8 else 0.0)


def test_many_runs_without_a_collapse_can_be_equivalent():
    rng = np.random.default_rng(0)
    rows = rows_of({"arm": ["a", "b"]}, 80, lambda cell, block: rng.normal(0, 0.02))
    (found,) = compare(block_table(rows, factors=["arm"], failed_mse=2.0), [PlannedContrast("arm", "b", "a")])
    assert found.word == "equivalent"


def test_runs_that_all_failed_are_not_equivalent():
    rows = rows_of({"arm": ["a", "b"]}, 8, lambda cell, block: 1.0 + 0.1 * block)
    (found,) = compare(block_table(rows, factors=["arm"], failed_mse=2.0), [PlannedContrast("arm", "b", "a")])
    assert (found.ratio, found.failed, found.word, found.verdict.why) == (1.0, 16, "undecided", "nothing learnt")


@pytest.mark.parametrize(("failed", "others"), [(0, 1.97), (5, 1.97), (8, 1.0)])
def test_runs_at_the_mean_face_are_not_equivalent(failed, others):
    """Though their intervals are narrow: within the margin of the constant, or mostly beyond it, nothing was learnt."""
    level = lambda block: math.log(2.5 if block < failed else others)  # noqa: E731
    around = {"a": 0.0, "b": 1e-4}
    rows = rows_of({"arm": ["a", "b"]}, 16, lambda cell, block: level(block) + (-1) ** block * around[cell["arm"]])
    family = [PlannedContrast("arm", "b", "a")]
    (alone,) = compare(block_table(rows, factors=["arm"]), family)
    assert alone.word == "equivalent"  # where nobody knows the mean face's error
    (found,) = compare(block_table(rows, factors=["arm"], failed_mse=2.0), family)
    assert (found.word, found.verdict.why) == ("undecided", "nothing learnt")


def test_the_bound_is_exact():
    assert collapse_bound(0, 6) == pytest.approx(1 - 0.05 ** (1 / 6))
    assert collapse_bound(6, 6) == 1.0
    assert iqm([1.0, 2.0, 3.0, 100.0]) == 2.5


# --- diverged runs


def test_a_bad_run_that_turns_into_nan_makes_nothing_better_or_surer():
    rng = np.random.default_rng(0)
    family = [PlannedContrast("arm", "b", "a")]
    for _ in range(60):
        shift = rng.choice([0.0, -0.3])
        rows = rows_of(
            {"arm": ["a", "b"]}, 8, lambda cell, block, s=shift: s * (cell["arm"] == "b") + rng.normal(0, 0.3)
        )
        mine = rows.index[rows.arm == "b"]
        rows.loc[mine[:2], "mse"] = [1.9, 4.0]  # bad, and worse than the constant predictor
        (before,) = compare(block_table(rows, factors=["arm"], failed_mse=2.0), family)
        for lost in (mine[:1], mine[1:2], mine[:2]):
            changed = rows.copy()
            changed.loc[lost, "mse"] = math.nan
            (after,) = compare(block_table(changed, factors=["arm"], failed_mse=2.0), family)
            assert after.ratio >= before.ratio - 1e-12
            assert not (after.word == "better" and before.word != "better")


# --- persons


@pytest.mark.parametrize(("clustered", "low", "high"), [(True, 0.93, 0.97), (False, 0.0, 0.92)])
def test_faces_of_one_person_are_no_independent_witnesses(clustered, low, high):
    rng = np.random.default_rng(0)
    seeds, persons, each = 16, 25, 12  # as the published test split: 296 faces of 25 persons
    who = np.repeat(np.arange(persons), each)
    truth, trials, covered = -0.1, 400, 0
    for _ in range(trials):
        person = rng.normal(0, 0.25, size=(2, 1, persons))[:, :, who]
        face = rng.normal(0, 0.5, size=(2, 1, who.size))
        seed = rng.normal(0, 0.02, size=(2, seeds, 1))
        errors = np.exp(np.array([truth, 0.0])[:, None, None] + person + face + seed)
        found = seeds_by_faces(errors, [1.0, -1.0], persons=who if clustered else None, resamples=300)
        covered += not found.seeds_and_faces.interval(0.95).excludes(truth)
        assert found.seeds_and_faces.error >= found.seeds.error
    assert low <= covered / trials <= high


# --- direction


def test_a_marginal_effect_over_opposite_simple_ones_is_mixed():
    rng = np.random.default_rng(0)
    levels = {"norm": ["none", "batch"], "depth": [2, 3, 4]}
    effect = {2: 0.3, 3: -0.4, 4: -0.5}
    rows = rows_of(
        levels, 8, lambda cell, block: effect[cell["depth"]] * (cell["norm"] == "batch") + rng.normal(0, 0.02)
    )
    table = block_table(rows, factors=list(levels))
    family = contrasts_with_baseline(table, {"norm": "none", "depth": 2}, effect="marginal", factors=["norm"])
    plain = compare(table, family)
    ((found,), (simple,)) = all_with_direction(table, plain, Terms())
    assert (plain[0].word, found.word) == ("better", "mixed")
    assert (simple.better, simple.worse, len(simple.effects)) == (2, 1, 3)
    assert [one.planned.at for one in simple.effects] == [{"depth": 2}, {"depth": 3}, {"depth": 4}]


def test_a_look_sees_the_direction_in_its_own_blocks():
    """At 8 of 32 seeds the simple effects are those of the 8; what a look decides no later one takes back."""
    rng = np.random.default_rng(1)
    levels = {"norm": ["none", "batch"], "depth": [2, 4]}
    effect = {2: 0.6, 4: -0.9}
    rows = rows_of(
        levels, 32, lambda cell, block: effect[cell["depth"]] * (cell["norm"] == "batch") + rng.normal(0, 0.01)
    )
    table = block_table(rows, factors=list(levels))
    family = contrasts_with_baseline(table, {"norm": "none", "depth": 2}, effect="marginal", factors=["norm"])
    early = replace(table, mse=np.where(np.arange(32) < 8, table.mse, np.nan))
    for seen in (early, table):
        ((found,), (simple,)) = compare_with_direction(seen, family, Terms(), (8, 16, 32))
        assert (found.word, found.n, simple.better, simple.worse) == ("mixed", 8, 1, 1)
        assert found.alpha == pytest.approx(0.0125) and found.needed == needed_seeds(1, 0.0125)
    assert next_look(early, [found], (8, 16, 32)) is None
