"""The shapes and look-ups that everything is drawn with."""

import numpy as np
import pytest

from kpbench.faces.drawn.soft_shapes import Grid, bump, curve, enlarge, inside, mix, ramp, segment_distance, smooth


def test_a_bump_is_close_to_a_bell() -> None:
    r = np.linspace(0, 4, 50, dtype=np.float32)
    np.testing.assert_allclose(bump(r * r), np.exp(-r * r / 2), atol=0.075)
    assert (bump(np.float32([8, 9, 99])) == 0).all()


def test_a_ramp_is_flat_at_both_ends() -> None:
    np.testing.assert_allclose(ramp(np.float32([-1, 0, 0.5, 1, 2])), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(inside(np.float32([-1, 0, 1]), 0.1), [1, 0.5, 0])


def test_mix_lays_one_over_the_other() -> None:
    np.testing.assert_allclose(mix(np.float32([1, 1]), 3.0, np.float32([0, 0.5])), [1, 2])


def test_distance_from_a_segment() -> None:
    x, y = np.float32([[[0, 2, 5]]]), np.float32([[[1, 1, 0]]])
    ends = [tuple(np.float32([[[v]]]) for v in point) for point in ((0, 0), (4, 0))]
    np.testing.assert_allclose(segment_distance(x, y, ends[0], ends[1]), [[[1, 1, 1]]], rtol=1e-5)


def test_a_curve_runs_through_its_table() -> None:
    table = np.float32([[0, 1, 4], [2, 2, 0]])
    place = np.float32([[[0, 0.25, 0.5, 1, 9]], [[0, 0.25, 0.75, 1, -3]]])
    np.testing.assert_allclose(curve(table, place), [[[0, 0.5, 1, 4, 4]], [[2, 2, 1, 0, 2]]], rtol=1e-6)


def test_a_grid_reads_a_plane_exactly_and_clamps_outside() -> None:
    grid = Grid(-1.0, 2.0, 0.5, 7, 5)
    plane = (grid.x[None, None, :] + 10 * grid.y[None, :, None]) * np.float32([[[1]], [[2]]])
    x, y = np.float32([[[-1, -0.3, 0.9]]] * 2), np.float32([[[2, 2.2, 4.9]]] * 2)
    np.testing.assert_allclose(grid.sample([plane], x, y)[0], (x + 10 * y) * np.float32([[[1]], [[2]]]), rtol=1e-5)
    far = np.float32([[[99.0]]] * 2)
    np.testing.assert_allclose(grid.nearest(plane, far, far)[:, 0, 0], plane[:, -1, -1])


def test_enlarging_keeps_the_corners() -> None:
    small = np.random.default_rng(0).random((2, 4, 4), dtype=np.float32)
    large = enlarge(small, 31)
    np.testing.assert_allclose(large[:, ::30, ::30], small[:, ::3, ::3], rtol=1e-6)
    assert large.max() <= small.max() + 1e-6


@pytest.mark.parametrize("axis", [1, 2])
def test_smoothing_keeps_a_constant_and_widens_a_spike(axis: int) -> None:
    np.testing.assert_allclose(smooth(np.full((2, 9, 11), 3, np.float32), 2.0, axis), 3, rtol=1e-6)
    spike = np.zeros((1, 31, 31), np.float32)
    spike[0, 15, 15] = 1
    line = smooth(spike, 1.5, axis).sum(axis=(0, 3 - axis))
    assert line.sum() == pytest.approx(1, abs=1e-5)
    assert (line * (np.arange(31) - 15) ** 2).sum() ** 0.5 == pytest.approx(1.5, abs=0.01)
