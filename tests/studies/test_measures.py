"""Errors of single faces, shifted faces, another data set; and the counted memory of a training step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.networks.families import size_of, step_megabytes
from kpbench.space.space import complete
from kpbench.studies.measures import elsewhere, shifted, squared_errors, under_shifts
from kpbench.task.benchmark import read_benchmark
from kpbench.task.scorer import official_mse
from kpbench.training.predict import Labelled
from tests.course_files import blob_faces

COORDINATES = read_benchmark().coordinates


class Brightest(nn.Module):
    """Finds the one bright pixel and says that every keypoint is there: it follows any shift."""

    def forward(self, x):
        at = x.flatten(1).argmax(1)
        place = torch.stack([at % 96, at // 96], 1).float()
        return ((place - 48.0) / 48.0).repeat(1, 15)


class Fixed(nn.Module):
    """Says the same whatever it sees: every pixel of shift costs it."""

    def forward(self, x):
        return torch.zeros(len(x), 30)


def dots(places):
    """A face for each (x, y): one bright pixel, all keypoints on it."""
    images = np.zeros((len(places), 1, 96, 96), np.uint8)
    for i, (x, y) in enumerate(places):
        images[i, 0, y, x] = 255
    return Faces(images, np.repeat(np.array(places, np.float32)[:, None], 15, axis=1))


def test_the_errors_of_faces_and_keypoints_are_the_official_mse():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(96 * 96, 30)).eval()
    faces = blob_faces(7)
    squares = squared_errors(network, faces, COORDINATES)
    assert squares.shape == (7, 15, 2)
    official = official_mse(network, Labelled(faces, COORDINATES))
    assert squares.mean() == pytest.approx(official, rel=1e-5)
    alone = official_mse(network, Labelled(faces.take(np.array([3])), COORDINATES))
    assert squares[3].mean() == pytest.approx(alone, rel=1e-5)


@given(st.integers(20, 70), st.integers(20, 70), st.integers(-8, 8), st.integers(-8, 8))
@settings(max_examples=30, deadline=None)
def test_a_shift_moves_picture_and_keypoints_together(x, y, dx, dy):
    moved = shifted(dots([(x, y)]), dx, dy)
    assert np.argwhere(moved.images[0, 0]).tolist() == [[y + dy, x + dx]]
    assert moved.keypoints[0, 0].tolist() == [x + dx, y + dy]


def test_edges_are_repeated():
    images = np.zeros((1, 1, 96, 96), np.uint8)
    images[:, :, :, 0] = 200
    moved = shifted(Faces(images, np.full((1, 15, 2), 48, np.float32)), 5, 0)
    assert (moved.images[0, 0, :, :6] == 200).all() and (moved.images[0, 0, :, 6:] == 0).all()


def test_a_network_that_follows_is_indifferent_and_one_that_does_not_pays():
    faces = dots([(48, 48)])
    measure = under_shifts((0, 2, 8), COORDINATES)
    assert measure(Brightest(), faces) == {"shift 0": 0.0, "shift 2": 0.0, "shift 8": 0.0}
    found = measure(Fixed(), faces)
    assert found["shift 0"] == 0.0
    assert found["shift 2"] == pytest.approx((2 / 48) ** 2 / 2)  # one coordinate of two is off by 2 px
    assert found["shift 8"] == pytest.approx(16 * found["shift 2"])


def test_another_data_set_is_named_and_the_test_is_not_looked_at():
    found = elsewhere("mine", dots([(48, 60)]), COORDINATES)(Fixed(), dots([(0, 0)]))
    assert found == {"val of mine": pytest.approx((12 / 48) ** 2 / 2)}


@pytest.mark.parametrize("shift", [-1, 25, 200])
def test_a_shift_that_leaves_the_face_is_refused(shift):
    with pytest.raises(UsageError, match=f"--shifts must lie between 0 and 24 pixels, got {shift}"):
        under_shifts((0, shift), COORDINATES)


def test_counted_memory_is_weights_four_times_and_what_a_batch_keeps():
    defaults = known_parameters()

    def counted(**more):
        return step_megabytes(complete({"family": "cnn", "network.width": 4, **more}, defaults))

    small, large = counted(**{"training.batch_size": 8}), counted(**{"training.batch_size": 16})
    cell = complete({"family": "cnn", "network.width": 4}, defaults)
    weights = 4 * 4 * size_of(cell)[0] / 1e6
    assert small > weights
    assert large - weights == pytest.approx(2 * (small - weights))
    assert counted(**{"network.norm": "spatial_batch"}) > counted(**{"network.norm": "none"})
    before = torch.random.get_rng_state()
    counted()
    assert torch.equal(torch.random.get_rng_state(), before)
