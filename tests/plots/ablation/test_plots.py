"""The numbers behind the plots of an ablation, on studies with planted effects."""

import math

import pytest

from kpbench.faces.faces import KEYPOINTS
from kpbench.plots.ablation.forest import draw_forest
from kpbench.plots.ablation.interaction import simple_ratios
from kpbench.plots.ablation.keypoint_difference import (
    MEAN_FACE,
    draw_keypoint_difference,
    keypoint_marks,
    scale_edges,
    step_of,
)
from kpbench.plots.ablation.level_curves import level_curve
from kpbench.plots.ablation.measures import draw_measures, shift_curve
from kpbench.plots.ablation.names import effect_words, factor_names, level_look
from kpbench.plots.ablation.paired_slopes import slopes
from kpbench.plots.ablation.seeds_by_level import seed_points
from kpbench.plots.ablation.variance_shares import shares
from kpbench.plots.ratios import ratio_ends, ratio_ticks
from kpbench.plots.scores import geometric_mean, score_axis
from tests.ablation_rows import CROSSED, EFFECTS, FLOOR_SCORES, MOUTH, SHIFTS, analysis

NORM, DROPOUT = CROSSED


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    return analysis(tmp_path_factory.mktemp("a") / "a", factors=CROSSED, crossed=True, noise=0.01)


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    return analysis(tmp_path_factory.mktemp("b") / "b", diverged=[(1, 2)], missing=[(2, 4)])


def test_the_forest_draws_every_contrast_with_the_numbers_of_the_analysis(crossed):
    figure = draw_forest(crossed).panels[0].figure
    words = [note.text.removeprefix("<b>").removesuffix("</b>") for note in figure.layout.annotations]
    assert words[::2] == [
        "norm batch against none", "norm spatial_batch against none",
        "dropout standard against none", "dropout spatial against none",
    ]  # fmt: skip
    assert words[1::2] == [contrast.verdict.word for contrast in crossed.contrasts]
    assert words[1:6:2] == ["better", "better", "worse"]
    for at, (contrast, detail) in enumerate(zip(crossed.contrasts, crossed.details, strict=True)):
        faces, interval, mark = (trace.x for trace in figure.data if trace.y[0] == at and len(trace.x) < 5)
        assert interval == pytest.approx((contrast.ci.low, contrast.ci.high), rel=1e-5)
        assert faces == pytest.approx((detail.seeds_and_faces.low, detail.seeds_and_faces.high), rel=1e-5)
        assert mark == pytest.approx((contrast.ratio,), rel=1e-5)
    assert crossed.contrasts[0].ratio == pytest.approx(math.exp(EFFECTS["network.norm=batch"]), rel=0.02)
    assert effect_words(crossed, crossed.contrasts[0]) == "averaged over dropout"


def test_slopes_multiply_to_the_ratio_and_know_which_side_diverged(lost):
    batch, spatial = lost.contrasts
    found = slopes(lost.table, batch)
    assert len(found) == 8
    assert geometric_mean(line.scores[0] / line.scores[1] for line in found) == pytest.approx(batch.ratio)
    assert [line.block for line in found if line.failed[1]] == [1002]
    assert not any(line.failed[0] for line in found)
    assert found[2].scores[1] == pytest.approx(FLOOR_SCORES["mean face"]["test"])
    assert [line.block for line in slopes(lost.table, spatial)] == [1000, 1001, 1002, 1003, 1005, 1006, 1007]


def test_every_run_of_a_level_is_a_point(crossed, lost):
    assert [len(seed_points(crossed, level)) for level in crossed.levels] == [24] * 6
    none, batch, spatial = lost.levels
    assert [len(seed_points(lost, level)) for level in (none, batch, spatial)] == [8, 8, 7]
    assert [block for block, _, failed in seed_points(lost, batch) if failed] == [1002]


def test_a_curve_is_the_geometric_mean_over_whole_blocks(lost):
    none, batch = (level_curve(lost, NORM, level) for level in ("none", "batch"))
    assert none.at == tuple(range(1, 13)) and none.seeds == 8
    assert batch.seeds == 7
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
    assert one.ci[0] < one.ratio < one.ci[1] and one.n == 8


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


def test_keypoints_stand_at_their_places_with_the_numbers_of_the_analysis(crossed):
    marks = dict(keypoint_marks(crossed)[0])
    assert list(marks)[1] == "norm spatial_batch against none"
    spatial = marks["norm spatial_batch against none"]
    assert [mark.place for mark in spatial] == list(MEAN_FACE)
    assert [mark.found for mark in spatial] == list(crossed.details[1].keypoints)
    assert all(mark.ringed for mark in spatial)
    for mine, detail in zip(marks.values(), crossed.details, strict=True):
        assert tuple(mark.ringed for mark in mine) == detail.marked(crossed.design.alpha)
    assert {mark.step for mark in marks["dropout spatial against none"]} == {0}
    assert all(mark.step < 0 for mark in spatial)
    assert max(spatial[at].step for at in MOUTH) < min(mark.step for at, mark in enumerate(spatial) if at not in MOUTH)
    assert all(mark.step > 0 for mark in marks["dropout standard against none"])


def test_places_of_the_mean_face_are_left_and_right_of_the_subject():
    names = dict(zip(KEYPOINTS, MEAN_FACE, strict=True))
    assert names["left_eye_center"][0] > names["nose_tip"][0] > names["right_eye_center"][0]
    assert names["left_eyebrow_outer_end"][1] < names["left_eye_center"][1] < names["mouth_center_top_lip"][1]


@pytest.mark.parametrize("ratios", [[], [1.0] * 15, [0.99, 1.02], [0.5, 0.8, 1.3], [1e-3, 1e3], [0.7] * 14 + [30.0]])
@pytest.mark.parametrize("sesoi", [0.001, 0.05, 0.5])
def test_the_colour_scale_is_even_and_neutral_within_the_effect_of_interest(ratios, sesoi):
    edges = scale_edges(ratios, sesoi=sesoi)
    assert edges[0] == 1 + sesoi and edges[0] < edges[1] < edges[2]
    assert step_of(1.0, edges) == step_of(edges[0] / 1.0001, edges) == step_of(1.0001 / edges[0], edges) == 0
    for ratio in ratios:
        assert step_of(ratio, edges) == -step_of(1 / ratio, edges)
    assert step_of(edges[2] * 1.01, edges) == 3


def test_more_than_six_contrasts_are_drawn_small_and_rows_without_keypoints_not_at_all(crossed, tmp_path):
    many = analysis(tmp_path / "a", factors={"training.lr": tuple(10.0**-at for at in range(8))}, seeds=5)
    drawing = draw_keypoint_difference(many)
    assert len(drawing.panels) == 7
    large = draw_keypoint_difference(crossed).panels[0]
    assert drawing.panels[0].figure.layout.height < large.figure.layout.height
    assert len(large.levels) == 16 and large.levels[1][0] == "left eye center"
    old = draw_keypoint_difference(analysis(tmp_path / "b", details=False))
    assert not old.panels and "errors of single keypoints" in old.notes[0]


def test_shift_curves_hold_the_scores_of_the_levels(crossed, tmp_path):
    level = crossed.levels[2]
    curve = shift_curve(level)
    assert curve.at == SHIFTS and curve.seeds == 8
    assert curve.mean == tuple(one.interval.score for one in level.measures[:-1])
    assert all(low < score < high for low, score, high in zip(curve.low, curve.mean, curve.high, strict=True))
    assert [panel.title for panel in draw_measures(crossed).panels] == ["norm", "dropout"]
    assert not draw_measures(analysis(tmp_path / "a", details=False)).panels
