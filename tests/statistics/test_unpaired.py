import math

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.estimate import paired
from kpbench.statistics.unpaired import overlapping, shared_correlation, superiority_of_all_pairs, welch

from .examples import SLEEP_ONE, SLEEP_TWO

DRAW = np.random.default_rng(3)
FEW, MANY = DRAW.normal(0.0, 0.1, 5), DRAW.normal(0.2, 0.4, 17)


@pytest.mark.parametrize(("first", "second"), [(SLEEP_ONE, SLEEP_TWO), (FEW, MANY), (MANY, FEW)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_welch_agrees_with_scipy(first, second, confidence):
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = welch(first, second)
    assert (found.t, found.p, found.df) == pytest.approx((expected.statistic, expected.pvalue, expected.df))
    interval = found.interval(confidence)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.confidence_interval(confidence)))


def test_samples_that_do_not_vary():
    same, apart = welch([1.0, 1.0], [1.0, 1.0, 1.0]), welch([1.0, 1.0], [2.0, 2.0])
    assert (same.t, same.p, same.difference, same.error) == (0.0, 1.0, 0.0, 0.0)
    assert (apart.t, apart.p) == (-math.inf, 0.0)
    assert apart.interval(0.95).high == -1.0
    assert apart.detectable() == 0.0
    one = welch([1.0, 1.0, 1.0], [2.0, 2.1, 1.9])
    assert one.df == pytest.approx(2.0)
    assert 0.0 < one.p < 0.01


@pytest.mark.parametrize("contrasts", [1, 3])
def test_the_detectable_effect_is_found_as_often_as_it_says(contrasts):
    n, m, alpha = 8, 16, 0.05
    ones = np.array([-1.0, 1.0] * 4) * math.sqrt(7 / 8), np.array([-1.0, 1.0] * 8) * math.sqrt(15 / 16)
    design = welch(ones[0], ones[1])  # both samples have sd 1
    shift = math.log1p(design.detectable(alpha=alpha, contrasts=contrasts) / 100)
    draw = np.random.default_rng(5)
    samples = draw.normal(0, 1, (4000, n)), draw.normal(shift, 1, (4000, m))
    p = stats.ttest_ind(*samples, axis=1, equal_var=False).pvalue
    assert np.mean(p < alpha / contrasts) == pytest.approx(0.8, abs=0.03)


def test_detectable_grows_with_the_family_and_refuses_what_is_no_power():
    found = welch(FEW, MANY)
    assert found.detectable(contrasts=5) > found.detectable() > found.detectable(power=0.5)
    for options in ({"alpha": 0.9}, {"alpha": 0.0}, {"power": 1.0}, {"contrasts": 0}):
        with pytest.raises(ValueError, match="alpha"):
            found.detectable(**options)


def test_two_seeds_each_at_a_small_alpha_still_have_a_detectable_effect():
    assert welch([0.0, 0.1], [0.3, 0.35]).detectable(alpha=1e-4) > 1000


def test_superiority_is_mann_and_whitneys_u():
    found = superiority_of_all_pairs(FEW, MANY)
    u = stats.mannwhitneyu(MANY, FEW).statistic
    assert found.share == pytest.approx(u / (5 * 17))
    assert 0.0 < found.interval.low < found.share < found.interval.high < 1.0
    mirrored = superiority_of_all_pairs(MANY, FEW)
    assert mirrored.interval.low == pytest.approx(1.0 - found.interval.high)
    assert superiority_of_all_pairs([1.0, 1.0], [1.0, 1.0]).share == 0.5


def test_superiority_in_every_pair_is_not_certainty():
    found = superiority_of_all_pairs(np.arange(5.0), np.arange(5.0) + 9.0)
    assert found.share == found.interval.high == 1.0
    assert 0.5 < found.interval.low < 0.9
    assert superiority_of_all_pairs(np.arange(5.0) + 9.0, np.arange(5.0)).interval.high == pytest.approx(
        1.0 - found.interval.low
    )


@pytest.mark.parametrize(("n", "m", "effect"), [(5, 5, 0.0), (5, 5, 1.0), (8, 16, 0.5), (5, 16, 1.5)])
def test_the_interval_of_superiority_covers(n, m, effect):
    truth = stats.norm.cdf(effect / math.sqrt(2))
    draw = np.random.default_rng(7)
    intervals = [superiority_of_all_pairs(draw.normal(0, 1, n), draw.normal(effect, 1, m)).interval for _ in range(400)]
    assert np.mean([not interval.excludes(truth) for interval in intervals]) > 0.92


@pytest.mark.parametrize("function", [welch, superiority_of_all_pairs])
@pytest.mark.parametrize("values", [[1.0], [1.0, math.nan], [1.0, math.inf]])
def test_what_is_refused(function, values):
    for sides in ((values, FEW), (FEW, values)):
        with pytest.raises(ValueError, match="finite"):
            function(*sides)
    with pytest.raises(ValueError, match="confidence"):
        superiority_of_all_pairs(FEW, MANY, confidence=1.0)
    with pytest.raises(ValueError, match="confidence"):
        welch(FEW, MANY).interval(confidence=0.0)


