"""Regularised evolution: who has a child, and how it differs."""

from itertools import islice
from random import Random

from kpbench.engine.evaluate import known_parameters
from kpbench.sampling.evolution import POPULATION, evolution
from kpbench.sampling.points import drawn, filled, settled, told_elsewhere
from kpbench.space.catalog import find
from kpbench.space.reading import read_space

SPACE = read_space(find("search_spaces", "cnn_tune"), known_parameters())


def cells(n, score=float):
    return [(settled(SPACE, drawn(SPACE, Random(number))), score(number)) for number in range(n)]


def test_a_child_differs_from_one_of_the_young_in_one_parameter_that_applies_there():
    known = cells(POPULATION + 20)
    young = [filled(SPACE, params) for params, _ in known[-POPULATION:]]
    for child in islice(evolution(SPACE, told_elsewhere(SPACE, known), 3), 60):
        differences = [[name for name in parent if parent[name] != child[name]] for parent in young]
        names = min(differences, key=len)
        assert len(names) == 1
        assert names[0] in settled(SPACE, young[differences.index(names)])


def test_the_worst_of_the_young_have_no_child_and_the_old_none_either():
    known = cells(POPULATION + 20, lambda number: 99.0 if number < 20 else float(number))
    points = [filled(SPACE, params) for params, _ in known]
    for child in islice(evolution(SPACE, told_elsewhere(SPACE, known), 4), 60):
        parent = min(range(len(points)), key=lambda place: sum(points[place][n] != child[n] for n in child))
        assert parent >= 24  # a tournament of five of ten is never won by one of the worst four


def test_before_there_is_a_population_points_are_random():
    first = evolution(SPACE, told_elsewhere(SPACE, cells(POPULATION - 1)), 5)
    assert [next(first) for _ in range(3)] == list(islice(evolution(SPACE, [], 5), 3))
