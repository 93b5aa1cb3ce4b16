"""Keypoints at places that cannot be right: outside the picture, at its corner, on each other, in another unit."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.checks.pool import Finding, Pool
from kpbench.faces.faces import KEYPOINTS, SIZE

FAR = 24.0
"""Pixels past the border (a quarter of the picture) from where a keypoint is no face cut by the border any more.

Of the 2,140 built-in faces 48 have a keypoint outside, by 7 px at most, of the real ones none.
"""

MANY = 0.1
"""Share of a part's faces with a keypoint outside, from where on it is the cut; of the built-in ones 0.02."""

TOGETHER = 0.25
"""Pixels between two keypoints at one place; open eyes and closed lips of real faces keep 0.6 px and more."""

SCALED = 2.0
"""Coordinates that are all below this are no pixels but shares of the picture, 0 to 1 or -1 to 1."""


def scaled(pool: Pool) -> Iterator[Finding]:
    """Parts whose labels are not in pixels."""
    for part in _scaled_parts(pool):
        values = pool.keypoints[pool.part == part]
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        remedy = "if they are (pixel - 48) / 48, write 48 x label + 48" if low < 0 else f"write {SIZE} x label"
        yield pool.finding(
            "error",
            f"all {part} labels lie between {low:.2f} and {high:.2f}: they must be pixels from 0 to {SIZE - 1}, "
            f"not shares of the picture; {remedy}",
            numbers={"lowest": low, "highest": high},
        )


def placeholder(pool: Pool) -> Iterator[Finding]:
    """Keypoints at exactly (0, 0), or all at one place: put there where nobody labelled."""
    usable = ~_scaled_rows(pool)
    known = ~pool.lacks()
    zero = np.asarray(np.equal(pool.keypoints, 0).all(axis=2), dtype=np.bool_)
    low, high = (np.nan_to_num(pool.keypoints, nan=fill) for fill in (np.inf, -np.inf))
    spread = (high.max(axis=1) - low.min(axis=1)).max(axis=1)
    heap = (known.sum(axis=1) > 2) & (spread < TOGETHER)
    for at in np.flatnonzero(usable & (zero.any(axis=1) | heap)).tolist():
        points = np.flatnonzero(known[at] if heap[at] else zero[at])
        x, y = pool.keypoints[at, points[0]]
        named = f"{len(points)} keypoints" if len(points) > 2 else " and ".join(KEYPOINTS[point] for point in points)
        text = f"{pool.place(at)}: {named} at ({x:g}, {y:g}): a placeholder, no label; leave the field empty"
        yield pool.finding("error", text, [at], {"keypoints": float(len(points))}, points)


def at_one_place(pool: Pool) -> Iterator[Finding]:
    """Two keypoints of a face at one place."""
    apart = np.linalg.norm(pool.keypoints[:, :, None] - pool.keypoints[:, None], axis=-1)
    apart[:, *np.tril_indices(len(KEYPOINTS))] = np.inf
    together = np.nan_to_num(apart, nan=np.inf) < TOGETHER
    for at in np.flatnonzero(together.any(axis=(1, 2)) & ~_scaled_rows(pool)).tolist():
        one, other = np.argwhere(together[at])[0].tolist()
        x, y = pool.keypoints[at, one]
        text = f"{pool.place(at)}: {KEYPOINTS[one]} and {KEYPOINTS[other]} at one place, ({x:.1f}, {y:.1f})"
        yield pool.finding("warning", text, [at], {"pairs": float(together[at].sum())}, (one, other))


def _outside(pool: Pool, *, far: bool) -> Iterator[Finding]:
    # A whole number is the middle of a pixel, so the picture reaches from -0.5 to 95.5.
    past = np.maximum(-0.5 - pool.keypoints, pool.keypoints - (SIZE - 0.5)).max(axis=2)
    past = np.nan_to_num(past, nan=-np.inf)
    most = past.max(axis=1)
    for at in np.flatnonzero((most > FAR) if far else (most > 0) & (most <= FAR)).tolist():
        points = np.flatnonzero(past[at] > 0)
        worst = int(past[at].argmax())
        x, y = pool.keypoints[at, worst]
        more = f", with {len(points) - 1} more" if len(points) > 1 else ""
        yield pool.finding(
            "error" if far else "note",
            f"{pool.place(at)}: {KEYPOINTS[worst]} at ({x:.1f}, {y:.1f}), {most[at]:.1f} px outside the picture{more}",
            [at],
            {"px": float(most[at]), "keypoints": float(len(points))},
            points,
        )


def cut_off(pool: Pool) -> Iterator[Finding]:
    """Parts of which many faces have a keypoint past the border: cut too tightly, not cut by chance."""
    past = np.abs(np.nan_to_num(pool.keypoints, nan=SIZE / 2) - (SIZE - 1) / 2).max(axis=(1, 2)) > SIZE / 2
    for part in dict.fromkeys(pool.part.tolist()):
        inside = pool.part == part
        count = int((past & inside).sum())
        if count > MANY * inside.sum() and part not in _scaled_parts(pool):
            text = (
                f"{count:,} of {inside.sum():,} {part} faces have a keypoint outside the picture: they are cut too "
                "tightly; give wider pictures or boxes, or leave COCO's boxes out"
            )
            yield pool.finding("warning", text, numbers={"faces": float(count)})


outside = partial(_outside, far=False)
"""Keypoints past the border by less than `FAR`: a face that the border cuts."""

far_outside = partial(_outside, far=True)
"""Keypoints so far out that the label must be wrong."""


def _scaled_rows(pool: Pool) -> NDArray[np.bool_]:
    """(N,) whether a face is of a part that `scaled` names."""
    return np.isin(pool.part, _scaled_parts(pool))


def _scaled_parts(pool: Pool) -> list[str]:
    largest = {part: np.abs(pool.keypoints[pool.part == part]) for part in dict.fromkeys(pool.part.tolist())}
    return [part for part, values in largest.items() if 0 <= np.nanmax(values, initial=-1.0) < SCALED]
