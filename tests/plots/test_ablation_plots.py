"""The numbers behind the plots of an ablation, on studies with planted effects."""

import math

import pytest

from kpbench.plots.ablation_names import effect_words, factor_names, level_look
from kpbench.plots.forest import forest_lines
from kpbench.plots.interaction import simple_ratios
from kpbench.plots.level_curves import level_curve
from kpbench.plots.paired_slopes import slopes
from kpbench.plots.ratios import ratio_ends, ratio_ticks
from kpbench.plots.scores import geometric_mean, score_axis
from kpbench.plots.seeds_by_level import seed_points
from kpbench.plots.variance_shares import shares
from tests.ablation_rows import CROSSED, EFFECTS, FLOOR_SCORES, analysis

NORM, DROPOUT = CROSSED


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    return analysis(tmp_path_factory.mktemp("a") / "a", factors=CROSSED, crossed=True, noise=0.01)


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    return analysis(tmp_path_factory.mktemp("b") / "b", diverged=[(1, 2)], missing=[(2, 4)])


def test_the_forest_holds_every_contrast_with_the_numbers_of_the_analysis(crossed):
    lines = forest_lines(crossed)
    assert [line.name for line in lines] == [
        "norm batch against none", "norm spatial_batch against none",
        "dropout standard against none", "dropout spatial against none",
    ]  # fmt: skip
    for line, contrast in zip(lines, crossed.contrasts, strict=True):
        ci = contrast.evidence.ci
        assert (line.ratio, line.low, line.high, line.word) == (contrast.ratio, ci.low, ci.high, contrast.verdict.word)
    assert [line.word for line in lines[:3]] == ["better", "better", "worse"]
    assert lines[0].ratio == pytest.approx(math.exp(EFFECTS["network.norm=batch"]), rel=0.02)
    assert effect_words(crossed, crossed.contrasts[0]) == "averaged over dropout"


def test_slopes_multiply_to_the_ratio_and_know_which_side_diverged(lost):
    batch, spatial = lost.contrasts
    found = slopes(lost.table, batch)
    assert len(found) == 8
    assert geometric_mean(line.baseline / line.level for line in found) == pytest.approx(batch.ratio)
    assert [line.block for line in found if line.level_failed] == [2]
    assert not any(line.baseline_failed for line in found)
    assert found[2].level == pytest.approx(FLOOR_SCORES["mean face"]["test"])
    assert [line.block for line in slopes(lost.table, spatial)] == [0, 1, 2, 3, 5, 6, 7]


def test_every_run_of_a_level_is_a_point(crossed, lost):
    assert [len(seed_points(crossed, level)) for level in crossed.levels] == [24] * 6
    none, batch, spatial = lost.levels
    assert [len(seed_points(lost, level)) for level in (none, batch, spatial)] == [8, 8, 7]
    assert [point.block for point in seed_points(lost, batch) if point.failed] == [2]


def test_a_curve_is_the_geometric_mean_over_whole_blocks(lost):
    none, batch = (level_curve(lost, NORM, level) for level in ("none", "batch"))
    assert none.epochs == tuple(range(1, 13)) and set(none.seeds) == {8}
    assert set(batch.seeds) == {7}
    ends = [row.curve[-1].val_score for row in lost.rows if row.params[NORM] == "none" and row.role == "ablation"]
    assert none.mean[-1] == pytest.approx(geometric_mean(ends))
    assert (none.low[-1], none.high[-1]) == pytest.approx((min(ends), max(ends)))


def test_simple_ratios_recover_the_planted_interaction(crossed):
    found = {(one.level, one.at): one for one in simple_ratios(crossed, NORM, DROPOUT)}
    assert all(found["none", at].ratio == 1.0 for at in CROSSED[DROPOUT])
    plain = EFFECTS["network.norm=spatial_batch"]
    assert math.log(found["spatial_batch", "none"].ratio) == pytest.approx(plain, abs=0.02)
    assert math.log(found["spatial_batch", "standard"].ratio) == pytest.approx(plain + 0.25, abs=0.02)
    one = found["batch", "none"]
    assert one.low < one.ratio < one.high and one.n == 8


def test_shares_add_up_and_name_their_terms(crossed, lost):
    found = shares(crossed)
    assert [one.name for one in found] == ["norm", "dropout", "norm × dropout", "seed (block)", "residual"]
    assert sum(one.percent for one in found) == pytest.approx(100)
    assert found[-1].percent == pytest.approx(found[-1].noise_percent)
    assert shares(lost) == ()


def test_names_are_short_unless_two_factors_share_them(tmp_path):
    assert factor_names(analysis(tmp_path / "a", seeds=2).design) == {NORM: "norm"}
    both = {"network.rate": (0, 1), "training.rate": (0, 1)}
    assert factor_names(analysis(tmp_path / "b", factors=both, seeds=2).design) == {name: name for name in both}


def test_levels_look_different():
    assert len({level_look(at) for at in range(20)}) == 20


@pytest.mark.parametrize("values", [[], [1.0], [0.97, 1.04], [0.5, 1.3], [0.2, 8.0], [1e-9, 1e9], [math.inf, 0.0]])
def test_a_ratio_axis_holds_the_band_and_has_readable_ticks(values):
    low, high = ratio_ends(values, sesoi=0.05)
    assert low < 1 / 1.05 < 1.05 < high
    ticks = ratio_ticks(low, high)
    assert 1 in ticks and 3 <= len(ticks) <= 8


def test_a_logarithmic_score_axis_can_be_asked_for():
    axis = score_axis([190.0, 260.0], log=True)
    assert axis.log and len(axis.ticks) >= 3
    assert axis.low < 190 < 260 < axis.high
    assert not score_axis([190.0, 260.0]).log
    assert score_axis([100.0], log=True).low < 100 < score_axis([100.0], log=True).high
