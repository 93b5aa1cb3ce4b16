"""What `kpbench score` says beside the score."""

import numpy as np
import pytest
import torch
from torch import nn

from kpbench.cli.score import condition_lines
from kpbench.faces.faces import Faces
from kpbench.studies.measures import squared_errors
from kpbench.studies.score import _by_condition
from kpbench.task.benchmark import read_benchmark
from tests.course_files import blob_faces

COORDINATES = read_benchmark().coordinates


class Fixed(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 30)


def test_errors_by_condition_are_those_of_the_faces():
    faces = blob_faces(24)
    far = np.abs(faces.keypoints - 48).mean(axis=(1, 2))
    glasses = np.where(np.arange(24) % 2 == 0, "dark", "none")
    known = Faces(faces.images, faces.keypoints, None, {"far": far, "glasses": glasses})
    found = _by_condition(Fixed(), known, COORDINATES)
    by_name = {one["condition"]: one for one in found}
    mse = squared_errors(Fixed(), known, COORDINATES).mean(axis=(1, 2))
    assert by_name["glasses"]["rmse_px"]["dark"] == pytest.approx(np.sqrt(mse[::2].mean()) * 48)
    assert by_name["glasses"]["faces"] == {"dark": 12, "none": 12}
    thirds = by_name["far"]["rmse_px"]
    assert thirds["low"] < thirds["high"] and found[0]["condition"] == "far"
    lines = condition_lines(found)
    assert lines[2].startswith("far") and "low" in lines[2]
    assert condition_lines(found, shown=1)[-1] == "1 more in --json"
    assert condition_lines([]) == []
