"""Cells that two sides rank apart: a planted one is found, noise alone names hardly any."""

import numpy as np
import pytest
from scipy import stats

from kpbench.statistics.cell_agreement import cell_agreement, comparison_half_width
from tests.statistics.test_agreement import factorial, side


def test_a_planted_cell_is_found():
    random = np.random.default_rng(0)
    truth = np.linspace(0, 0.9, 12)
    other = truth.copy()
    other[1] += 1.0  # second best becomes worst
    found = cell_agreement(side(random, truth, sd=0.02), side(random, other, sd=0.02), draws=1000)
    assert [cell.cell for cell in found if cell.apart] == [1]
    assert found[1].ranks == (2, 12)
    assert found[1].difference == 10
    assert found[1].p_adjusted < 0.05
    assert found[5].difference == -1
    assert found[5].p_adjusted > 0.05


def test_noise_alone_seldom_names_a_cell():
    random = np.random.default_rng(1)
    named = []
    for _ in range(60):
        truth = factorial(random)
        found = cell_agreement(side(random, truth), side(random, truth), draws=400)
        named.append(any(cell.apart for cell in found))
    assert np.mean(named) <= 0.1


def test_without_noise_any_difference_is_real_and_none_is_none():
    logs = np.arange(6.0)[:, None] + np.array([0.0, 0.5, -0.2])
    assert not any(cell.apart for cell in cell_agreement(logs, 3 * logs, draws=200))
    assert all(cell.intervals == ((cell.ranks[0],) * 2,) * 2 for cell in cell_agreement(logs, logs, draws=200))


def test_the_half_width_is_students_on_the_residual():
    random = np.random.default_rng(2)
    truth = factorial(random)
    held = []
    for _ in range(200):
        logs = side(random, truth)
        half = comparison_half_width(logs)
        held.append(np.abs((logs.mean(axis=1) - logs.mean()) - (truth - truth.mean())) < half)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    logs = np.array([[0.0, 1.0], [1.0, 0.0]])  # residual mean square 1 with one degree of freedom
    assert comparison_half_width(logs) == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt(0.5))
    with pytest.raises(ValueError, match="confidence"):
        comparison_half_width(logs, confidence=0.0)
