"""Errors in units of the face's size: NME, its cumulative distribution with AUC and failure rate, and PCK.

The size of a face is a distance between its true eyes, so errors compare between faces near and far. `docs/metrics.md`
has the formulas and their sources.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpbench.faces.faces import KEYPOINTS

EYE_CENTRES = (KEYPOINTS.index("left_eye_center"), KEYPOINTS.index("right_eye_center"))
"""The two keypoints whose distance is the inter-ocular distance here."""

OUTER_CORNERS = (KEYPOINTS.index("left_eye_outer_corner"), KEYPOINTS.index("right_eye_outer_corner"))
"""The two keypoints whose distance is 300-W's inter-ocular distance, about 1.4 times as long."""

THRESHOLD = 0.08
"""NME at which the cumulative distribution is cut off and above which a face counts as failed, as for 300-W."""

LEAST = 1.0
"""Pixels between the eyes below which a face has no size to normalise by (a faulty label, a full profile)."""


def eye_distance(truth: ArrayLike, eyes: tuple[int, int] = EYE_CENTRES) -> NDArray[np.float64]:
    """The distance in pixels between two true keypoints of each face, (N,); NaN where it is below `LEAST`.

    Args:
        truth: (N, 15, 2) in pixels.
        eyes: indices of the two keypoints.
    """
    points = np.asarray(truth, dtype=np.float64)
    distance = np.linalg.norm(points[:, eyes[0]] - points[:, eyes[1]], axis=1)
    return np.where(distance >= LEAST, distance, np.nan)


def auc(nme: ArrayLike, threshold: float = THRESHOLD) -> float:
    """The area under the cumulative distribution of NME from 0 to `threshold`, divided by it: 1 is perfect.

    Exact, not by a grid: a face adds max(0, 1 - nme / threshold) / N, for its step lasts from its NME on.

    Args:
        nme: (N,) of single faces, finite.
    """
    return float(np.maximum(0.0, 1.0 - np.asarray(nme, dtype=np.float64) / threshold).mean())


def failure_rate(nme: ArrayLike, threshold: float = THRESHOLD) -> float:
    """The share of faces with an NME above `threshold`.

    Args:
        nme: (N,) of single faces, finite.
    """
    return float((np.asarray(nme, dtype=np.float64) > threshold).mean())


def ced(nme: ArrayLike, at: ArrayLike) -> NDArray[np.float64]:
    """The cumulative error distribution: the share of faces with an NME of at most each value of `at`, (len(at),).

    Args:
        nme: (N,) of single faces, finite.
    """
    ordered = np.sort(np.asarray(nme, dtype=np.float64))
    return np.searchsorted(ordered, np.asarray(at, dtype=np.float64), side="right") / len(ordered)


def pck(relative: ArrayLike, threshold: float) -> float:
    """The percentage of correct keypoints, as a share: points whose error is at most `threshold` of the face's size.

    Args:
        relative: any shape, radial error of each point over its face's size.
    """
    return float((np.asarray(relative, dtype=np.float64) <= threshold).mean())
