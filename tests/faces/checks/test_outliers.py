"""Robust distances: known moments are found, a moved keypoint is named, false alarms are as rare as said."""

import numpy as np
import pytest

from kpbench.faces.checks.outliers import distances, keypoint_distances, outlier, robust_moments
from kpbench.faces.checks.pool import Pool
from kpbench.faces.faces import KEYPOINTS
from tests.faces.checks.drawn import changed, given_parts, pool


def normal_pool(n: int, *, seed: int) -> Pool:
    """Labels that are normal by construction: a mean face, a common part and a part of each keypoint."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(20, 76, (15, 2))
    labels = mean + rng.normal(0, 3, (n, 1, 2)) + rng.normal(0, 1, (n, 15, 2))
    part = np.full(n, "train")
    return Pool(np.zeros((n, 96, 96), np.uint8), labels, part, np.arange(n), part)


def test_robust_moments_shrug_off_a_tenth_of_rubbish():
    rng = np.random.default_rng(1)
    wanted = np.array([[4.0, 1.5], [1.5, 1.0]])
    values = rng.multivariate_normal([10, 20], wanted, 4000)
    values[:400] = rng.normal(200, 5, (400, 2))
    mean, covariance = robust_moments(values)
    np.testing.assert_allclose(mean, [10, 20], atol=0.15)
    # The median distance is taken over the rubbish too, which makes the covariance a little large.
    np.testing.assert_allclose(covariance, wanted, rtol=0.35)


def test_distances_against_their_definition():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(50, 30)) @ rng.normal(size=(30, 30))
    mean, covariance = values.mean(axis=0), np.cov(values.T) + np.eye(30)
    away = values[7] - mean
    assert distances(values, mean, covariance)[7] == pytest.approx(np.sqrt(away @ np.linalg.solve(covariance, away)))
    single, pixels = keypoint_distances(values, mean, covariance)
    k, own = 4, [8, 9]
    rest = [at for at in range(30) if at not in own]
    weights = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[np.ix_(rest, own)])
    residual = away[own] - away[rest] @ weights
    spread = covariance[np.ix_(own, own)] - covariance[np.ix_(own, rest)] @ weights
    assert pixels[7, k] == pytest.approx(np.linalg.norm(residual))
    assert single[7, k] == pytest.approx(np.sqrt(residual @ np.linalg.solve(spread, residual)))


def test_normal_labels_give_no_alarm():
    assert sum(len(list(outlier(normal_pool(600, seed=seed)))) for seed in range(12)) <= 1


@pytest.mark.parametrize("which", [0, 7, 10, 12, 14])
def test_a_moved_keypoint_is_named(which):
    parts = given_parts()
    moved = changed(parts.train, lambda images, labels: labels[50, which].__iadd__((10, -8)))
    (found,) = list(outlier(pool(type(parts)(moved, parts.val, parts.test))))
    assert [str(row) for row in found.rows] == ["train row 50"]
    assert KEYPOINTS[which] in found.text
    assert found.keypoints == (which,)
    assert 8 < found.numbers["px"] < 18


def test_too_few_faces_or_always_the_same_ones_are_not_judged():
    assert list(outlier(normal_pool(150, seed=0))) == []
    same = normal_pool(300, seed=0)
    part = np.full(300, "train")
    still = Pool(same.images, np.repeat(same.keypoints[:1], 300, axis=0), part, np.arange(300), part)
    assert list(outlier(still)) == []
