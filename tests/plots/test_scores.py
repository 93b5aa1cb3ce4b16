import math
from itertools import pairwise

import pytest

from kpbench.plots.drawing import score_layout
from kpbench.plots.scores import (
    beyond,
    counts,
    drawable,
    geometric_mean,
    outcomes,
    outlying,
    score_axis,
    score_rmse_px,
    show_score,
    thinned,
    val_score,
)
from tests.study_rows import row


def test_the_geometric_mean_is_the_score_of_the_geometric_mean_mse():
    assert geometric_mean([50.0, 200.0]) == pytest.approx(100.0)
    assert geometric_mean([7.5]) == pytest.approx(7.5)
    mses = [0.004, 0.006, 0.02]
    by_mse = 1 / (2 * math.prod(mses) ** (1 / 3))
    assert geometric_mean([1 / (2 * mse) for mse in mses]) == pytest.approx(by_mse)


@pytest.mark.parametrize(
    ("scores", "mean"),
    [
        ([], math.nan),
        ([1.0, math.nan], math.nan),
        ([1.0, math.inf], math.inf),
        ([1.0, 0.0], 0.0),
        ([2.0, -1.0], math.nan),
    ],
)
def test_the_geometric_mean_at_the_edges(scores, mean):
    assert geometric_mean(scores) == pytest.approx(mean, nan_ok=True)


def test_only_a_complete_run_with_a_positive_score_is_judged():
    assert val_score(row({"a": 1}, score=80.0)) == 80.0
    assert val_score(row({"a": 1}, score=math.inf)) == math.inf
    for lost in (
        row({"a": 1}, score=80.0, state="pruned"),
        row({"a": 1}, score=None, state="failed"),
        row({"a": 1}, score=math.nan),
        row({"a": 1}, score=None),
        row({"a": 1}, score=0.0),
    ):
        assert math.isnan(val_score(lost))


def test_infinity_counts_but_is_not_drawn():
    assert counts(math.inf)
    assert not drawable(math.inf)
    assert not any(map(counts, (None, math.nan, 0.0, -1.0)))


def test_runs_without_a_usable_score_are_counted():
    rows = [row({"a": 1}, score=score) for score in (5.0, math.nan, None, math.inf, 0.0)]
    rows.append(row({"a": 1}, score=None, state="failed"))
    rows.append(row({"a": 1}, score=7.0, state="pruned"))
    assert outcomes(rows) == ((5.0, math.inf), 1, 4)


def test_a_score_in_pixels():
    assert score_rmse_px(100.0) == pytest.approx(3.394, abs=1e-3)
    assert score_rmse_px(703.0) == pytest.approx(1.28, abs=1e-2)
    assert score_rmse_px(0.0) == math.inf
    assert score_rmse_px(math.inf) == 0.0


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (None, "–"), (math.nan, "–"), (math.inf, "∞"), (0.0, "0"), (3.14159, "3.14"), (99.96, "100"), (214.4, "214"),
        (12345.6, "12,346"), (1.5e9, "1.5e9"),
    ],
)  # fmt: skip
def test_a_score_for_reading(score, text):
    assert show_score(score) == text


def test_the_axis_is_logarithmic_only_where_scores_span_far():
    near = score_axis([120.0, 200.0])
    assert not near.log
    assert near.low < 120 and near.high > 200
    far = score_axis([2.0, 200.0])
    assert far.log
    layout = score_layout(far, title="score")
    assert layout["type"] == "log" and layout["range"] == [math.log10(far.low), math.log10(far.high)]
    assert far.place(far.low) == pytest.approx(0)
    assert far.place(far.high) == pytest.approx(1)
    assert far.place(20.0) == pytest.approx(0.5)


@pytest.mark.parametrize("scores", [[1.0, 1e9], [0.001, 0.002], [100.0], [99.9, 100.1], [3.0, 20.0], [1e-9, 1.0, 1e12]])
def test_an_axis_holds_its_scores_and_two_to_eight_ticks(scores):
    axis = score_axis(scores)
    assert axis.low <= min(scores) and max(scores) <= axis.high
    assert axis.low < axis.high
    assert 2 <= len(axis.ticks) <= 8
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


def test_an_axis_without_a_drawable_score_is_still_an_axis():
    for scores in ([], [math.nan, math.inf, None, 0.0, -3.0]):
        axis = score_axis(scores)
        assert 0 <= axis.low < axis.high < math.inf


def test_only_marks_near_the_scores_widen_the_axis():
    assert score_axis([150.0, 200.0], marks=[100.0]).low < 100
    assert score_axis([1500.0, 2000.0], marks=[100.0]).low > 100


def test_thinning_is_even_and_keeps_both_ends():
    assert thinned(range(3), 10) == [0, 1, 2]
    assert thinned([], 10) == []
    kept = thinned(range(5000), 100)
    assert len(kept) == len(set(kept)) == 100
    assert kept[0] == 0 and kept[-1] == 4999
    assert max(b - a for a, b in pairwise(kept)) <= 51


@pytest.mark.parametrize(
    ("scores", "least"),
    [
        ([0.5, 200.0, 210.0, 220.0, 300.0], 200.0),
        ([0.5, 200.0, 210.0, 300.0], 0.0),  # too few to say
        ([60.0, 80.0, 100.0, 120.0, 300.0], 0.0),
        ([99.0, 250.0, 250.0, 250.0, 250.0], 0.0),  # near enough
        ([0.5, 0.6, *range(200, 208)], 0.0),  # two of ten are no outlier
        ([0.5, 0.6, *range(200, 218)], 200.0),
        ([200.0, 210.0, 220.0, 230.0, 90_000.0], 0.0),  # what is high is never beyond
        ([math.nan, None, 0.0, math.inf, 5.0], 0.0),
    ],
)
def test_only_a_few_low_scores_that_squeeze_the_others_are_outlying(scores, least):
    assert outlying(scores) == least


def test_an_axis_leaves_an_outlying_run_beyond_it_and_says_so():
    scores = [0.5, 200.0, 210.0, 220.0, 300.0]
    axis = score_axis(scores, marks=[100.0])
    assert 80 < axis.low < 100 and not axis.log
    assert beyond(axis, scores) == (f"1 run beyond the axis, below {show_score(axis.low)}.",)
    assert beyond(score_axis(scores, least=0.0), scores) == ()
