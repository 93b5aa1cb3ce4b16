"""Error by condition: a planted relation is found, chance is not, and people are not counted as faces."""

import numpy as np
import pytest

from kpbench.statistics.conditions import error_by_condition

DRAW = np.random.default_rng(5)
N = 240
PEOPLE = np.repeat(np.arange(24), 10)


def test_a_planted_relation_comes_first_and_chance_is_not_significant():
    blur = DRAW.uniform(size=N)
    mse = 0.004 * np.exp(1.2 * blur + DRAW.normal(0, 0.4, N))
    chance = {f"chance {i}": DRAW.uniform(size=N) for i in range(20)}
    found = error_by_condition(mse, {**chance, "blur": blur}, PEOPLE)
    assert found[0].name == "blur" and found[0].p_adjusted < 1e-6 and found[0].unit == "face"
    assert [one.label for one in found[0].slices] == ["low", "middle", "high"]
    low, middle, high = (one.mse for one in found[0].slices)
    assert low < middle < high
    assert min(one.p_adjusted for one in found[1:]) > 0.05


def test_words_are_shown_value_by_value():
    glasses = np.where(np.arange(N) % 3 == 0, "dark", "none")
    mse = np.where(glasses == "dark", 0.02, 0.004) * np.exp(DRAW.normal(0, 0.1, N))
    (found,) = error_by_condition(mse, {"glasses": glasses})
    assert {one.label: one.faces for one in found.slices} == {"dark": 80, "none": 160}
    assert found.slices[0].mse == pytest.approx(mse[glasses == "dark"].mean())
    assert found.p < 1e-6


def test_what_a_person_has_for_good_is_tested_on_people():
    """Each person has its own luck: 240 faces would call it significant, 24 people do not."""
    luck = np.random.default_rng(1).normal(0, 0.5, 24)
    beard = np.random.default_rng(2).integers(0, 2, 24).astype(float)
    mse = 0.004 * np.exp(luck[PEOPLE] + DRAW.normal(0, 0.05, N))
    (by_person,) = error_by_condition(mse, {"beard": beard[PEOPLE]}, PEOPLE)
    (by_face,) = error_by_condition(mse, {"beard": beard[PEOPLE]})
    assert by_person.unit == "person" and by_face.unit == "face"
    assert by_face.p < by_person.p
    assert by_person.p > 0.05


def test_constant_conditions_and_tiny_sets_are_left_out():
    assert error_by_condition(np.full(N, 0.01), {"hat": np.zeros(N)}) == ()
    assert error_by_condition([0.01, 0.02], {"hat": np.array([0, 1])}) == ()


@pytest.mark.parametrize("mse", [[0.1, 0.0], [0.1, np.nan], [0.1]])
def test_odd_input_is_refused(mse):
    with pytest.raises(ValueError, match="positive finite MSE"):
        error_by_condition(mse, {"hat": np.array([0, 1])})