# --- overlapping samples


def studies(draw, n, m, shared, *, correlation, trials):
    """Pairs of studies without a difference; log MSE by seed, the last `shared` of the first's seeds in both."""
    for _ in range(trials):
        block, sd = draw.normal(0, math.sqrt(correlation), n + m), math.sqrt(1 - correlation)
        ends = (range(n), range(n - shared, n - shared + m))
        yield [{seed: block[seed] + draw.normal(0, sd) for seed in seeds} for seeds in ends]


def test_the_limits_are_students_paired_t_and_welchs():
    draw = np.random.default_rng(0)
    ((first, second),) = studies(draw, 8, 8, 8, correlation=0.8, trials=1)
    turned = dict(reversed(second.items()))
    assert overlapping(first, turned) == paired([first[seed] - second[seed] for seed in first])
    for shared in (0, 1, 2):
        ((first, second),) = studies(draw, 8, 12, shared, correlation=0.8, trials=1)
        assert overlapping(first, second) == welch(list(first.values()), list(second.values()))
        assert shared_correlation(first, second) is None
    assert overlapping({1: 0.0, 2: 0.1}, {1: 0.3, 2: 0.35}) == paired([0.0 - 0.3, 0.1 - 0.35])


def test_overlapping_samples_by_hand():
    """T_new2 and its degrees of freedom, written out as in Derrick et al. (2017), sections 2 and 3."""
    first = {0: 1.0, 1: 2.0, 2: 4.0, 3: 3.0, 4: 7.0}
    second = {2: 3.0, 3: 3.5, 4: 9.0, 5: 1.0}
    x, y = np.array(list(first.values())), np.array(list(second.values()))
    r = np.corrcoef(x[2:], y[:3])[0, 1]
    n1, n2, nc = 5, 4, 3
    parts = x.var(ddof=1) / n1, y.var(ddof=1) / n2
    variance = sum(parts) - 2 * r * x.std(ddof=1) * y.std(ddof=1) * nc / (n1 * n2)
    gamma = sum(parts) ** 2 / (parts[0] ** 2 / (n1 - 1) + parts[1] ** 2 / (n2 - 1))
    na, nb = n1 - nc, n2 - nc
    found = overlapping(first, second)
    assert found.difference == pytest.approx(x.mean() - y.mean())
    assert found.error == pytest.approx(math.sqrt(variance))
    assert found.df == pytest.approx((nc - 1) + (gamma - nc + 1) / (na + nb + 2 * nc) * (na + nb))
    assert found.n == 4
    back = overlapping(second, first)
    assert (back.difference, back.error, back.df) == pytest.approx((-found.difference, found.error, found.df))


@pytest.mark.parametrize("correlation", [0.0, 0.8])
@pytest.mark.parametrize("shared", [0, 4, 8])
def test_overlapping_samples_keep_their_error(shared, correlation):
    found = studies(np.random.default_rng(shared), 8, 12, shared, correlation=correlation, trials=3000)
    assert np.mean([overlapping(*pair).p < 0.05 for pair in found]) <= 0.06


@pytest.mark.parametrize(
    ("n", "m", "shared", "correlation"), [(8, 8, 5, 0.0), (8, 8, 5, 0.5), (8, 12, 4, 0.8), (8, 12, 8, 0.0)]
)
def test_all_seeds_give_a_narrower_interval_than_the_shared_ones(n, m, shared, correlation):
    widths = []
    for first, second in studies(np.random.default_rng(9), n, m, shared, correlation=correlation, trials=400):
        both = sorted(first.keys() & second.keys())
        intervals = [
            found.interval(0.95)
            for found in (overlapping(first, second), paired([first[seed] - second[seed] for seed in both]))
        ]
        widths.append([interval.high - interval.low for interval in intervals])
    every, dropped = np.mean(widths, axis=0)
    assert every < 0.95 * dropped


@pytest.mark.parametrize("shared", [0, 5, 8])
def test_block_correlation_narrows_where_seeds_are_shared(shared):
    """The gain over Welch's on the same seeds."""
    pairs = list(studies(np.random.default_rng(2), 8, 12, shared, correlation=0.8, trials=200))
    ours = np.mean([overlapping(*pair).error for pair in pairs])
    separate = np.mean([welch(*(list(side.values()) for side in pair)).error for pair in pairs])
    assert (ours < 0.9 * separate) == (shared > 0)


def test_sides_that_do_not_vary_are_taken_as_independent():
    first, second = dict.fromkeys(range(5), 1.0), {seed: 0.1 * seed for seed in range(2, 9)}
    assert overlapping(first, second) == welch(list(first.values()), list(second.values()))


@pytest.mark.parametrize(
    ("first", "second"), [({1: 0.0}, {1: 0.0}), ({1: 0.0}, {2: 0.0, 3: 1.0}), ({1: 0.0, 2: math.nan}, {3: 1.0, 4: 0.0})]
)
def test_overlapping_samples_that_are_refused(first, second):
    with pytest.raises(ValueError, match="finite"):
        overlapping(first, second)
