import pytest

from kpbench.statistics.scale import log_margin, percent_change, rmse_px
from kpbench.task.score import score_from_mse


@pytest.mark.parametrize(("score", "pixels"), [(100, 3.39), (261, 2.10), (703, 1.28)])
def test_a_score_is_1152_over_the_squared_rmse(score, pixels):
    mse = 1 / (2 * score)
    assert score_from_mse(mse) == pytest.approx(score)
    assert rmse_px(mse) == pytest.approx(pixels, abs=0.005)
    assert 1152 / rmse_px(mse) ** 2 == pytest.approx(score)


def test_changes():
    assert percent_change(0.9) == pytest.approx(-10)


@pytest.mark.parametrize("sesoi", [0.0, -0.05, float("nan"), float("inf")])
def test_a_smallest_effect_is_a_positive_share(sesoi):
    with pytest.raises(ValueError, match="smallest effect"):
        log_margin(sesoi)
