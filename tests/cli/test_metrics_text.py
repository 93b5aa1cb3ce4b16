"""Metrics as lines: narrow, with the numbers of the value, for good and for hopeless predictions."""

import numpy as np
import pytest

from kpbench.cli.metrics_text import WIDTH, metric_lines
from kpbench.faces.faces import KEYPOINTS
from kpbench.statistics.keypoint_errors import keypoint_metrics
from tests.statistics.test_keypoint_errors import random_faces, true_faces


@pytest.mark.parametrize("scale", [0.01, 1.0, 40.0])
def test_lines_are_narrow(scale):
    predicted, true, people = random_faces(120)
    names = {"a_condition_with_a_rather_long_name": np.arange(120.0), "word": np.array(["dark", "none"] * 60)}
    many = {f"c{i}": np.arange(120.0) % (i + 1) for i in range(1, 9)}
    found = keypoint_metrics(true + scale * (predicted - true), true, people, conditions={**names, **many})
    lines = metric_lines(found)
    assert max(map(len, lines)) <= WIDTH == 60
    assert lines[-1] == "2 more in --json"
    assert [line.split()[0] for line in lines if line.split() and line.split()[0] in KEYPOINTS] == list(KEYPOINTS)


def test_the_numbers_are_those_of_the_value():
    true = true_faces(4)
    lines = metric_lines(keypoint_metrics(true + np.array([3, -4]), true))
    assert lines[:14] == [
        "metrics of 4 faces",
        "score           92.16  1 / (2 MSE), MSE 0.005425",
        "RMSE            3.536  px, of a coordinate",
        "radial error    5.000  px, mean distance to the true point",
        "  median        5.000  px",
        "  90 % below    5.000  px",
        "  99 % below    5.000  px",
        "bias           +3.000  px to the right, -4.000 down",
        "NME             10.00  % of the distance of the eye centres",
        "NME, outer       8.33  % of that of the outer eye corners",
        "AUC@0.08         0.00  % of the area under the CED",
        "failure@0.08   100.00  % of faces with a larger NME",
        "PCK@0.05         0.00  % of points within 0.05 eye distances",
        "PCK@0.1        100.00  % of points within 0.1 eye distances",
    ]
    assert "left_eye_center           3.54     5.00 ±0.00   +3.00  -4.00" in lines
    assert "eye_center          5.00   5.00       +0.00 (+0.00 to +0.00)" in lines


def test_what_is_not_known_is_a_dash():
    true = true_faces(1)
    true[0, 1] = true[0, 0]
    lines = metric_lines(keypoint_metrics(true + 1, true))
    assert "NME                 –  % of the distance of the eye centres" in lines
    assert "1 of the faces have eyes too close to normalise by" in lines
    assert "left_eye_center           1.00           1.41   +1.00  +1.00" in lines
