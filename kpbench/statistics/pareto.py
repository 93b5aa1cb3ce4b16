"""Points with several coordinates, each the better the larger: which no other beats, and in what order to take them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = Sequence[float]


def front(points: Sequence[Point]) -> list[int]:
    """Places of those of (N, M) points that no other beats: is at least as good everywhere and better somewhere."""
    values = _array(points)
    found: list[int] = []
    rest = np.lexsort(-values.T[::-1])  # by the first coordinate, so that what beats a point comes before it
    while len(rest):
        found.append(int(rest[0]))
        best, rest = values[rest[0]], rest[1:]
        rest = rest[~(np.all(best >= values[rest], axis=1) & np.any(best > values[rest], axis=1))]
    return sorted(found)


def fronts(points: Sequence[Point]) -> NDArray[np.int64]:
    """The front of each of (N, M) points: 0 for `front`, 1 for what is the front without those, and so on.

    Non-dominated sorting (Deb et al. 2002, NSGA-II), in memory of N * N bytes a coordinate. Equal points share a front.
    """
    values = _array(points)
    no_worse = np.all(values[:, None] >= values[None], axis=2)
    beats = no_worse & ~no_worse.T
    beaten_by = beats.sum(axis=0)
    found = np.full(len(values), -1)
    while (left := found < 0).any():
        now = left & (beaten_by == 0)
        found[now] = found.max() + 1
        beaten_by -= beats[now].sum(axis=0)
    return found


def spread(points: Sequence[Point]) -> list[int]:
    """Places of (N, M) points in an order whose first few span them all.

    It begins with the point that is best in the first coordinate; each next is the farthest from those before it, with
    each coordinate scaled to 0 to 1. So MO-ASHA orders a front (Schmucker et al. 2021, arXiv:2106.12639, epsilon-net),
    from any beginning. Ties are taken in the order given.
    """
    values = _array(points)
    rest = np.arange(len(values))
    if not len(rest):
        return []
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    nearest = np.full(len(values), np.inf)
    order = [int(np.argmax(values[:, 0]))]
    while len(order) < len(values):
        rest = rest[rest != order[-1]]
        nearest[rest] = np.minimum(nearest[rest], np.linalg.norm(scaled[rest] - scaled[order[-1]], axis=1))
        order.append(int(rest[np.argmax(nearest[rest])]))
    return order


def best_first(points: Sequence[Point]) -> list[int]:
    """Places of (N, M) points front by front, each front in the order of `spread`."""
    found = fronts(points)
    groups = [np.flatnonzero(found == number).tolist() for number in range(max(found, default=-1) + 1)]
    return [group[place] for group in groups for place in spread([points[one] for one in group])]


def standing(points: Sequence[Point]) -> list[float]:
    """Each of (N, M) points as one number, the better the larger: minus its place in `best_first`, so from 0 down.

    What is made for one objective (a rule that stops trials, a tournament) so takes several.
    """
    found = [0.0] * len(points)
    for place, one in enumerate(best_first(points)):
        found[one] = -float(place)
    return found


def _array(points: Sequence[Point]) -> NDArray[np.float64]:
    """(N, M), also for no point."""
    return np.asarray(points, dtype=np.float64).reshape(len(points), len(points[0]) if points else 1)
