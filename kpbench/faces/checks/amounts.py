"""How much there is: missing labels by pattern, splits too small, splits unlike the training faces."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.checks.pool import Finding, Pool
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.parts import PARTS

PATTERNS = 5
"""Patterns of missing labels named one by one, the most frequent first."""

LEAST = {"train": 200, "val": 50, "test": 50}
"""Faces of a split below which its findings are few or its scores are noise."""

UNLIKE = 0.6
"""Standardised mean difference of a coordinate; of 300 splits of the built-in faces by people none reaches it."""

CHANCE = 3.0
"""Standard errors that a difference must have too; faces of one person count as one."""

FACES_A_PERSON = 12
"""Where people are not known: the real course faces are 2,140 of 182 people."""

_COMPARED = 30
"""Faces of a split from which on its means are compared."""


def unusable(pool: Pool) -> Iterator[Finding]:
    """A source that cannot be loaded for training at all."""
    if pool.problem:
        yield pool.finding("error", pool.problem)


def missing(pool: Pool) -> Iterator[Finding]:
    """Rows with missing labels, by which labels they lack; training leaves these rows out."""
    lacks = pool.lacks()
    for part in dict.fromkeys(pool.part.tolist()):
        inside = pool.part == part
        rows = np.flatnonzero(inside & lacks.any(axis=1))
        found = Counter(lacks[at].tobytes() for at in rows).most_common()
        for pattern, count in found[:PATTERNS]:
            gone = np.flatnonzero(np.frombuffer(pattern, dtype=bool))
            yield pool.finding(
                "note",
                f"{count:,} of {inside.sum():,} {part} rows lack {_which(gone.tolist())} and are left out",
                [at for at in rows.tolist() if lacks[at].tobytes() == pattern],
                {"rows": float(count), "keypoints": float(len(gone))},
                gone,
            )
        if len(found) > PATTERNS:
            others = sum(count for _, count in found[PATTERNS:])
            yield pool.finding(
                "note",
                f"{others:,} of {inside.sum():,} {part} rows lack labels in {len(found) - PATTERNS:,} other patterns "
                "and are left out",
                numbers={"rows": float(others)},
            )


def small(pool: Pool) -> Iterator[Finding]:
    """Splits with few complete faces."""
    for name in PARTS:
        count = int(((pool.split == name) & pool.complete()).sum())
        if 0 < count < LEAST[name]:
            why = "labels cannot be judged by others" if name == "train" else "scores on them are mostly chance"
            text = f"only {count:,} complete {name} faces; below {LEAST[name]} {why}"
            yield pool.finding("warning", text, numbers={"faces": float(count)})


def unlike_train(pool: Pool) -> Iterator[Finding]:
    """Splits whose keypoints lie elsewhere on average than those of the training faces."""
    usable = pool.complete()
    train = pool.keypoints[(pool.split == "train") & usable]
    for name in PARTS[1:]:
        other = pool.keypoints[(pool.split == name) & usable]
        if min(len(train), len(other)) < _COMPARED:
            continue
        px = other.mean(axis=0) - train.mean(axis=0)
        far = np.abs(px) / np.maximum(np.sqrt((train.var(axis=0) + other.var(axis=0)) / 2), 1e-9)
        people = [_people(pool, (pool.split == part) & usable) for part in ("train", name)]
        limit = max(UNLIKE, CHANCE * sum(1 / count for count in people) ** 0.5)
        if far.max() > limit:
            keypoint, axis = np.unravel_index(int(far.argmax()), far.shape)
            away, past = float(px[keypoint, axis]), int((far > limit).sum())
            yield pool.finding(
                "warning",
                f"{name} faces are unlike train faces: {KEYPOINTS[keypoint]} {'xy'[axis]} is {away:+.1f} px away on "
                f"average, {far.max():.2f} standard deviations; {past} of 30 coordinates are past {limit:.2f}",
                numbers={"largest": float(far.max()), "coordinates": float(past), "px": away},
                keypoints=[int(keypoint)],
            )


def _people(pool: Pool, chosen: NDArray[np.bool_]) -> float:
    if pool.subjects is not None:
        return float(len(np.unique(pool.subjects[chosen])))
    return max(float(chosen.sum()) / FACES_A_PERSON, 1.0)


def _which(gone: list[int]) -> str:
    left = [name for at, name in enumerate(KEYPOINTS) if at not in gone]
    if not left:
        return "every label"
    if len(gone) <= 3:
        return ", ".join(KEYPOINTS[at] for at in gone)
    return f"{len(gone)} keypoints" + (f" (all but {', '.join(left)})" if len(left) <= 5 else "")
