import math

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.intervals import t_interval
from kpbench.statistics.seeds_and_faces import seeds_by_faces

PAIR = np.array([1.0, -1.0])


def made(rng, *, seeds=8, faces=60, face_noise=0.5, seed_noise=0.02):
    """(2, seeds, faces) errors whose true ratio over all seeds and faces is exp(-0.1)."""
    shared = rng.normal(0, 1.0, size=(1, 1, faces))
    own = rng.normal(0, face_noise, size=(2, 1, faces))
    drift = rng.normal(0, seed_noise, size=(2, seeds, 1))
    return np.exp(np.array([-0.1, 0.0])[:, np.newaxis, np.newaxis] + shared + own + drift)


def test_the_seeds_interval_is_the_paired_t_on_the_mean_error():
    errors = made(np.random.default_rng(0))
    logs = np.log(errors.mean(axis=2))
    found = seeds_by_faces(errors, PAIR)
    expected = t_interval(logs[0] - logs[1])
    assert (found.seeds.low, found.seeds.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert found.ratio == pytest.approx(math.exp((logs[0] - logs[1]).mean()))


def test_faces_widen_the_interval():
    found = seeds_by_faces(made(np.random.default_rng(1)), PAIR)
    assert found.seeds_and_faces.low < found.seeds.low < found.ratio < found.seeds.high < found.seeds_and_faces.high


def test_many_faces_alike_leave_the_seeds_interval():
    rng = np.random.default_rng(2)
    errors = np.exp(rng.normal(0, 0.1, size=(2, 8, 1))) * np.exp(rng.normal(0, 0.01, size=(1, 1, 50)))
    found = seeds_by_faces(errors, PAIR)
    assert math.log(found.seeds_and_faces.high / found.seeds_and_faces.low) == pytest.approx(
        math.log(found.seeds.high / found.seeds.low), rel=0.1
    )
    assert found.seeds_and_faces.low <= found.seeds.low


def test_cells_without_weight_are_not_read():
    errors = made(np.random.default_rng(3))
    padded = np.concatenate([errors, np.full((1, *errors.shape[1:]), np.nan)])
    assert seeds_by_faces(padded, [1.0, -1.0, 0.0]) == seeds_by_faces(errors, PAIR)


def test_a_face_without_labels_does_not_count():
    errors = made(np.random.default_rng(4))
    labelled = np.ones(errors.shape[2])
    labelled[:5] = 0.0
    spoilt = errors.copy()
    spoilt[:, :, :5] = 1e6
    assert seeds_by_faces(spoilt, PAIR, face_weights=labelled).ratio == pytest.approx(
        seeds_by_faces(errors[:, :, 5:], PAIR).ratio
    )


def test_the_interval_repeats_with_its_seed():
    errors = made(np.random.default_rng(5))
    assert seeds_by_faces(errors, PAIR, seed=1) == seeds_by_faces(errors, PAIR, seed=1)
    assert seeds_by_faces(errors, PAIR, seed=1) != seeds_by_faces(errors, PAIR, seed=2)


def test_nothing_varies():
    found = seeds_by_faces(np.ones((2, 5, 5)), PAIR)
    assert (found.ratio, found.seeds_and_faces.low, found.seeds_and_faces.high) == (1.0, 1.0, 1.0)


def test_the_width_by_the_book():
    # Seeds and faces act separately here, so the two variances add; each is found on its own.
    rng = np.random.default_rng(8)
    errors = made(rng, seeds=5, faces=60, seed_noise=0.3)
    logs = np.log(errors.mean(axis=2))
    over_seeds = (logs[0] - logs[1]).var(ddof=1) / 5
    drawn = errors[:, 0, rng.integers(0, 60, size=(8000, 60))].mean(axis=2)
    over_faces = np.log(drawn[0] / drawn[1]).var(ddof=1) * 5 / 4
    assert 0.3 < over_seeds / over_faces < 3.0
    variance = over_seeds + over_faces
    freedom = variance**2 / (over_seeds**2 / 4 + over_faces**2 / 59)
    found = seeds_by_faces(errors, PAIR, resamples=8000)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert math.log(found.seeds_and_faces.high / found.ratio) == pytest.approx(half, rel=0.02)


def test_both_intervals_cover_what_they_speak_of():
    rng = np.random.default_rng(6)
    truth, seeds_only, both, trials = math.exp(-0.1), 0, 0, 400
    for _ in range(trials):
        found = seeds_by_faces(made(rng), PAIR, resamples=200)
        seeds_only += not found.seeds.excludes(truth)
        both += not found.seeds_and_faces.excludes(truth)
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


@pytest.mark.parametrize("face_weights", [np.ones(4), -np.ones(5), np.full(5, np.nan)])
def test_refused_weights_of_faces(face_weights):
    with pytest.raises(ValueError, match="weight a face"):
        seeds_by_faces(np.ones((2, 5, 5)), PAIR, face_weights=face_weights)
