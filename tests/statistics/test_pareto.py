"""Non-dominated points by hand, against a plain reading of the definition, and the order that spans a front."""

import numpy as np
import pytest

from kpbench.statistics.pareto import best_first, front, fronts, spread

HAND = [(3.0, 1.0), (2.0, 2.0), (1.0, 3.0), (2.0, 1.0), (1.0, 1.0), (1.0, 3.0)]
"""Three on the front, the last equal to one of them; one behind them; one behind that."""


def plain(points):
    """The definition, word by word."""

    def beaten(one):
        return any(
            all(b >= a for a, b in zip(one, other, strict=True)) and any(b > a for a, b in zip(one, other, strict=True))
            for other in points
        )

    return [place for place, one in enumerate(points) if not beaten(one)]


def test_fronts_by_hand():
    assert fronts(HAND).tolist() == [0, 0, 0, 1, 2, 0]
    assert front(HAND) == plain(HAND) == [0, 1, 2, 5]
    assert front([]) == best_first([]) == spread([]) == fronts([]).tolist() == []
    assert fronts([(2.0,), (3.0,), (1.0,)]).tolist() == [1, 0, 2]


@pytest.mark.parametrize("coordinates", [1, 2, 3, 4])
def test_fronts_are_those_of_the_definition(coordinates):
    points = np.random.default_rng(coordinates).integers(0, 6, (80, coordinates)).astype(float).tolist()
    assert front(points) == plain(points) == np.flatnonzero(fronts(points) == 0).tolist()
    rest = [one for one, place in zip(points, fronts(points), strict=True) if place > 0]
    assert len(plain(rest)) == int((fronts(points) == 1).sum())


def test_an_order_begins_with_the_first_coordinate_and_spans_the_front():
    line = [(float(at), 10.0 - at) for at in (4, 1, 10, 0, 9)]
    order = spread(line)
    assert [line[place][0] for place in order] == [10.0, 0.0, 4.0, 1.0, 9.0]
    assert best_first(HAND)[:2] == [0, 2]  # the best of the first coordinate, then the farthest from it
    assert best_first(HAND)[-2:] == [3, 4]
    assert sorted(best_first(HAND)) == list(range(len(HAND)))


def test_equal_points_have_an_order_too():
    assert spread([(1.0, 1.0)] * 3) == [0, 1, 2]
