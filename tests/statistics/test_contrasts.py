import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from kpbench.statistics.blocks import block_table
from kpbench.statistics.contrasts import compare
from kpbench.statistics.decisions import Terms
from kpbench.statistics.plan import PlannedContrast, contrasts_with_baseline
from kpbench.statistics.power import detectable_d

from .examples import SLEEP_ONE, SLEEP_TWO, one_factor, rows_of

LEVELS = {"norm": ["none", "batch"], "dropout": ["none", "unit", "spatial"]}
BASELINE = {"norm": "none", "dropout": "none"}
SLEEP = one_factor(two=SLEEP_TWO, one=SLEEP_ONE)
ONE = PlannedContrast("arm", "one", "two")


def planted(cell, block):
    """Every effect is exact; the block moves all cells of it alike, by far more than any effect."""
    effect = -0.2 * (cell["norm"] == "batch") - 0.1 * (cell["dropout"] == "spatial")
    together = -0.06 * (cell["norm"] == "batch" and cell["dropout"] == "spatial")
    return math.log(0.002) + math.sin(7.0 * block) + effect + together


def test_students_sleep_from_rows_to_verdict():
    (found,) = compare(SLEEP, [ONE])
    checks, estimate = found.checks, found.estimate
    assert (found.factor, found.level, found.baseline, found.effect) == ("arm", "one", "two", "simple")
    assert (found.n, found.blocks_planned) == (10, 10)
    assert found.ratio == pytest.approx(math.exp(-1.58))
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert (math.log(found.ci.low), math.log(found.ci.high)) == pytest.approx((-2.4598858, -0.7001142), abs=1e-7)
    assert found.ci == estimate.ratio_interval(0.95)
    assert checks.correlation == pytest.approx(0.7951702, abs=1e-7)
    tost = ttost_paired(SLEEP_ONE, SLEEP_TWO, -math.log(1.05), math.log(1.05))[0]
    assert checks.p_equivalence == pytest.approx(min(1.0, 2 * tost))
    assert estimate.sd == pytest.approx((SLEEP_ONE - SLEEP_TWO).std(ddof=1))
    assert found.detectable == pytest.approx(100 * (math.exp(estimate.sd * detectable_d(10)) - 1))
    assert found.log_ratios == pytest.approx(tuple(SLEEP_ONE - SLEEP_TWO))
    assert (found.verdict.word, found.verdict.size) == ("better", "beyond")


def test_units():
    (found,) = compare(
        one_factor(old=[math.log(0.002)] * 6, new=[math.log(0.0018)] * 6), [PlannedContrast("arm", "new", "old")]
    )
    assert found.percent == pytest.approx(-10)
    assert found.scores == pytest.approx((1 / 0.0036, 250))
    assert found.pixels == pytest.approx((48 * math.sqrt(0.0018), 48 * math.sqrt(0.002)))
    assert (found.ci.low, found.ci.high) == pytest.approx((0.9, 0.9))
    assert found.p == 0.0
    assert found.verdict.word == "better"


def test_planted_effects_are_found_exactly_marginal_and_simple():
    table = block_table(rows_of(LEVELS, 8, planted), factors=["norm", "dropout"])
    marginal = compare(table, contrasts_with_baseline(table, BASELINE, effect="marginal"))
    assert [math.log(c.ratio) for c in marginal] == pytest.approx([-0.22, 0.0, -0.13])
    assert [c.averaged_over for c in marginal] == [("dropout",), ("norm",), ("norm",)]
    assert {c.effect for c in marginal} == {"marginal"}
    assert [c.verdict.word for c in marginal] == ["better", "equivalent", "better"]
    simple = compare(table, contrasts_with_baseline(table, BASELINE, effect="simple"))
    assert [math.log(c.ratio) for c in simple] == pytest.approx([-0.2, 0.0, -0.1])
    assert {c.effect for c in simple} == {"simple"}


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(0)
    rows = rows_of({"arm": ["a", "b"]}, 12, lambda cell, block: math.sin(9.0 * block) + rng.normal(0, 0.05))
    straight, shuffled = (
        compare(block_table(frame, factors=["arm"]), [PlannedContrast("arm", "b", "a")])[0]
        for frame in (rows, rows.sample(frac=1.0, random_state=3))
    )
    assert straight.log_ratios == pytest.approx(shuffled.log_ratios)
    assert straight.checks.correlation > 0.9
    expected = stats.ttest_rel(np.log(rows.mse[rows.arm == "b"]), np.log(rows.mse[rows.arm == "a"]))
    assert straight.p == pytest.approx(expected.pvalue)


def test_holm_over_the_family():
    rng = np.random.default_rng(2)
    logs = {name: rng.normal(shift, 0.1, size=8) for name, shift in (("a", 0.0), ("b", -0.4), ("c", -0.1), ("d", 0.0))}
    table = one_factor(**logs)
    family = [PlannedContrast("arm", name, "a") for name in "bcd"]
    found = compare(table, family)
    p = [stats.ttest_rel(logs[name], logs["a"]).pvalue for name in "bcd"]
    ordered = sorted(p)
    assert [c.p for c in found] == pytest.approx(p)
    assert found[p.index(ordered[0])].p_adjusted == pytest.approx(3 * ordered[0])
    assert found[p.index(ordered[1])].p_adjusted == pytest.approx(min(1, max(3 * ordered[0], 2 * ordered[1])))
    assert found[0].ci.confidence == pytest.approx(1 - 0.05 / 3)
    worst = math.exp(found[2].estimate.sd * detectable_d(8, contrasts=3))
    assert found[2].detectable == pytest.approx(100 * (worst - 1))
    free = compare(table, family, Terms(correction="none"))
    assert [c.p_adjusted for c in free] == pytest.approx(p)
    assert free[2].detectable < found[2].detectable


