from dataclasses import replace

import numpy as np
import pytest

from kpbench.studies.shown_faces import beside_each_other, spread
from tests.study_rows import row


def test_the_spread_is_the_rms_distance_from_the_mean_point():
    points = np.zeros((2, 1, 15, 2), dtype=np.float32)
    points[1, 0, :, 0] = 6.0
    assert spread(points) == pytest.approx([3.0])
    points[1, 0, 0, 1] = 8.0
    assert spread(points) == pytest.approx([np.sqrt((14 * 9 + 25) / 15)])


def final(cell, seed, score):
    return replace(row({"a": cell}, trial=None, seed=seed, score=score), model="models/x")


def test_the_best_seed_of_each_cell_is_compared_or_the_seeds_of_one():
    one = [final(1, seed, score) for seed, score in ((10, 100.0), (11, 120.0), (12, 90.0))]
    assert [found.seed for found in beside_each_other(one)] == [11, 10, 12]
    two = [*one, final(2, 10, 130.0), final(2, 11, 80.0)]
    assert [(found.params["a"], found.seed) for found in beside_each_other(two)] == [(2, 10), (1, 11)]


def test_a_run_that_failed_or_lost_its_model_is_not_compared():
    gone = replace(final(1, 10, 100.0), model=None)
    failed = replace(final(1, 11, 100.0), state="failed")
    assert beside_each_other([gone, failed]) == []
