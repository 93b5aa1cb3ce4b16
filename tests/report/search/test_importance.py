import numpy as np
import pytest

from kpbench.report.search.importance import epsilon_squared, importance
from tests.study_rows import grid_rows, row, tuned_rows


def test_noise_has_no_importance_on_average_and_a_cause_has_all():
    rng = np.random.default_rng(0)
    groups = [at % 4 for at in range(40)]
    shares = [epsilon_squared(rng.normal(size=40), groups) for _ in range(200)]
    assert np.mean(shares) < 0.05
    assert epsilon_squared(np.array(groups, dtype=float), groups) == pytest.approx(1.0)


def test_the_parameter_that_moves_the_score_comes_first():
    rows = [row({"a": at % 2, "b": at % 3}, trial=at, score=100.0 + 50 * (at % 2) + at % 5) for at in range(24)]
    table = importance(rows)
    assert [line[0] for line in table.rows] == ["a", "b"]
    assert float(table.rows[0][1].rstrip(" %")) > 90 and table.rows[0][2] == "2"


def test_a_range_is_read_in_thirds_and_few_trials_say_nothing():
    table = importance(tuned_rows(200))
    groups = {line[0]: line[2] for line in table.rows}
    assert groups["lr"] == "3" and groups["dropout_rate"] == "4"  # absent is a group of its own
    assert not importance(grid_rows()[:11]) and not importance([])
