import math

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.estimate import paired
from kpbench.statistics.seeds_and_faces import seeds_by_faces

PAIR = np.array([1.0, -1.0])


def made(rng, *, seeds=8, faces=60, face_noise=0.5, seed_noise=0.02):
    """(2, seeds, faces) errors whose true ratio over all seeds and faces is exp(-0.1)."""
    shared = rng.normal(0, 1.0, size=(1, 1, faces))
    own = rng.normal(0, face_noise, size=(2, 1, faces))
    drift = rng.normal(0, seed_noise, size=(2, seeds, 1))
    return np.exp(np.array([-0.1, 0.0])[:, np.newaxis, np.newaxis] + shared + own + drift)


def over_seeds(errors):
    """Student's interval over seeds alone."""
    logs = np.log(errors.mean(axis=2))
    return paired(logs[0] - logs[1]).ratio_interval(0.95)


def test_the_ratio_is_that_of_the_mean_errors():
    errors = made(np.random.default_rng(0))
    logs = np.log(errors.mean(axis=2))
    found = seeds_by_faces(errors, PAIR)
    assert found.seeds.ratio == found.seeds_and_faces.ratio == pytest.approx(math.exp((logs[0] - logs[1]).mean()))
    assert (found.unit, found.units) == ("face", 60)


def test_faces_widen_the_interval():
    errors = made(np.random.default_rng(1))
    found, seeds = seeds_by_faces(errors, PAIR), over_seeds(errors)
    both = found.seeds_and_faces.ratio_interval(0.95)
    assert both.low < seeds.low < found.seeds.ratio < seeds.high < both.high
    assert found.seeds.ratio_interval(0.95).high == pytest.approx(seeds.high)


def test_many_faces_alike_leave_the_seeds_interval():
    rng = np.random.default_rng(2)
    errors = np.exp(rng.normal(0, 0.1, size=(2, 8, 1))) * np.exp(rng.normal(0, 0.01, size=(1, 1, 50)))
    both, seeds = seeds_by_faces(errors, PAIR).seeds_and_faces.ratio_interval(0.95), over_seeds(errors)
    assert math.log(both.high / both.low) == pytest.approx(math.log(seeds.high / seeds.low), rel=0.1)


def test_cells_without_weight_are_not_read():
    errors = made(np.random.default_rng(3))
    padded = np.concatenate([errors, np.full((1, *errors.shape[1:]), np.nan)])
    assert seeds_by_faces(padded, [1.0, -1.0, 0.0]) == seeds_by_faces(errors, PAIR)


def test_the_interval_repeats_with_its_seed():
    errors = made(np.random.default_rng(5))
    assert seeds_by_faces(errors, PAIR, seed=1) == seeds_by_faces(errors, PAIR, seed=1)
    assert seeds_by_faces(errors, PAIR, seed=1) != seeds_by_faces(errors, PAIR, seed=2)


def test_nothing_varies():
    found = seeds_by_faces(np.ones((2, 5, 5)), PAIR)
    both = found.seeds_and_faces
    assert (both.ratio, both.error, both.ratio_interval(0.95).high) == (1.0, 0.0, 1.0)


def test_the_width_by_the_book():
    # Seeds and faces act separately here, so the two variances add; each is found on its own.
    rng = np.random.default_rng(8)
    errors = made(rng, seeds=5, faces=60, seed_noise=0.3)
    logs = np.log(errors.mean(axis=2))
    over_seeds = (logs[0] - logs[1]).var(ddof=1) / 5
    drawn = errors[:, 0, rng.integers(0, 60, size=(8000, 60))].mean(axis=2)
    over_faces = np.log(drawn[0] / drawn[1]).var(ddof=1) * 60 / 59
    assert 0.3 < over_seeds / over_faces < 3.0
    variance = over_seeds + over_faces
    freedom = variance**2 / (over_seeds**2 / 4 + over_faces**2 / 59)
    found = seeds_by_faces(errors, PAIR, resamples=8000)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert found.seeds_and_faces.interval(0.95).high - found.seeds.difference == pytest.approx(half, rel=0.03)


def test_both_intervals_cover_what_they_speak_of():
    rng = np.random.default_rng(6)
    truth, seeds_only, both, trials = math.exp(-0.1), 0, 0, 400
    for _ in range(trials):
        errors = made(rng)
        found = seeds_by_faces(errors, PAIR, resamples=200)
        seeds_only += not over_seeds(errors).excludes(truth)
        both += not found.seeds_and_faces.ratio_interval(0.95).excludes(truth)
    assert seeds_only / trials < 0.5  # it speaks of these faces only
    assert 0.92 <= both / trials <= 0.98


@pytest.mark.parametrize(
    ("errors", "weights"),
    [
        (np.ones((2, 5)), PAIR),
        (np.ones((2, 5, 5)), [1.0]),
        (np.ones((2, 1, 5)), PAIR),
        (np.ones((2, 5, 1)), PAIR),
        (np.full((2, 5, 5), np.nan), PAIR),
        (-np.ones((2, 5, 5)), PAIR),
        (np.zeros((2, 5, 5)), PAIR),
        (np.ones((2, 5, 5)), [0.0, 0.0]),
    ],
)
def test_what_is_refused(errors, weights):
    with pytest.raises(ValueError):
        seeds_by_faces(errors, weights)


def test_persons_are_drawn_with_all_their_faces():
    errors, who = made(np.random.default_rng(7)), np.repeat(np.arange(12), 5)
    found = seeds_by_faces(errors, PAIR, persons=who)
    assert (found.unit, found.units) == ("person", 12)
    assert seeds_by_faces(errors, PAIR, persons=who + 100) == found
    with pytest.raises(ValueError, match="a person for each face"):
        seeds_by_faces(errors, PAIR, persons=who[1:])
    with pytest.raises(ValueError, match="at least two persons"):
        seeds_by_faces(errors, PAIR, persons=np.zeros(60, dtype=int))


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_fresh_faces_never_narrow_the_interval(seeds, confidence):
    rng = np.random.default_rng(seeds)
    errors = np.exp(rng.normal(size=(2, seeds, 1)) * 0.1 + rng.normal(size=(2, 1, 60)) * 0.5)
    found = seeds_by_faces(errors, [1.0, -1.0])
    alone, both = found.seeds.ratio_interval(confidence), found.ratio_interval(confidence)
    assert both.low <= alone.low and both.high >= alone.high
    if seeds == 2:  # where Satterthwaite's alone would
        assert found.seeds_and_faces.ratio_interval(confidence).high < alone.high
