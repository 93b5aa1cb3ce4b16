"""Left and right, up and down: labels whose order around the face cannot be."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.checks.pool import Finding, Pool
from kpbench.faces.faces import KEYPOINTS, mirrored_order

UPPER = [at for at, name in enumerate(KEYPOINTS) if "eye" in name]
"""Keypoints of eyes and brows."""

LOWER = [at for at in range(len(KEYPOINTS)) if at not in UPPER]
"""Keypoints of nose and mouth."""

PAIRS = tuple((at, partner) for at, partner in enumerate(mirrored_order()) if at != partner and "left" in KEYPOINTS[at])
"""(left, right) of the six pairs."""

_LEAST_HEIGHT = 3.0
"""Pixels between the middles of the upper and the lower keypoints; with less there is no up and down."""

LYING = 60.0
"""Degrees from upright; the real faces reach 44, the built-in ones 28."""


@dataclass(frozen=True)
class _Order:
    """`one` must lie further along a direction than `other`: to the face's left, or down."""

    one: int
    other: int
    along: str
    least: float


def _order(one: str, other: str, along: str = "left", least: float = 0.0) -> _Order:
    return _Order(KEYPOINTS.index(one), KEYPOINTS.index(other), along, least)


ORDERS = (
    *(_Order(left, right, "left", 0.0) for left, right in PAIRS),
    _order("left_eye_outer_corner", "left_eye_inner_corner"),
    _order("right_eye_inner_corner", "right_eye_outer_corner"),
    _order("left_eyebrow_outer_end", "left_eyebrow_inner_end", least=-0.35),
    _order("right_eyebrow_inner_end", "right_eyebrow_outer_end", least=-0.35),
    _order("mouth_center_bottom_lip", "mouth_center_top_lip", "down"),
)
"""The left/right pairs first, then the ends of eyes and brows, then the lips.

Least distances are shares of the face's height (eyes to mouth, about 39 px). On real faces the ends of a brow that a
turned head hides are labelled up to a quarter of it the wrong way round, and the other orders never.
"""


def transposed(pool: Pool) -> Iterator[Finding]:
    """Faces that lie on their side with left and right exchanged, and are right once x and y change places."""
    wrong, known, _ = _sides(pool.keypoints)
    turned, _, tilt = _sides(pool.keypoints[..., ::-1])
    for at in np.flatnonzero(_most(wrong, known) & ~_most(turned, known) & (np.nan_to_num(tilt, nan=90) < 45)).tolist():
        yield pool.finding("error", f"{pool.place(at)}: x and y look exchanged", [at], {"degrees": float(tilt[at])})


def swapped(pool: Pool) -> Iterator[Finding]:
    """Left and right, inner and outer or top and bottom exchanged, on the whole face or on a pair.

    The subject's left eye lies at the larger x of an upright face; here "left" is at a right angle to the line from
    the eyes to the mouth, so that a tilted face is judged alike.
    """
    wrong, known, _ = _sides(pool.keypoints)
    sides, whole = len(PAIRS), _most(wrong, known)
    for at in np.flatnonzero(wrong.any(axis=1)).tolist():
        if whole[at]:
            found = np.flatnonzero(wrong[at, :sides])
            what = f"left and right of the whole face ({len(found)} of {known[at, :sides].sum()} pairs)"
        else:
            found = np.flatnonzero(wrong[at])
            what = ", ".join(f"{KEYPOINTS[ORDERS[i].one]} and {KEYPOINTS[ORDERS[i].other]}" for i in found[:2])
            what += f" and {len(found) - 2} more pairs" if len(found) > 2 else ""
        yield pool.finding(
            "error",
            f"{pool.place(at)}: {what} look exchanged",
            [at],
            {"pairs": float(len(found)), "whole_face": float(whole[at])},
            sorted({point for i in found for point in (ORDERS[i].one, ORDERS[i].other)}),
        )


def _sides(keypoints: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Which of `ORDERS` are wrong, and which known, (N, orders) each, of keypoints (N, 15, 2); degrees off upright."""
    down, height = _down(keypoints)
    left = np.stack([down[:, 1], -down[:, 0]], axis=1)
    wrong = np.zeros((len(keypoints), len(ORDERS)), dtype=np.bool_)
    known = np.zeros_like(wrong)
    for at, order in enumerate(ORDERS):
        apart = keypoints[:, order.one] - keypoints[:, order.other]
        along = np.einsum("ni,ni->n", apart, left if order.along == "left" else down) / height
        known[:, at] = np.isfinite(along)
        wrong[:, at] = np.nan_to_num(along, nan=np.inf) < order.least
    return wrong, known, np.abs(np.degrees(np.arctan2(down[:, 0], down[:, 1])))


def _most(wrong: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,): whether more than half of the known left/right pairs, and more than one, are wrong."""
    sides = len(PAIRS)
    return np.asarray(wrong[:, :sides].sum(axis=1) > np.maximum(known[:, :sides].sum(axis=1) / 2, 1))


def upside_down(pool: Pool) -> Iterator[Finding]:
    """Faces whose mouth lies above their eyes, or that lie on their side."""
    down, _ = _down(pool.keypoints)
    tilt = np.degrees(np.arctan2(down[:, 0], down[:, 1]))
    for at in np.flatnonzero(np.nan_to_num(np.abs(tilt)) > LYING).tolist():
        over = abs(tilt[at]) > 90
        how = f"{'is upside down' if over else 'lies on its side'}, turned by {abs(tilt[at]):.0f} degrees"
        text = f"{pool.place(at)}: the face {how}"
        yield pool.finding("error" if over else "warning", text, [at], {"degrees": float(tilt[at])})


def _down(keypoints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vector (N, 2) from eyes and brows to nose and mouth, and their distance (N,); NaN where there is none."""
    vector = _middle(keypoints[:, LOWER]) - _middle(keypoints[:, UPPER])
    height = np.linalg.norm(vector, axis=1)
    height = np.where(height > _LEAST_HEIGHT, height, np.nan)
    return vector / height[:, None], height


def _middle(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean (N, 2) of the known points (N, M, 2); NaN where none is known."""
    return np.asarray(np.ma.masked_invalid(points).mean(axis=1).filled(np.nan))
