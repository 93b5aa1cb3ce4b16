import numpy as np
import pytest

from kpbench.statistics.corrections import adjusted_p
from kpbench.statistics.decisions import Terms, decide

MARGIN = float(np.log(1.05))


@pytest.mark.parametrize("correction", ["holm", "none"])
def test_no_verdict_contradicts_its_interval_or_its_p(correction):
    rng = np.random.default_rng(0)
    words = set()
    for _ in range(150):
        n, m = int(rng.choice([8, 16])), int(rng.integers(1, 6))
        samples = [rng.normal(rng.choice([0.0, 0.03, -0.1]), rng.choice([0.01, 0.05, 0.2]), size=n) for _ in range(m)]
        decisions = decide(samples, Terms(correction=correction), planned=n)
        for found in decisions:
            interval, word = found.interval, found.verdict.word
            assert (word in ("better", "worse")) == (not interval.low <= 0.0 <= interval.high)
            assert (word in ("better", "worse")) == (found.p_adjusted < 0.05)
            assert word != "better" or interval.high < 0.0
            assert word != "equivalent" or (interval.low > -MARGIN and interval.high < MARGIN)
            words.add(word)
    assert words == {"better", "worse", "equivalent", "undecided"}


def test_holm_is_not_bonferroni():
    wave = np.array([-1.0, 1.0] * 4) * 0.02
    samples = [wave - 1.0, wave - 0.02]
    p = [found.estimate.p for found in decide(samples, Terms(), planned=8)]
    assert 0.025 < p[1] < 0.05  # found by Holm's second step, not by Bonferroni
    assert decide(samples, Terms(), planned=8)[1].verdict.word == "better"


def test_an_incomplete_sample_weighs_on_its_family_and_gets_no_verdict():
    rng = np.random.default_rng(0)
    whole, part = rng.normal(-0.03, 0.03, size=8), rng.normal(-1.0, 0.001, size=6)
    alone, with_part = decide([whole], Terms(), planned=8)[0], decide([whole, part], Terms(), planned=8)
    assert with_part[0].p_adjusted == pytest.approx(2 * alone.p_adjusted)
    assert with_part[1].p_adjusted is None
    assert with_part[1].verdict.word == "incomplete"
    assert with_part[1].interval is not None


@pytest.mark.parametrize("n", [0, 1])
def test_too_little_for_a_test(n):
    found = decide([np.zeros(n)], Terms(), planned=8)[0]
    assert (found.estimate, found.interval, found.p_adjusted, found.verdict.word) == (None, None, None, "incomplete")


def test_an_empty_family():
    assert decide([], Terms(), planned=8) == ()


def test_p_values_are_adjusted_together():
    rng = np.random.default_rng(1)
    samples = [rng.normal(shift, 0.1, size=8) for shift in (0.0, 0.05, 0.2)]
    decisions = decide(samples, Terms(), planned=8)
    assert tuple(d.p_adjusted for d in decisions) == adjusted_p([d.estimate.p for d in decisions])
