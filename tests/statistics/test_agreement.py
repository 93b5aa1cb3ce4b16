"""Two studies that rank cells alike, in part or not at all: tau, its limits under noise, and cells ranked apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kpbench.statistics.agreement import (
    Reliability,
    cell_agreement,
    corrected,
    half_width,
    rank_agreement,
    reliable_share,
    residual_variance,
    tau_b,
    taus,
)

CELLS = 18


def factorial(random):
    """True log MSE of 18 cells: three levels, three levels, two levels, and a little of each cell's own."""
    first, second, third = (random.normal(0, size, n) for size, n in ((0.15, 3), (0.05, 3), (0.10, 2)))
    return (first[:, None, None] + second[:, None] + third + random.normal(0, 0.03, (3, 3, 2))).ravel()


def numbered(cells):
    """Names of so many cells."""
    return [{"cell": at} for at in range(cells)]


def study(random, truth, *, blocks=4, sd=0.05):
    """Log MSE of a study: the truth, what a block's cells share, and noise."""
    return truth[:, None] + random.normal(0, 0.2, blocks) + random.normal(0, sd, (len(truth), blocks))


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6),  # one of six pairs turned
        ([1, 1, 2], [1, 2, 3], 2 / np.sqrt(2 * 3)),  # tau-b: a tie counts in its own list
        ([1, 1, 1], [1, 2, 3], None),
    ],
)
def test_tau_by_hand(first, second, tau):
    assert tau_b(first, second) == (None if tau is None else pytest.approx(tau))


@given(st.integers(2, 9), st.integers(1, 5), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_many_taus_are_scipys(cells, spread, seed):
    random = np.random.default_rng(seed)
    first, second = random.integers(0, spread + 1, (2, 5, cells)).astype(float)  # ties are frequent
    wanted = [0.0 if (tau := tau_b(one, other)) is None else tau for one, other in zip(first, second, strict=True)]
    assert taus(first, second) == pytest.approx(wanted)


def test_without_noise_everything_is_one():
    truth = factorial(np.random.default_rng(1))
    logs = truth[:, None] + np.array([0.0, 0.3, -0.1, 0.2])  # blocks differ, cells do not within them
    found = rank_agreement(logs, 2 * logs + 1, draws=200)
    assert found.tau == found.corrected == pytest.approx(1.0)
    assert [(one.share, one.tau) for one in found.reliability] == [(1.0, 1.0)] * 2
    assert found.interval == (1.0, 1.0)
    assert (found.ceiling.tau, found.ceiling.low, found.ceiling.p) == (1.0, 1.0, 1.0)
    turned = rank_agreement(logs, -logs, draws=200)
    assert turned.tau == turned.corrected == -1.0
    assert turned.ceiling.p < 0.01


def test_block_effects_change_nothing():
    random = np.random.default_rng(2)
    truth = factorial(random)
    first, second = study(random, truth), study(random, truth, blocks=5)
    shifted = rank_agreement(first + random.normal(0, 3, 4), second, draws=200)
    plain = rank_agreement(first, second, draws=200)
    assert shifted.tau == plain.tau
    assert shifted.reliability[0].share == pytest.approx(plain.reliability[0].share)
    assert shifted.corrected == pytest.approx(plain.corrected, abs=0.02)


def test_the_share_is_that_of_the_analysis_of_variance():
    random = np.random.default_rng(3)
    logs = study(random, factorial(random), blocks=6, sd=0.1)
    blocks = logs.shape[1]
    # Cronbach's alpha of the blocks as items is Hoyt's reliability.
    alpha = blocks / (blocks - 1) * (1 - logs.var(axis=0, ddof=1).sum() / logs.sum(axis=1).var(ddof=1))
    assert reliable_share(logs) == pytest.approx(alpha)
    assert residual_variance(logs) == pytest.approx(0.01, rel=0.4)


@pytest.mark.parametrize("sd", [0.03, 0.08])
def test_reliability_is_the_tau_of_two_repetitions(sd):
    random = np.random.default_rng(4)
    said, true = [], []
    for _ in range(40):
        truth = factorial(random)
        first, again = study(random, truth, sd=sd), study(random, truth, sd=sd)
        said.append(rank_agreement(first, again, draws=150).reliability[0].tau)
        true.append(tau_b(first.mean(axis=1), again.mean(axis=1)))
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.05)


