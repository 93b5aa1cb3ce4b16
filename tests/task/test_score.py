"""When a score passes: one rule for search, report and score."""

import math

import pytest

from kpbench.task.score import shortfalls


@pytest.mark.parametrize(
    ("score", "floor", "reasons"),
    [
        (100.0, {"mean face": 76.0}, []),
        (120.0, {"mean face": 120.0, "ridge on pixels": 163.0}, []),
        (120.0, {}, []),
        (99.9, {"mean face": 76.0}, ["below the pass mark 100"]),
        (15708.0, {"mean face": 36491.0}, ["worse than the mean face, 36491.0"]),
        (math.nan, {"mean face": 76.0}, ["below the pass mark 100", "worse than the mean face, 76.0"]),
    ],
)
def test_a_score_passes_that_reaches_the_mark_and_the_mean_face(score, floor, reasons):
    assert shortfalls(score, 100.0, floor) == reasons
