"""The noise of labels, measured where it is known: a picture, moved, whose labels were moved and shaken."""

import numpy as np
import pytest
import torch

from benchmarks import label_noise
from kpbench.faces.drawn.synthetic import generate
from kpbench.faces.faces import Faces
from kpbench.training.augment import draw_moves, move
from kpbench.training.device import threads

COUNT = 8


def test_labels_that_were_shaken_by_a_pixel_are_found_a_pixel_apart():
    faces = generate(COUNT)
    images, keypoints = faces.images, torch.tensor(faces.keypoints)
    settings = {"shift": 4.0, "rotate": 8.0, "scale": 0.08, "brightness": 0.1, "contrast": 0.1, "flip": 0.0}
    moves = draw_moves(keypoints, torch.Generator().manual_seed(0), **settings)
    moved = (move(torch.tensor(images) / 255, moves, torch.arange(COUNT)) * 255).round().to(torch.uint8).numpy()
    noise = np.random.default_rng(0).normal(0, np.sqrt(2), keypoints.shape)  # of both labels, each with a variance of 1
    labels = np.concatenate([keypoints.numpy(), moves.keypoints.numpy() + noise]).astype(np.float32)
    both = Faces(np.concatenate([images, moved]), labels)
    with threads():
        alike, away = label_noise.apart(both, np.arange(2 * COUNT).reshape(2, COUNT).T)
    known = alike >= 0.98
    assert known.sum() >= 0.75 * COUNT
    assert np.sqrt(np.square(away[known]).mean() / 2) == pytest.approx(1.0, rel=0.12)
    assert np.sqrt(np.square(away + noise)[known].mean() / 2) < 0.1  # of exact labels nothing is left
    assert {*map(tuple, label_noise.pairs(both.images[[0, 1, 0]]))} == {(0, 2)}
