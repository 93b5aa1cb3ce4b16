"""Points: every parameter has a value, cells keep what applies, shares and values go both ways."""

from random import Random

import pytest
from optuna.trial import FixedTrial

from kpbench.engine.evaluate import known_parameters
from kpbench.sampling.points import at, distributions, drawn, filled, settled, share, told_elsewhere
from kpbench.space.catalog import find
from kpbench.space.reading import read_space
from kpbench.space.space import Choice, Range

SPACE = read_space(find("search_spaces", "cnn_tune"), known_parameters())


def test_a_cell_keeps_what_applies_and_its_point_has_the_rest():
    draw = Random(1)
    for _ in range(50):
        point = drawn(SPACE, draw)
        assert set(point) == set(SPACE.factors)
        cell = settled(SPACE, point)
        assert ("network.dropout_rate" in cell) == (cell["network.dropout"] != "none")
        again = filled(SPACE, cell)
        assert again == filled(SPACE, dict(reversed(cell.items())))
        assert {name: again[name] for name in cell} == cell
        assert set(again) == set(SPACE.factors)
        assert 0.02 <= again["network.dropout_rate"] <= 0.5


@pytest.mark.parametrize(
    "parameter",
    [
        Choice(("a", "b", "c"), {}),
        Range(2, 9, False, {}),
        Range(4, 64, True, {}),
        Range(0.5, 2.0, False, {}),
        Range(1e-4, 1e-1, True, {}),
    ],
)
def test_a_value_has_a_share_and_a_share_a_value(parameter):
    draw = Random(0)
    values = [at(parameter, draw.random()) for _ in range(400)]
    for value in values:
        back = at(parameter, share(parameter, value))
        assert back == (pytest.approx(value) if isinstance(value, float) else value)
    if isinstance(parameter, Choice):
        assert set(values) == set(parameter.values)
    else:
        assert parameter.low <= min(values) <= max(values) <= parameter.high
        assert (at(parameter, -1.0), at(parameter, 2.0)) == pytest.approx((parameter.low, parameter.high))
        if isinstance(parameter.low, int):
            assert {parameter.low, parameter.high} <= set(values)


def test_distributions_are_those_that_a_space_asks_for():
    params = settled(SPACE, {**drawn(SPACE, Random(0)), "network.dropout": "spatial"})
    trial = FixedTrial(params)
    SPACE.suggest(trial)
    assert trial.distributions == distributions(SPACE)


def test_cells_of_another_study_come_before_the_first_trial():
    cells = [(settled(SPACE, drawn(SPACE, Random(n))), float(n)) for n in range(3)]
    trials = told_elsewhere(SPACE, cells)
    assert [(trial.number, trial.params, trial.value) for trial in trials] == [
        (place - 3, params, score) for place, (params, score) in enumerate(cells)
    ]