def test_the_equivalence_p_agrees_with_the_shown_interval():
    rng = np.random.default_rng(3)
    for _ in range(40):
        logs = {name: rng.normal(0.0, 0.02, size=8) for name in "abc"}
        for found in compare(one_factor(**logs), [PlannedContrast("arm", name, "a") for name in "bc"]):
            inside = found.ci.low > 1 / 1.05 and found.ci.high < 1.05
            assert inside == (found.checks.p_equivalence < 0.05)


def test_three_seeds_get_numbers_and_no_verdict():
    (found,) = compare(one_factor(a=[0.0, 0.1, 0.2], b=[-3.0, -2.9, -2.8001]), [PlannedContrast("arm", "b", "a")])
    assert found.verdict.word == "withheld"
    assert found.p < 0.001
    assert found.ratio == pytest.approx(math.exp(-3), rel=1e-3)


def test_one_seed_and_none():
    (one,) = compare(one_factor(a=[0.0], b=[-1.0]), [PlannedContrast("arm", "b", "a")])
    assert one.ratio == pytest.approx(math.exp(-1))
    assert (one.estimate, one.ci, one.checks, one.verdict.word) == (None, None, None, "withheld")
    rows = rows_of({"arm": ["a"]}, 5, lambda cell, block: 0.0)
    table = block_table(rows, factors=["arm"], cells=[{"arm": "a"}, {"arm": "b"}])
    (none,) = compare(table, [PlannedContrast("arm", "b", "a")])
    assert (none.n, none.ratio, none.estimate, none.verdict.word) == (0, None, None, "incomplete")
    assert (none.percent, none.scores, none.pixels, none.p, none.log_ratios) == (None, None, None, None, ())


def test_only_complete_pairs_count_and_a_missing_one_marks_its_contrasts():
    rows = rows_of({"arm": ["a", "b", "c"]}, 8, lambda cell, block: math.sin(5.0 * block) - 0.3 * (cell["arm"] != "a"))
    rows = rows[~((rows.arm == "b") & (rows.block == 3))]
    found = compare(block_table(rows, factors=["arm"]), [PlannedContrast("arm", name, "a") for name in "bc"])
    assert [c.n for c in found] == [7, 8]
    assert [c.verdict.word for c in found] == ["incomplete", "better"]
    assert found[0].blocks == (0, 1, 2, 4, 5, 6, 7)
    assert found[0].ratio == pytest.approx(math.exp(-0.3))
    assert found[0].p_adjusted is None
    assert found[0].checks.p_equivalence is None


def test_a_block_the_plan_has_and_no_row_yet_marks_every_contrast():
    rows = rows_of({"arm": ["a", "b"]}, 6, lambda cell, block: 0.1 * block)
    (found,) = compare(block_table(rows, factors=["arm"], blocks=range(8)), [PlannedContrast("arm", "b", "a")])
    assert (found.n, found.blocks_planned, found.verdict.word) == (6, 8, "incomplete")


def test_failed_seeds_count_and_the_survivors_are_shown_beside():
    rng = np.random.default_rng(0)
    rows = rows_of(
        {"arm": ["a", "b"]}, 8, lambda cell, block: math.log(0.001) - 0.3 * (cell["arm"] == "b") + rng.normal(0, 0.02)
    )
    rows.loc[(rows.arm == "b") & (rows.block < 2), "mse"] = math.nan
    (found,) = compare(block_table(rows, factors=["arm"], failed_mse=0.0044), [PlannedContrast("arm", "b", "a")])
    assert (found.n, found.failed) == (8, 2)
    assert found.log_ratios[0] == pytest.approx(math.log(0.0044 / 0.001), abs=0.1)
    assert found.verdict.word == "undecided"
    assert (found.survivors.n, found.survivors.agrees) == (6, False)
    assert found.survivors.ratio == pytest.approx(math.exp(-0.3), abs=0.02)
    assert found.survivors.ci.high < 1.0


def test_no_failure_no_survivors():
    assert compare(SLEEP, [ONE])[0].survivors is None


@pytest.mark.parametrize(("failed", "n"), [(4, 1), (5, 0)])
def test_hardly_any_survivor(failed, n):
    rows = rows_of({"arm": ["a", "b"]}, 5, lambda cell, block: 0.01 * block)
    rows.loc[(rows.arm == "b") & (rows.block < failed), "mse"] = math.nan
    (found,) = compare(block_table(rows, factors=["arm"], failed_mse=2.0), [PlannedContrast("arm", "b", "a")])
    assert (found.survivors.n, found.survivors.ci, found.survivors.agrees) == (n, None, None)


def test_checks_are_repeatable():
    rng = np.random.default_rng(1)
    table = one_factor(a=rng.normal(size=20), b=rng.normal(size=20))
    family = [PlannedContrast("arm", "b", "a")]
    assert compare(table, family, seed=4) == compare(table, family, seed=4)
    assert compare(table, family, seed=4)[0].checks.bootstrap != compare(table, family, seed=5)[0].checks.bootstrap


def test_an_empty_family():
    assert compare(SLEEP, []) == ()
