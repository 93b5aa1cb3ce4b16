import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.power import TTestPower

from kpbench.statistics.estimate import Estimate, paired
from kpbench.statistics.power import (
    detectable_d,
    detectable_shift,
    equivalence_power,
    power_at,
    seeds_for,
    seeds_needed,
)
from kpbench.statistics.verdicts import needed_seeds

EFFECTS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0)


@pytest.mark.parametrize(
    ("contrasts", "seeds"), [(1, (90, 34, 15, 10, 6, 5, 4)), (3, (120, 45, 20, 14, 8, 6, 5))], ids=["alone", "holm"]
)
def test_the_table_of_the_design(contrasts, seeds):
    assert tuple(seeds_for(d_z, contrasts=contrasts) for d_z in EFFECTS) == seeds


@pytest.mark.parametrize("d_z", [0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("n", [5, 8, 32])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_power_agrees_with_statsmodels(d_z, n, alpha):
    assert power_at(d_z, n, alpha=alpha) == pytest.approx(TTestPower().power(d_z, n, alpha), abs=1e-9)
    assert power_at(-d_z, n, alpha=alpha) == power_at(d_z, n, alpha=alpha)


@pytest.mark.parametrize(("d_z", "n"), [(8.0, 2), (5.0, 5), (3.0, 8), (2.0, 16)])
def test_power_stays_finite_where_statsmodels_is_not(d_z, n):
    level = 0.05 / 3
    edge, shift = stats.t.isf(level / 2, n - 1), d_z * math.sqrt(n)

    def given_spread(s: float) -> float:  # condition on sd / sigma, then the mean is normal
        return stats.norm.sf(edge * s - shift) * 2 * (n - 1) * s * stats.chi2.pdf((n - 1) * s * s, n - 1)

    expected, _ = integrate.quad(given_spread, 0, np.inf)
    assert power_at(d_z, n, contrasts=3) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 16, 32])
@pytest.mark.parametrize("contrasts", [1, 3, 10])
def test_the_detectable_effect_has_the_power(n, contrasts):
    d_z = detectable_d(n, contrasts=contrasts)
    assert power_at(d_z, n, contrasts=contrasts) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("n", [8, 16, 32])
def test_seeds_and_detectable_effect_are_inverse(n):
    d_z = detectable_d(n)
    assert seeds_for(d_z * 1.001) == n
    assert seeds_for(d_z * 0.97) > n


def test_detectable_percent_of_an_estimate():
    estimate = paired(np.random.default_rng(0).normal(0, 0.05, size=8))
    assert estimate.detectable() == pytest.approx(100 * (math.exp(estimate.sd * detectable_d(8)) - 1))
    assert paired(np.zeros(8)).detectable() == 0.0
    assert math.isfinite(Estimate(0.0, 50.0, 1.0, 2).detectable(contrasts=100))


def test_seeds_needed():
    found = seeds_needed(0.1, 7, sesoi=0.05)
    assert found.d_z == pytest.approx(math.log(1.05) / 0.1)
    assert found.seeds == seeds_for(found.d_z) == 35
    upper = 0.1 * math.sqrt(7 / stats.chi2.ppf(0.2, 7))
    assert found.cautious == seeds_for(math.log(1.05) / upper) > found.seeds
    assert seeds_needed(0.1, 7, contrasts=3).seeds > found.seeds


def test_seeds_needed_are_never_fewer_than_a_verdict_needs():
    assert seeds_needed(0.001, 7).seeds == seeds_needed(0.0, 7).seeds == needed_seeds(1, 0.05) == 6


@pytest.mark.parametrize(
    "call",
    [
        lambda: power_at(1.0, 1),
        lambda: power_at(1.0, 8, alpha=5),
        lambda: power_at(1.0, 8, contrasts=0),
        lambda: seeds_for(0.0),
        lambda: seeds_for(1.0, power=1.0),
        lambda: detectable_d(8, power=0.01),
        lambda: seeds_needed(-1.0, 7),
        lambda: seeds_needed(0.1, 0),
        lambda: seeds_needed(0.1, 7, sesoi=0.0),
    ],
)
def test_what_is_refused(call):
    with pytest.raises(ValueError):
        call()


@pytest.mark.parametrize("n", [8, 16, 32, 64])
def test_the_power_of_equivalence_is_delivered(n):
    ratio = math.log(1.05) / 0.1
    values = np.random.default_rng(n).normal(0, 1, size=(20_000, n))
    half = stats.t.ppf(0.975, n - 1) * values.std(axis=1, ddof=1) / math.sqrt(n)
    fits = float(np.mean(np.abs(values.mean(axis=1)) + half < ratio))
    assert equivalence_power(ratio, n) == pytest.approx(fits, abs=0.01)


def test_equivalence_needs_more_seeds_than_a_difference():
    found = seeds_needed(0.1, 7)
    assert found.equivalent == 47 > found.seeds
    assert equivalence_power(math.log(1.05) / 0.1, 47) >= 0.8 > equivalence_power(math.log(1.05) / 0.1, 46)


def test_a_detectable_effect_is_as_uncertain_as_its_noise():
    """The sd of six differences has five degrees of freedom: 0.62 to 2.45 times itself."""
    estimate = paired(np.random.default_rng(0).normal(0, 0.1, size=6))
    middle, interval = estimate.detectable(contrasts=5), estimate.detectable_interval(contrasts=5)
    logs = [math.log1p(value / 100) for value in (interval.low, middle, interval.high)]
    assert [log / logs[1] for log in logs] == pytest.approx([0.624, 1.0, 2.453], abs=1e-3)


def test_what_cannot_be_found_is_infinite_and_no_crash():
    assert detectable_shift(1, alpha=1e-6, contrasts=4) == math.inf
    assert paired([0.1, 0.2]).detectable(alpha=1e-6, contrasts=4) > 1e6