def repeated(mix, *, repetitions=60, sd=0.05, blocks=4):
    """Agreements of studies whose truths are mixed from a common one, each with the tau to be expected and the true."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(repetitions):
        one = factorial(random)
        other = mix * one + np.sqrt(1 - mix**2) * factorial(random)
        noise = random.normal(0, sd / np.sqrt(blocks), (2, 300, CELLS))
        expected = taus(one + noise[0], other + noise[1]).mean()
        studies = (study(random, truth, sd=sd, blocks=blocks) for truth in (one, other))
        found.append((rank_agreement(*studies, draws=300), expected, tau_b(one, other)))
    return found


@pytest.fixture(scope="module")
def simulated():
    return {mix: repeated(mix) for mix in (1.0, 0.7, 0.0)}


def test_one_truth_is_corrected_to_nearly_one(simulated):
    found = [one for one, _, _ in simulated[1.0]]
    assert np.mean([one.tau for one in found]) < 0.88
    assert np.mean([one.corrected for one in found]) > 0.9
    assert np.mean([one.ceiling.tau for one in found]) == pytest.approx(np.mean([one.tau for one in found]), abs=0.04)
    assert np.mean([one.ceiling.p < 0.05 for one in found]) <= 0.1


def test_a_mixed_truth_is_corrected_without_bias(simulated):
    found = simulated[0.7]
    assert np.mean([one.corrected for one, _, _ in found]) == pytest.approx(
        np.mean([true for _, _, true in found]), abs=0.05
    )
    assert np.mean([one.ceiling.p < 0.05 for one, _, _ in found]) > 0.7


def test_independent_truths_have_no_agreement(simulated):
    found = [one for one, _, _ in simulated[0.0]]
    assert abs(np.mean([one.tau for one in found])) < 0.08
    assert abs(np.mean([one.corrected for one in found])) < 0.1
    assert np.mean([one.ceiling.p < 0.05 for one in found]) > 0.9


@pytest.mark.parametrize("mix", [1.0, 0.7, 0.0])
def test_the_interval_covers_about_as_often_as_its_docstring_says(simulated, mix):
    held = [one.interval[0] <= expected <= one.interval[1] for one, expected, _ in simulated[mix]]
    assert 0.78 <= np.mean(held) <= 1.0
    true = [
        one.corrected_interval[0] - 1e-9 <= true <= one.corrected_interval[1] + 1e-9 for one, _, true in simulated[mix]
    ]
    assert np.mean(true) > 0.6
    assert np.mean([one.interval[1] - one.interval[0] for one, _, _ in simulated[mix]]) < 0.4


def test_the_correction_is_exact_for_normal_effects():
    """Correlation 0.5 seen through reliabilities of 0.8 is 0.4: tau falls from 1/3 to 0.262 and comes back."""
    tau = lambda r: 2 / np.pi * np.arcsin(r)  # noqa: E731
    own = (Reliability(0.8, tau(0.8)), Reliability(0.8, tau(0.8)))
    assert corrected(tau(0.4), own) == pytest.approx(1 / 3)
    assert corrected(tau(0.9), own) == 1.0
    assert corrected(-tau(0.4), own) == pytest.approx(-1 / 3)
    random = np.random.default_rng(6)
    truth = random.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 200)
    first, second = (one[:, None] + random.normal(0, 1, (200, 4)) for one in truth.T)
    found = rank_agreement(first, second, draws=60)
    wanted = stats.kendalltau(*truth.T).statistic
    assert found.corrected == pytest.approx(wanted, abs=0.1)
    assert found.reliability[0].share == pytest.approx(0.8, abs=0.06)


def test_a_study_without_order_or_without_reliability():
    random = np.random.default_rng(7)
    flat, good = np.zeros((5, 4)), study(random, np.arange(5.0))
    found = rank_agreement(flat, good, draws=50)
    assert (found.tau, found.interval, found.corrected, found.ceiling) == (None, None, None, None)
    noise = random.normal(0, 1, (5, 4))
    noise -= noise.mean(axis=1, keepdims=True) * 0.999  # means all but alike
    found = rank_agreement(noise, good, draws=200)
    assert found.reliability[0].share == 0.0
    assert found.tau is not None
    assert found.corrected is found.corrected_interval is None


def test_the_same_seed_gives_the_same_figures():
    random = np.random.default_rng(8)
    truth = factorial(random)
    studies = study(random, truth), study(random, truth)
    assert rank_agreement(*studies, draws=100) == rank_agreement(*studies, draws=100)
    assert rank_agreement(*studies, draws=100).interval != rank_agreement(*studies, draws=100, seed=1).interval


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros((3, 1)), np.zeros((3, 4))),
        (np.zeros((1, 4)), np.zeros((1, 4))),
        (np.zeros((3, 4)), np.zeros((4, 4))),
        (np.zeros(3), np.zeros(3)),
        (np.full((3, 4), np.nan), np.zeros((3, 4))),
    ],
)
def test_other_tables_are_refused(first, second):
    with pytest.raises(ValueError, match=r"log MSE|cells"):
        rank_agreement(first, second)


def test_a_planted_cell_is_found():
    random = np.random.default_rng(0)
    truth = np.linspace(0, 0.9, 12)
    other = truth.copy()
    other[1] += 1.0  # second best becomes worst
    found = cell_agreement(study(random, truth, sd=0.02), study(random, other, sd=0.02), numbered(12), draws=1000)
    assert [cell.cell for cell in found if cell.apart] == [{"cell": 1}]
    assert found[1].ranks == (2, 12)
    assert found[1].p_adjusted < 0.05
    assert found[5].ranks == (6, 5)
    assert found[5].p_adjusted > 0.05


def test_noise_alone_seldom_names_a_cell():
    random = np.random.default_rng(1)
    named = []
    for _ in range(60):
        truth = factorial(random)
        found = cell_agreement(study(random, truth), study(random, truth), numbered(CELLS), draws=400)
        named.append(any(cell.apart for cell in found))
    assert np.mean(named) <= 0.1


def test_without_noise_any_difference_is_real_and_none_is_none():
    logs = np.arange(6.0)[:, None] + np.array([0.0, 0.5, -0.2])
    assert not any(cell.apart for cell in cell_agreement(logs, 3 * logs, numbered(6), draws=200))
    assert all(
        cell.intervals == ((cell.ranks[0],) * 2,) * 2 for cell in cell_agreement(logs, logs, numbered(6), draws=200)
    )


def test_the_half_width_is_students_on_the_residual():
    random = np.random.default_rng(2)
    truth = factorial(random)
    held = []
    for _ in range(200):
        logs = study(random, truth)
        half = half_width(logs)
        held.append(np.abs((logs.mean(axis=1) - logs.mean()) - (truth - truth.mean())) < half)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    logs = np.array([[0.0, 1.0], [1.0, 0.0]])  # residual mean square 1 with one degree of freedom
    assert half_width(logs) == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt(0.5))
