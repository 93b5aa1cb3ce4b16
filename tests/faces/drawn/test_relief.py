"""The head in depth: rays meet it where the keypoints say, light falls on the side it comes from."""

import numpy as np
import pytest

from kpbench.faces.drawn import cast
from kpbench.faces.drawn.light import light_relief
from kpbench.faces.drawn.relief import GRID, NOTHING, meet, raise_relief
from kpbench.faces.drawn.shape import reduce_to_15, view_of


@pytest.fixture(scope="module")
def heads():
    """Factors, points and relief of sixteen people's heads."""
    _, factors, points = cast.cast(208, 4)
    chosen = {name: values[::13] for name, values in factors.items()}
    return chosen, points[::13], raise_relief(points[::13], chosen)


def test_the_pixel_of_a_keypoint_shows_that_place_of_the_head(heads) -> None:
    factors, points, relief = heads
    solid = relief.lift(reduce_to_15(points))
    view = view_of(factors, solid)
    x, y, hit = meet(relief, view, *view.unproject(96))
    column, row = np.rint(view.project(solid)).astype(int).clip(0, 95).transpose(2, 0, 1)
    face = np.arange(len(points))[:, None]
    assert hit[face, row, column].mean() > 0.99
    away = np.hypot(x[face, row, column] - solid[..., 0], y[face, row, column] - solid[..., 1])
    # A pixel is 0.04 units wide; the side of a turned nose may hide an eye's corner, so not all must agree.
    assert np.median(away) < 0.03
    assert np.mean(away < 0.1) > 0.95


def test_the_nose_stands_out_and_the_background_is_nothing(heads) -> None:
    _, points, relief = heads
    tip, eye = (relief.lift(points[:, [i]])[:, 0, 2] for i in (30, 36))
    assert (tip - eye > 0.4).all()
    assert (relief.height[:, 2, 0] == NOTHING).all()
    assert np.isfinite(relief.height).all()


def test_light_from_the_right_brightens_the_right(heads) -> None:
    factors, points, relief = heads
    lit = dict(factors)
    view = view_of(
        lit | {"yaw": np.zeros(len(points)), "roll": np.zeros(len(points))}, relief.lift(reduce_to_15(points))
    )
    middle = slice(40, 80)
    for angle, sign in ((70.0, 1), (-70.0, -1)):
        lit["light_angle"] = np.full(len(points), angle)
        bright, _ = light_relief(relief, lit, view)
        right = bright[:, middle, GRID.width // 2 + 5 : GRID.width // 2 + 20].mean(axis=(1, 2))
        left = bright[:, middle, GRID.width // 2 - 20 : GRID.width // 2 - 5].mean(axis=(1, 2))
        assert (sign * (right - left) > 0.05).all()


def test_shadows_only_darken(heads) -> None:
    factors, points, relief = heads
    view = view_of(factors, relief.lift(reduce_to_15(points)))
    none, full = (light_relief(relief, factors | {"shadow": np.full(len(points), s)}, view)[0] for s in (0.0, 1.0))
    assert (full <= none + 1e-6).all()
    assert (full < none - 0.1).mean() > 0.01
