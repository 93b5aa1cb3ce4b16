"""Labels that do not fit together: far from the others by a robust Mahalanobis distance."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kpbench.faces.checks.pool import Finding, Pool
from kpbench.faces.faces import KEYPOINTS

LEAST_FACES = 200
"""Complete faces needed to know 30 means and 465 covariances well enough."""

FALSE_ALARMS = 0.01
"""Chance that a set without any fault gets a finding, if the logarithms of the distances are normal.

They nearly are, where their squares are far from chi squared (by that, 93 of 2,140 built-in faces would be named at
0.05). Measured: of the built-in faces, whose labels are right, none of 2,140 is named; of the real ones 1, and it is
wrong. In runs of 200 to 1,000 of them at most 2. Of 100 keypoints of real faces moved by 8, 10, 12 and 15 px 63, 81, 95
and 100 are found; of 100 faces whose labels all moved by 20, 25 and 30 px 62, 92 and 100.
"""

LEAST_PX = 7.0
"""Pixels from which a keypoint is called misplaced; less is hard to judge by eye on 96 pixels."""

_KEPT = 0.75
_STEPS = 20


def outlier(pool: Pool) -> Iterator[Finding]:
    """Complete faces with labels far from where the others have them, with the keypoint that is worst.

    Two distances are judged: of each keypoint from where the other 14 let it be expected, and of the face's place,
    size and tilt from the others' (labels that moved together). Mean and covariance are those of the densest three
    quarters of all faces, whatever their split: faces left out of them would look unusual for that alone.
    """
    complete = np.flatnonzero(pool.complete())
    known = pool.keypoints[complete].reshape(len(complete), 2 * len(KEYPOINTS))
    if len(known) < LEAST_FACES or len(np.unique(known, axis=0)) < LEAST_FACES // 2:
        return
    mean, covariance = robust_moments(known)
    if np.linalg.matrix_rank(covariance) < known.shape[1]:
        return
    single, offset = keypoint_distances(known, mean, covariance)
    posed = poses(known.reshape(len(known), len(KEYPOINTS), 2))
    whole = distances(posed, *robust_moments(posed))
    limit = stats.norm.isf(FALSE_ALARMS / 2 / len(known))
    by_keypoint, by_pose = _unusual(single.max(axis=1)), _unusual(whole)
    worst_of = single.argmax(axis=1)
    away = offset[np.arange(len(known)), worst_of]
    misplaced = (by_keypoint > limit) & (away >= LEAST_PX)
    for at in np.flatnonzero(misplaced | (by_pose > limit)).tolist():
        worst, px = int(worst_of[at]), float(away[at])
        x, y, size, tilt = posed[at]
        what = (
            f"{KEYPOINTS[worst]} is {px:.0f} px from where the other keypoints let it be expected"
            if misplaced[at]
            else f"the labels as a whole have an unusual place, size or tilt: middle ({x:.0f}, {y:.0f}), "
            f"{np.exp(size):.0f} px, {np.degrees(tilt):.0f} degrees"
        )
        yield pool.finding(
            "warning",
            f"{pool.place(complete[at])}: {what}",
            [complete[at]],
            {"px": px, "z_keypoint": float(by_keypoint[at]), "z_pose": float(by_pose[at])},
            [worst] if misplaced[at] else [],
        )


def robust_moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (P,) and covariance (P, P) of the densest three quarters of (N, P) values, scaled to the median distance.

    The concentration steps of Rousseeuw and Van Driessen (1999) from one start: distances by median and MAD.
    """
    mean = np.median(values, axis=0)
    spread = stats.median_abs_deviation(values, axis=0, scale="normal")
    distance = (((values - mean) / np.maximum(spread, 1e-6)) ** 2).sum(axis=1)
    covariance = np.eye(values.shape[1])
    for _ in range(_STEPS):
        kept = values[np.argsort(distance, kind="stable")[: int(_KEPT * len(values))]]
        mean, covariance = kept.mean(axis=0), np.cov(kept.T)
        distance = distances(values, mean, covariance) ** 2
    return mean, covariance * (np.median(distance) / stats.chi2.median(values.shape[1]))


def distances(
    values: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The Mahalanobis distance (N,) of values (N, P)."""
    away = values - mean
    return np.asarray(np.sqrt(np.einsum("ni,ni->n", away @ np.linalg.pinv(covariance), away).clip(min=0)))


def keypoint_distances(
    values: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far each keypoint is from its mean given the others: Mahalanobis distance and pixels, (N, P / 2) each.

    With the precision matrix L, the residual of coordinates k given the rest is inv(L_kk) (L (x - mean))_k, and its
    covariance is inv(L_kk) (the conditional normal distribution).
    """
    precision = np.linalg.pinv(covariance)
    pull = (values - mean) @ precision
    points = values.shape[1] // 2
    distance, pixels = np.empty((len(values), points)), np.empty((len(values), points))
    for k in range(points):
        own = slice(2 * k, 2 * k + 2)
        residual = pull[:, own] @ np.linalg.inv(precision[own, own])
        distance[:, k] = np.sqrt(np.einsum("ni,ni->n", residual, pull[:, own]).clip(min=0))
        pixels[:, k] = np.linalg.norm(residual, axis=1)
    return distance, pixels


def poses(keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middle x and y in pixels, logarithm of the size in pixels and tilt in radians of faces (N, 15, 2), as (N, 4).

    The size is the root mean square distance from the middle; the tilt is that of the best turn onto the mean face.
    """
    middle = keypoints.mean(axis=1)
    centred = keypoints - middle[:, None]
    size = np.sqrt((centred**2).sum(axis=2).mean(axis=1))
    face = np.median(centred, axis=0)
    along = np.einsum("nki,ki->n", centred, face)
    across = np.einsum("nk,k->n", centred[..., 1], face[:, 0]) - np.einsum("nk,k->n", centred[..., 0], face[:, 1])
    return np.column_stack([middle, np.log(np.maximum(size, 1e-9)), np.arctan2(across, along)])


def _unusual(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard scores of log distances by their median and MAD."""
    logarithm = np.log(np.maximum(distance, 1e-9))
    spread = stats.median_abs_deviation(logarithm, scale="normal")
    return np.asarray((logarithm - np.median(logarithm)) / max(float(spread), 1e-9))
