"""The same picture, label or person where it should not be: copies within a part, leaks between splits."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kpbench.errors import plural
from kpbench.faces.checks.hashes import LEAST_CORRELATION, Pair, alike, equal_groups, flat
from kpbench.faces.checks.pool import Finding, Pool
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.parts import PARTS

_LABELS_DIFFER = 0.01
"""Pixels from which two labels of one keypoint are said to differ."""


def same_picture(pool: Pool) -> Iterator[Finding]:
    """Pictures that are there more than once, byte for byte: an error where splits share one."""
    for group in equal_groups((image.tobytes() for image in pool.images), least=2):
        if flat(pool.images[group]).any():
            continue  # two black pictures are no copies of a face
        leak, worst = _splits_of(pool, group), _labels_apart(pool.keypoints[group])
        labels, numbers = "the labels are the same", {"pictures": float(len(group))}
        if worst is not None:
            numbers["labels_apart_px"] = worst[0]
            labels = f"the labels differ by up to {worst[0]:.1f} px ({KEYPOINTS[worst[1]]})"
        across = f" in {' and '.join(leak)}" if leak else ""
        yield pool.finding(
            "error" if leak else "warning",
            f"{_named(pool, group)} are the same picture{across}; {labels}",
            group,
            numbers,
            () if worst is None else worst[1:],
        )


def near_copy(pool: Pool) -> Iterator[Finding]:
    """Pictures that are nearly the same: an error for each pair across splits, within a split only how many.

    Across splits that kpbench made they lie where all pictures are so much alike that no split keeps them together.
    """
    first = np.array([group[0] for group in equal_groups(image.tobytes() for image in pool.images)])
    first = np.sort(first[~flat(pool.images[first])])
    pairs, left = alike(pool.images[first])
    inside: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        both = [int(first[pair.a]), int(first[pair.b])]
        leak = _splits_of(pool, both)
        if not leak:
            inside[str(pool.part[both[0]])].append(pair)
            continue
        made = bool(pool.made & set(leak))
        x, y = pair.shift
        moved = f", moved by ({x}, {y}) px" if (x, y) != (0, 0) else ""
        yield pool.finding(
            "error",
            f"{_named(pool, both)} show nearly the same picture in {' and '.join(leak)}"
            f"{' (a split made by kpbench)' if made else ''}: correlation {pair.correlation:.2f}"
            f"{', mirrored' if pair.mirrored else ''}{moved}, hashes {pair.bits} of 64 bits apart",
            both,
            {"correlation": pair.correlation, "hash_bits": float(pair.bits), "shift_x_px": x, "shift_y_px": y},
        )
    for part, found in inside.items():
        rows = sorted({int(first[at]) for pair in found for at in (pair.a, pair.b)})
        yield pool.finding(
            "note",
            f"{plural(len(found), 'pair')} of {part} pictures {'is' if len(found) == 1 else 'are'} nearly the same "
            f"within a split ({len(rows)} pictures, correlation {LEAST_CORRELATION:g} or more); "
            "often frames of one moment",
            rows,
            {"pairs": float(len(found)), "pictures": float(len(rows))},
        )
    if left:
        yield pool.finding(
            "note",
            f"{left:,} further pairs with near hashes were not compared: there are too many alike",
            numbers={"not_compared": float(left)},
        )


def same_labels(pool: Pool) -> Iterator[Finding]:
    """Different pictures with all 15 labels the same: rows whose labels slipped or were copied."""
    complete = np.flatnonzero(pool.complete())
    for group in equal_groups((pool.keypoints[at].tobytes() for at in complete), least=2):
        rows = complete[group].tolist()
        if len({pool.images[at].tobytes() for at in rows}) == len(rows):
            text = f"{_named(pool, rows)} are different pictures with the same labels"
            yield pool.finding("warning", text, rows, {"pictures": float(len(rows))})


def shared_people(pool: Pool) -> Iterator[Finding]:
    """People who are in two splits."""
    if pool.subjects is None:
        return
    for one, other in combinations(PARTS, 2):
        people = np.intersect1d(pool.subjects[pool.split == one], pool.subjects[pool.split == other])
        if not len(people):
            continue
        rows = np.flatnonzero((pool.split == other) & np.isin(pool.subjects, people))
        some = ", ".join(map(str, people[:5].tolist())) + (", ..." if len(people) > 5 else "")
        yield pool.finding(
            "error",
            f"{plural(len(people), 'person', 'people')} ({some}) in both {one} and {other}: "
            f"{plural(len(rows), f'{other} face')} of people that a network has met",
            rows,
            {"people": float(len(people)), "faces": float(len(rows))},
        )


def _splits_of(pool: Pool, rows: Sequence[int]) -> list[str]:
    """The splits that share the faces, empty where they all lie in one; a dropped face is in none."""
    found = [name for name in PARTS if name in set(pool.split[list(rows)].tolist())]
    return found if len(found) > 1 else []


def _labels_apart(keypoints: NDArray[np.float64]) -> tuple[float, int] | None:
    """The largest distance in pixels between two labels (M, 15, 2) of one keypoint, and its index; None for none."""
    apart = np.linalg.norm(keypoints[:, None] - keypoints[None], axis=-1)
    worst = np.nanmax(apart, axis=(0, 1), initial=0.0)
    index = int(worst.argmax())
    return (float(worst[index]), index) if worst[index] > _LABELS_DIFFER else None


def _named(pool: Pool, rows: Sequence[int]) -> str:
    places = [str(pool.place(at)) for at in rows]
    if len(places) <= 3:
        return " and ".join(places)
    return f"{places[0]}, {places[1]} and {len(places) - 2} more"
