import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from kpbench.statistics.corrections import adjusted_p, exploratory_p, interval_note, step_alphas

# Benjamini & Hochberg (1995), section 3.1: fifteen p values of a trial in myocardial infarction.
INFARCTION = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
    1.0000,
]  # fmt: skip


def test_holm_on_a_textbook_vector():
    assert adjusted_p([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert adjusted_p([0.01, 0.02, 0.03, 0.04]) == pytest.approx((0.04, 0.06, 0.06, 0.06))


def test_the_infarction_trial():
    assert sum(p <= 0.05 for p in exploratory_p(INFARCTION)) == 4
    assert sum(p <= 0.05 for p in adjusted_p(INFARCTION)) == 3


@pytest.mark.parametrize("m", [1, 2, 3, 7, 20])
def test_agreement_with_statsmodels(m):
    p = np.random.default_rng(m).beta(0.3, 2.0, size=m)
    assert adjusted_p(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert exploratory_p(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_an_empty_family():
    assert adjusted_p([]) == exploratory_p([]) == step_alphas([]) == ()


def test_no_correction_leaves_p_alone():
    assert adjusted_p([0.01, 0.2], correction="none") == (0.01, 0.2)
    assert step_alphas([0.01, 0.2], correction="none") == (0.05, 0.05)


def test_the_levels_are_holms_steps():
    # Rejected at 0.05 / 4 and 0.05 / 3; the third step, 0.05 / 2, fails, and the rest stand there.
    assert step_alphas([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.05 / 3, 0.025, 0.025, 0.0125))
    # A small p after the stop is not tested at a milder level.
    assert step_alphas([0.02, 0.021, 0.022]) == pytest.approx((0.05 / 3,) * 3)


@pytest.mark.parametrize("correction", ["holm", "none"])
def test_p_is_below_its_level_exactly_where_the_adjusted_p_is_below_alpha(correction):
    rng = np.random.default_rng(1)
    for _ in range(300):
        p = rng.beta(0.4, 3.0, size=int(rng.integers(1, 7)))
        levels = step_alphas(p, correction=correction)
        adjusted = adjusted_p(p, correction=correction)
        assert [a <= b for a, b in zip(p, levels, strict=True)] == [value <= 0.05 for value in adjusted]


@pytest.mark.parametrize("p", [[0.1, float("nan")], [-0.1], [1.1]])
def test_a_p_lies_between_0_and_1(p):
    for function in (adjusted_p, exploratory_p, step_alphas):
        with pytest.raises(ValueError, match="between 0 and 1"):
            function(p)


def test_unknown_correction_and_alpha():
    with pytest.raises(ValueError, match="holm, none"):
        adjusted_p([0.1], correction="hochberg")
    with pytest.raises(ValueError, match="alpha"):
        step_alphas([0.1], alpha=5)


def test_the_note_says_which_interval_is_shown():
    assert "between 95 % and 98.3 % for 3 contrasts" in interval_note(3)
    assert "without correction" in interval_note(3, correction="none")
    assert "without correction" in interval_note(1)
