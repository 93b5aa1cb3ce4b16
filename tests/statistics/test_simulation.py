"""Proof by simulation, with fixed seeds: what the intervals cover, how often a verdict errs, what power delivers."""

import math

import numpy as np
import pytest

from kpbench.statistics.decisions import Terms, decide
from kpbench.statistics.estimate import paired
from kpbench.statistics.intervals import bootstrap_t_interval
from kpbench.statistics.power import power_at, seeds_for
from kpbench.statistics.ranks import rank_stability

MARGIN = math.log(1.05)
EFFECT = -0.1

NOISES = {
    "normal": lambda rng, size: rng.normal(size=size),
    "skewed": lambda rng, size: rng.gumbel(size=size) / 1.28,
    "exponential": lambda rng, size: rng.exponential(size=size),
}


def pairs(rng, noise, n, trials):
    """(trials, n) paired differences: a block shared by both, far larger than the noise that is alike on each."""
    block = rng.normal(0, 3.0, size=(trials, n))
    level = EFFECT + block + 0.05 * NOISES[noise](rng, (trials, n))
    baseline = block + 0.05 * NOISES[noise](rng, (trials, n))
    return level - baseline


def coverage(samples, truth, interval=lambda sample: paired(sample).interval(0.95)):
    return float(np.mean([not interval(sample).excludes(truth) for sample in samples]))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [5, 8, 16, 32])
def test_the_primary_interval_covers(noise, n):
    # Two sides with the same noise differ symmetrically however skewed it is; there theory keeps the t interval.
    rng = np.random.default_rng([n, len(noise)])
    assert 0.93 <= coverage(pairs(rng, noise, n, 2000), EFFECT) <= 0.97


@pytest.mark.parametrize(("n", "expected"), [(5, 0.882), (8, 0.894), (16, 0.914), (32, 0.929)])
def test_where_theory_does_not_allow_it(n, expected):
    # Differences that are themselves exponential (one arm alone has bad seeds): with few seeds no t interval holds.
    samples = np.random.default_rng(n).exponential(size=(2000, n))
    assert coverage(samples, 1.0) == pytest.approx(expected, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 16])
def test_the_studentised_bootstrap_covers(n):
    rng = np.random.default_rng(n)
    samples = pairs(rng, "normal", n, 1200)
    found = coverage(samples, EFFECT, lambda sample: bootstrap_t_interval(sample, resamples=799))
    assert 0.93 <= found <= 0.97


def families(rng, n, trials, *, shift=0.0, levels=3):
    """Families of contrasts of `levels` cells with one baseline, all alike but for `shift`, in shared blocks."""
    baseline = rng.normal(0, 0.1, size=(trials, 1, n))
    return shift + rng.normal(0, 0.1, size=(trials, levels, n)) - baseline


@pytest.mark.parametrize("n", [7, 8, 16])
def test_verdicts_on_cells_that_are_the_same(n):
    # Chance that a family of three has any better or worse; without Holm it is near 11 %.
    rng = np.random.default_rng(n)
    trials = 2000
    found = sum(
        any(d.verdict.word in ("better", "worse") for d in decide(family, Terms(), planned=n))
        for family in families(rng, n, trials)
    )
    assert 0.02 <= found / trials <= 0.06


def test_a_true_effect_at_the_margin_is_seldom_called_equivalent():
    # Stricter than alpha: each one-sided test stands at half the level of the interval.
    rng = np.random.default_rng(0)
    n, trials = 8, 1000
    verdicts = [
        decide([sample], Terms(), planned=n)[0].verdict for sample in rng.normal(MARGIN, 0.02, size=(trials, n))
    ]
    found = sum(verdict.word == "equivalent" or verdict.size == "below" for verdict in verdicts)
    assert 0.01 <= found / trials <= 0.04


@pytest.mark.parametrize(("d_z", "n"), [(2.0, 5), (1.0, 8), (0.8, 15), (0.5, 34)])
def test_the_printed_power_is_delivered(d_z, n):
    rng = np.random.default_rng(n)
    trials = 1200
    found = np.mean([paired(sample).p < 0.05 for sample in rng.normal(d_z, 1.0, size=(trials, n))])
    assert found == pytest.approx(power_at(d_z, n), abs=0.03)


def test_the_printed_power_of_holms_worst_case_is_delivered():
    # One contrast has the effect, two have none: Holm tests the first at a third of alpha.
    rng = np.random.default_rng(0)
    d_z, trials = 1.0, 600
    n = seeds_for(d_z, contrasts=3)
    samples = rng.normal(0, 1.0, size=(trials, 3, n))
    samples[:, 0] += d_z
    found = np.mean([decide(family, Terms(), planned=n)[0].verdict.word == "worse" for family in samples])
    assert found == pytest.approx(power_at(d_z, n, contrasts=3), abs=0.03)


def test_the_cells_not_told_from_the_best_hold_the_best():
    rng = np.random.default_rng(0)
    trials, held = 250, 0
    for _ in range(trials):
        logs = np.linspace(0.0, 0.04, 5)[:, np.newaxis] + rng.normal(0, 0.1, size=(5, 8)) + rng.normal(size=(1, 8))
        held += not rank_stability(np.exp(logs), resamples=10)[0].separable
    assert held / trials >= 0.95
