"""What version 3 adds: wider pose, other light and backgrounds, each by numbers of its own."""

import numpy as np
import pytest

from kpbench.faces.drawn.cast import cast
from kpbench.faces.drawn.wild import STRETCHED, fill_room

N = 400


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The factors of the same people with and without what version 3 adds."""
    return cast(N, 0)[1], cast(N, 0, wild=False)[1]


def test_what_is_not_widened_stays(both: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    wild, plain = both
    for name in set(plain) - set(STRETCHED) - {"hair_volume", "hair_length", "brow_width"}:
        np.testing.assert_array_equal(wild[name], plain[name], err_msg=name)


@pytest.mark.parametrize("name", sorted(STRETCHED))
def test_widths_are_stretched(name: str, both: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    wild, plain = (factors[name].astype(float) for factors in both)
    assert wild.std() / plain.std() == pytest.approx(STRETCHED[name][0])


def test_a_label_slips_now_and_then(both: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    assert 0.02 < np.mean(both[0]["label_slip"] > 1) < 0.13


def test_a_room_without_anything_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    room = rng.random((2, 96, 96), dtype=np.float32)
    noise = rng.standard_normal((2, 30, 30), dtype=np.float32), rng.standard_normal((2, 2, 16), dtype=np.float32)
    nothing = {name: np.zeros(2) for name in ("texture", "beams", "lighter")}
    np.testing.assert_array_equal(fill_room(nothing, room, *noise), room)
    beams = fill_room(nothing | {"beams": np.array([0.0, 0.6])}, np.ones_like(room), *noise)
    np.testing.assert_array_equal(beams[0], 1)
    assert beams[1].std() > 0.1
