import numpy as np
import pytest

from kpbench.statistics.ranks import needed_blocks, rank_stability


def logs(*means, blocks=8, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.5, size=blocks)
    return np.exp(np.array(means)[:, np.newaxis] + shared + rng.normal(0, noise, size=(len(means), blocks)))


def test_far_cells_have_firm_ranks():
    found = rank_stability(logs(0.3, 0.0, 1.0))
    assert [(c.cell, c.rank, c.low, c.high, c.p_best, c.separable) for c in found] == [
        (0, 2, 2, 2, 0.0, True),
        (1, 1, 1, 1, 1.0, False),
        (2, 3, 3, 3, 0.0, True),
    ]


def test_cells_alike_are_not_told_from_the_best():
    found = rank_stability(logs(0.0, 0.0, 0.0, 1.0, noise=0.1, seed=1))
    assert [cell.separable for cell in found] == [False, False, False, True]
    assert all((cell.low, cell.high) == (1, 3) for cell in found[:3])
    assert sum(cell.p_best for cell in found) == pytest.approx(1.0)


def test_blocks_are_drawn_whole():
    # The block moves all cells far more than they differ: without the pairing the ranks would be loose.
    assert [cell.low == cell.high for cell in rank_stability(logs(0.0, 0.1, noise=0.01))] == [True, True]


def test_few_blocks_separate_nothing():
    assert not any(cell.separable for cell in rank_stability(logs(0.0, 3.0, blocks=4)))
    assert any(cell.separable for cell in rank_stability(logs(0.0, 3.0, blocks=5)))


@pytest.mark.parametrize("cells", [2, 3, 6, 9, 18])
def test_the_fewest_blocks_are_those_in_which_sign_flips_reach_the_level(cells):
    n = needed_blocks(cells, 0.05)
    assert 2.0**-n <= 0.05 / (cells - 1)
    assert n == 5 or 2.0 ** -(n - 1) > 0.05 / (cells - 1)
    far = logs(*([0.0] + [3.0] * (cells - 1)), blocks=n)
    assert [cell.separable for cell in rank_stability(far)] == [False] + [True] * (cells - 1)
    assert not any(cell.separable for cell in rank_stability(far[:, :-1])[1:])


def test_ties_share():
    first, second = rank_stability(np.ones((2, 6)))
    assert (first.p_best, second.p_best, first.rank, second.rank) == (0.5, 0.5, 1, 1)
    assert not (first.separable or second.separable)
    lower, higher = rank_stability(np.exp(np.array([[0.0] * 6, [0.5] * 6])))
    assert (lower.separable, higher.separable) == (False, True)


def test_one_cell_and_one_block():
    assert rank_stability([[0.1, 0.2]])[0].p_best == 1.0
    assert [cell.rank for cell in rank_stability([[0.2], [0.1]])] == [2, 1]


def test_ranks_repeat_with_their_seed():
    values = logs(0.0, 0.01, noise=0.1, seed=1)
    assert rank_stability(values, seed=1) == rank_stability(values, seed=1)
    assert rank_stability(values, seed=1) != rank_stability(values, seed=2)


@pytest.mark.parametrize("mse", [[0.1, 0.2], [[]], [[0.1, 0.0]], [[0.1, float("nan")]]])
def test_what_is_refused(mse):
    with pytest.raises(ValueError, match="cells by blocks"):
        rank_stability(mse)
